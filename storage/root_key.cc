#include "storage/root_key.h"

#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "storage/key_command.h"
#include "storage/key_file.h"
#include "storage/store.h"

namespace wab::storage {
namespace {

constexpr size_t kKeySize = 32, kLongestPassphrase = 1024;

tl::unexpected<Error> refuse(std::string& message, std::string text, const char* where) {
  message = "storage.root_key: " + std::move(text);
  return fail(StoreError::root_key, where);
}

std::string_view without_line_end(std::string_view text) {
  while (!text.empty() && std::strchr(" \t\r\n", text.back()) != nullptr) text.remove_suffix(1);
  return text;
}

std::optional<Bytes> decode_key(ByteView given) {
  if (given.size() == kKeySize) return to_bytes(given);
  const std::string_view trimmed = without_line_end(text(given));
  auto key = trimmed.size() == 2 * kKeySize ? from_hex(trimmed) : from_base64(trimmed);
  if (key && key->size() != kKeySize) {
    wipe(*key);
    key.reset();
  }
  return key;
}

Result<LockedSecret> decode(Bytes given, const std::string& source, std::string& message) {
  auto key = decode_key(given);
  const size_t size = given.size();
  wipe(given);
  if (!key) {
    return refuse(message,
                  fmt::format("{} gave {} bytes that are not a key; it must be exactly 32 bytes, "
                              "64 hexadecimal digits or base64 of 32 bytes",
                              source, size),
                  "root key format");
  }
  LockedSecret locked(*key);
  wipe(*key);
  return locked;
}

Result<Bytes> read_private_file(const std::string& path, size_t limit, std::string& message) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return refuse(message,
                  fmt::format("cannot find {}: {}; make a key with `waslo-bridge key new {}` or "
                              "correct the path",
                              path, std::strerror(errno), path),
                  "root key file");
  }
  if (!S_ISREG(info.st_mode)) {
    return refuse(message, path + " is not a regular file; name the file that holds the key",
                  "root key file");
  }
  if (info.st_uid != ::geteuid()) {
    return refuse(message,
                  fmt::format("{} belongs to user {} but this process runs as user {}; run: "
                              "chown {} {}",
                              path, info.st_uid, ::geteuid(), ::geteuid(), path),
                  "root key owner");
  }
  if ((info.st_mode & 077) != 0) {
    return refuse(message,
                  fmt::format("{} is open to other users (mode {:04o}); run: chmod 600 {}", path,
                              info.st_mode & 07777, path),
                  "root key mode");
  }
  auto content = read_file(path, limit);
  if (!content) {
    return refuse(
        message,
        fmt::format("cannot read {} ({}); it must be a short file that this user may read", path,
                    content.error().where()),
        "root key file");
  }
  return content;
}

Result<LockedSecret> from_environment(const std::string& name, std::string& message) {
  char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') {
    return refuse(message,
                  fmt::format("the environment variable {} is not set; set it to 64 hexadecimal "
                              "digits or base64 of 32 bytes",
                              name),
                  "root key environment");
  }
  Bytes copy = to_bytes(std::string_view(value));
  // Also out of /proc/self/environ, which shows this very memory.
  wipe({reinterpret_cast<uint8_t*>(value), std::strlen(value)});
  ::unsetenv(name.c_str());
  return decode(std::move(copy), "environment variable " + name, message);
}

Result<LockedSecret> from_passphrase_file(const std::string& path, std::string& message) {
  TRY(Bytes content, read_private_file(path, kLongestPassphrase + 2, message));
  const std::string_view phrase = without_line_end(text(content));
  if (phrase.empty() || phrase.size() > kLongestPassphrase) {
    wipe(content);
    return refuse(message, path + " must hold a passphrase of 1 to 1024 bytes", "passphrase size");
  }
  LockedSecret locked(view(phrase));
  wipe(content);
  return locked;
}

}  // namespace

Result<RootKeySource> parse_root_key_source(std::string_view setting, std::string& message) {
  const size_t colon = setting.find(':');
  const std::string_view kind = setting.substr(0, colon);
  const std::string_view value =
      colon == std::string_view::npos ? std::string_view() : setting.substr(colon + 1);
  RootKeySource source;
  source.value = std::string(value);
  if (kind == "file") {
    source.kind = RootKeySource::Kind::file;
  } else if (kind == "env") {
    source.kind = RootKeySource::Kind::env;
  } else if (kind == "exec") {
    source.kind = RootKeySource::Kind::exec;
  } else if (kind == "passphrase") {
    source.kind = RootKeySource::Kind::passphrase;
  } else {
    return refuse(message,
                  setting.empty() ? "is not set; use file:PATH, env:NAME, exec:COMMAND or "
                                    "passphrase:PATH, for example after `waslo-bridge key new PATH`"
                                  : "must begin with file:, env:, exec: or passphrase:",
                  "root key setting");
  }
  if (value.empty()) {
    return refuse(message, std::string(kind) + ": names nothing after the colon",
                  "root key setting");
  }
  return source;
}

Result<LockedSecret> read_root_key(const RootKeySource& source,
                                   std::chrono::milliseconds exec_limit, std::string& message) {
  if (::sodium_init() < 0) return fail(StoreError::io, "libsodium");  // guarded pages need it
  switch (source.kind) {
    case RootKeySource::Kind::file: {
      TRY(Bytes content, read_private_file(source.value, 256, message));
      return decode(std::move(content), source.value, message);
    }
    case RootKeySource::Kind::env:
      return from_environment(source.value, message);
    case RootKeySource::Kind::exec: {
      std::string problem;
      auto output = run_key_command(source.value, exec_limit, 256, problem);
      if (!output) return refuse(message, std::move(problem), "root key command");
      return decode(std::move(*output), "the command of exec:", message);
    }
    case RootKeySource::Kind::passphrase:
      return from_passphrase_file(source.value, message);
  }
  return fail(StoreError::root_key, "root key source");
}

Result<void> create_root_key_file(const std::string& path, Random& random, std::string& message) {
  ByteArray<kKeySize> key;
  random.fill(key);
  std::string content = to_base64(key) + "\n";
  wipe(key);
  const auto written = create_file(path, view(content));
  wipe({reinterpret_cast<uint8_t*>(content.data()), content.size()});
  if (!written) {
    return refuse(message,
                  file_exists(path)
                      ? path + " exists already and was left alone; choose another path"
                      : "cannot create " + path + ": " + std::strerror(errno),
                  "root key create");
  }
  return ok();
}

}  // namespace wab::storage
