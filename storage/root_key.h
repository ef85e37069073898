// Where the root key comes from: `file:PATH`, `env:NAME`, `exec:COMMAND` or `passphrase:PATH`.
//
// The key is 32 bytes, given raw, as 64 hexadecimal digits or as base64; white space at the end is
// ignored in the text forms. Errors are StoreError::root_key, and `message` says in one sentence
// which source failed and what to do; it never holds any part of the key.
// Blocking; called at start and by the key commands.
#pragma once

#include <chrono>
#include <string>

#include "storage/base/clock.h"
#include "storage/base/result.h"
#include "storage/base/secret.h"

namespace wab::storage {

struct RootKeySource {
  enum class Kind { file, env, exec, passphrase };
  Kind kind = Kind::file;
  std::string value;
};

Result<RootKeySource> parse_root_key_source(std::string_view setting, std::string& message);

// 32 bytes, or for passphrase: the passphrase itself (1..1024 bytes, line end stripped).
//  file, passphrase: a regular file of this user that nobody else may read.
//  env: read once, then overwritten and removed from the environment.
//  exec: split at white space, quotes group, no shell; standard output is the key; killed with its
//        process group after `exec_limit`.
Result<LockedSecret> read_root_key(const RootKeySource& source,
                                   std::chrono::milliseconds exec_limit, std::string& message);

// `key new`: a fresh random key in a new file of mode 0600 (base64 and a line end).
Result<void> create_root_key_file(const std::string& path, Random& random, std::string& message);

}  // namespace wab::storage
