// Small files that hold sealed keys: written whole or not at all, private to the owner, destroyed
// on purpose. Blocking; call from a pool, at start or from the committer.
#pragma once

#include <string>

#include "storage/base/bytes.h"
#include "storage/base/result.h"

namespace wab::storage {

// At most `limit` bytes; StoreError::not_found or ::io.
Result<Bytes> read_file(const std::string& path, size_t limit);
// Temporary file, fsync, rename, fsync of the directory. Mode 0600.
Result<void> write_file_atomic(const std::string& path, ByteView content);
// The same, and then the bytes of the file that stood there are overwritten: what they were sealed
// under may be about to go.
Result<void> replace_file(const std::string& path, ByteView content);
// Creates a file that must not exist yet. Mode 0600, synced with its directory.
Result<void> create_file(const std::string& path, ByteView content);
// Overwrites with zeros, syncs, unlinks, syncs the directory; what an interrupted write left beside
// it too. Absent is success.
Result<void> destroy_file(const std::string& path);
// With parents, mode 0700.
Result<void> make_private_directory(const std::string& path);
bool file_exists(const std::string& path);
bool on_same_volume(const std::string& a, const std::string& b);

}  // namespace wab::storage
