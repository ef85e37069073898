// The sealed key backup: what a restored database needs to be opened, apart from the backups.
//
// A backup of the database holds no half keys, so that deleting an organization makes its records
// worthless in every older backup. This file holds them, together with the keyring: all of it as it
// lies in the data directory, sealed under the root key, which is in neither. There is one file per
// directory and it is a mirror, not a history: the next run takes deleted organizations out and
// overwrites what was there before.
//
//   DIR/waslo-keys   "wabkeyb1" | deployment 16 | time 8 | count 4 | {name, content}... | BLAKE2b
//   32
//
// Blocking; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "storage/base/result.h"

namespace wab::storage {

struct KeyBackup {
  ByteArray<16> deployment{};
  UnixMillis at = 0;
  // Below the data directory: "keyring", "keystore/org_...". Sealed.
  std::vector<std::pair<std::string, Bytes>> files;
  size_t organizations() const { return files.empty() ? 0 : files.size() - 1; }
};

Bytes encode(const KeyBackup& keys);
// Nothing for a file that was cut, changed or is none.
std::optional<KeyBackup> decode_key_backup(ByteView file);

// What lies in a data directory now, even while its keys are being rotated.
Result<KeyBackup> collect_keys(const std::string& data, UnixMillis now);
// Makes the directory; replaces the file at once or not at all, and overwrites the old one.
Result<void> write_key_backup(const std::string& directory, const KeyBackup& keys);
// `path`: the directory of a key backup, its file, or a data directory. The error has a sentence.
Result<KeyBackup> read_keys(const std::string& path, std::string& message);
// Into a directory that holds none of them.
Result<void> unpack_keys(const KeyBackup& keys, const std::string& data);

}  // namespace wab::storage
