#include "storage/key_backup.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "storage/key_file.h"
#include "storage/store.h"

namespace wab::storage {
namespace {

constexpr std::string_view kMagic = "wabkeyb1";
constexpr size_t kDigest = 32;
constexpr size_t kLargestKey = 1 << 20;        // one file of keys
constexpr size_t kLargestBackup = 256u << 20;  // a million organizations
constexpr uint32_t kMostFiles = 1'000'001;
constexpr const char *kFile = "/waslo-keys", *kKeyring = "keyring", *kStore = "keystore/";

Bytes digest_of(ByteView content) {
  Bytes out(kDigest);
  crypto_generichash(out.data(), out.size(), content.data(), content.size(), nullptr, 0);
  return out;
}

void put_field(Bytes& to, ByteView field) {
  put_be32(to, static_cast<uint32_t>(field.size()));
  append(to, field);
}

std::optional<ByteView> take_field(ByteView& from) {
  if (from.size() < 4) return std::nullopt;
  const size_t size = read_be32(from);
  from = from.subspan(4);
  if (from.size() < size) return std::nullopt;
  const ByteView field = from.first(size);
  from = from.subspan(size);
  return field;
}

// "keyring" or "keystore/" and one plain name: an entry never leaves the directory it is put into.
bool is_ours(std::string_view name) {
  if (name == kKeyring) return true;
  if (!name.starts_with(kStore)) return false;
  name.remove_prefix(std::string_view(kStore).size());
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Overwrites what a file held that nothing names any more.
void shred(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return;
  const Bytes zeros(64 << 10, 0);
  off_t at = 0;
  while (at < info.st_size) {
    const auto size = std::min<size_t>(zeros.size(), static_cast<size_t>(info.st_size - at));
    const ssize_t wrote = ::pwrite(fd, zeros.data(), size, at);
    if (wrote <= 0) return;
    at += wrote;
  }
  (void)::fsync(fd);
}

}  // namespace

Bytes encode(const KeyBackup& keys) {
  Bytes out = to_bytes(kMagic);
  append(out, keys.deployment);
  put_be64(out, static_cast<uint64_t>(keys.at));
  put_be32(out, static_cast<uint32_t>(keys.files.size()));
  for (const auto& [name, content] : keys.files) {
    put_field(out, view(name));
    put_field(out, content);
  }
  append(out, digest_of(out));
  return out;
}

std::optional<KeyBackup> decode_key_backup(ByteView file) {
  constexpr size_t kHead = 8 + 16 + 8 + 4;
  if (file.size() < kHead + kDigest || text(file).substr(0, kMagic.size()) != kMagic) {
    return std::nullopt;
  }
  const ByteView content = file.first(file.size() - kDigest);
  if (!equal_constant_time(digest_of(content), file.last(kDigest))) return std::nullopt;
  KeyBackup out;
  out.deployment = *to_array<16>(content.subspan(8, 16));
  out.at = static_cast<UnixMillis>(read_be64(content.subspan(24)));
  const uint32_t count = read_be32(content.subspan(32));
  if (count == 0 || count > kMostFiles) return std::nullopt;
  ByteView rest = content.subspan(kHead);
  for (uint32_t i = 0; i < count; ++i) {
    const auto name = take_field(rest);
    const auto key = take_field(rest);
    if (!name || !key || !is_ours(text(*name)) || key->size() > kLargestKey) return std::nullopt;
    out.files.emplace_back(to_string(*name), to_bytes(*key));
  }
  if (!rest.empty() || out.files[0].first != kKeyring) return std::nullopt;
  return out;
}

Result<KeyBackup> collect_keys(const std::string& data, UnixMillis now) {
  const std::string keyring = data + "/" + kKeyring;
  // Half keys are sealed under terms of the keyring: read between two equal readings of it, each
  // of them has its term.
  for (int attempt = 0; attempt < 100; ++attempt) {
    KeyBackup out;
    out.at = now;
    TRY(Bytes before, read_file(keyring, kLargestKey));
    if (before.size() < 49) return fail(StoreError::corrupt, "keyring header");
    out.deployment = *to_array<16>(ByteView(before).subspan(33, 16));
    out.files.emplace_back(kKeyring, before);
    std::error_code error;
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(data + "/keystore", error)) {
      names.push_back(kStore + entry.path().filename().string());
    }
    if (error) return fail(StoreError::io, "keystore list");
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      if (!is_ours(name)) continue;  // a file that is being written
      auto content = read_file(data + "/" + name, kLargestKey);
      if (!content && content.error().is(StoreError::not_found)) continue;  // deleted meanwhile
      if (!content) return fail(content.error());
      out.files.emplace_back(name, std::move(*content));
    }
    TRY(const Bytes after, read_file(keyring, kLargestKey));
    if (after == before) return out;
  }
  return fail(StoreError::busy, "the keyring keeps changing");
}

Result<void> write_key_backup(const std::string& directory, const KeyBackup& keys) {
  TRY_VOID(make_private_directory(directory));
  const std::string path = directory + kFile;
  const int before = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  const auto written = write_file_atomic(path, encode(keys));
  if (before >= 0) {
    if (written) shred(before);
    ::close(before);
  }
  return written;
}

Result<KeyBackup> read_keys(const std::string& path, std::string& message) {
  if (file_exists(path + "/" + kKeyring)) {
    auto keys = collect_keys(path, system_clock().now_ms());
    if (!keys) message = "cannot read the keys in " + path + "; give this user access";
    return keys;
  }
  std::error_code ignored;
  const bool directory = std::filesystem::is_directory(path, ignored);
  const std::string file = directory ? path + kFile : path;
  const auto content = read_file(file, kLargestBackup);
  if (!content) {
    message = file + " cannot be read; name the directory of the key backup, or the data directory";
    return fail(content.error());
  }
  auto keys = decode_key_backup(*content);
  if (!keys) {
    message = file + " is no key backup, or it is damaged; use another copy of it";
    return fail(StoreError::corrupt, "key backup");
  }
  return std::move(*keys);
}

Result<void> unpack_keys(const KeyBackup& keys, const std::string& data) {
  TRY_VOID(make_private_directory(data + "/keystore"));
  for (const auto& [name, content] : keys.files) {
    TRY_VOID(create_file(data + "/" + name, content));
  }
  return ok();
}

}  // namespace wab::storage
