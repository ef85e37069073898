#include "bridge/checkup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>

#include "bridge/version.h"
#include "storage/keyring.h"
#include "storage/root_key.h"

namespace wab::bridge {
namespace {

using Grade = Finding::Grade;

constexpr uint64_t kMiB = 1024 * 1024;
constexpr int kSyncs = 15;

std::string existing_parent(std::string path) {
  std::error_code ec;
  std::filesystem::path at(path.empty() ? "." : path);
  while (!std::filesystem::exists(at, ec) && at.has_parent_path() && at != at.parent_path()) {
    at = at.parent_path();
  }
  return at.string();
}

bool is_loopback(const std::string& listen) {
  const auto at = parse_host_port(listen);
  return at && (at->host == "::1" || at->host.starts_with("127."));
}

}  // namespace

const char* grade_word(Grade grade) {
  return grade == Grade::ok ? "ok" : grade == Grade::warn ? "warn" : "fail";
}

Finding check_listeners(const Config& config) {
  const bool tls = !config.http.tls_certificate.empty();
  if (!is_loopback(config.ops.listen)) {
    return {Grade::warn, "listeners",
            "ops.listen " + config.ops.listen + " is not a loopback address",
            "Make sure that only your monitoring reaches it: /metrics is not for the public."};
  }
  if (!tls && !is_loopback(config.http.listen) && config.http.trusted_proxies.empty()) {
    return {Grade::warn, "listeners",
            "http.listen " + config.http.listen + " serves plain HTTP to other machines",
            "Set http.tls_certificate and http.tls_key, or listen on 127.0.0.1 behind a proxy that "
            "has TLS and is named in http.trusted_proxies."};
  }
  return {
      Grade::ok, "listeners",
      "API on " + config.http.listen + (tls ? " with TLS" : "") + ", ops on " + config.ops.listen,
      ""};
}

Finding check_root_key(const Config& config) {
  std::string message;
  if (config.storage.root_key.empty()) {
    return {Grade::fail, "root_key", "storage.root_key is not set",
            "Make a key with `waslo-bridge key new --out PATH` and set storage.root_key = "
            "\"file:PATH\"."};
  }
  std::error_code ec;
  const bool made = std::filesystem::exists(config.storage.path + "/keyring", ec);
  if (!made) {
    const auto source = storage::parse_root_key_source(config.storage.root_key, message);
    if (!source) return {Grade::fail, "root_key", message, "Correct storage.root_key."};
    const auto key = storage::read_root_key(*source, std::chrono::seconds(10), message);
    if (!key) return {Grade::fail, "root_key", message, "Correct storage.root_key or its source."};
    return {Grade::ok, "root_key", "the key is readable; there is no store yet", ""};
  }
  storage::KeyringOptions options;
  options.directory = config.storage.path;
  options.root_key = config.storage.root_key;
  const auto keyring = storage::Keyring::open(options, false, message);
  if (!keyring) {
    return {Grade::fail, "root_key", message,
            "Use the key that the store was made with; without it nothing in it can be read."};
  }
  if (!(*keyring)->warning().empty()) {
    return {Grade::warn, "root_key", (*keyring)->warning(), "Move the key off this volume."};
  }
  return {Grade::ok, "root_key", "opens the keyring of " + config.storage.path, ""};
}

Finding check_disk_space(const std::string& path) {
  const std::string at = existing_parent(path);
  struct statvfs disk {};
  if (::statvfs(at.c_str(), &disk) != 0) {
    return {Grade::fail, "disk_space", "cannot look at the file system of " + path,
            "Create " + path + " and give it to the user that runs the bridge."};
  }
  if (::access(at.c_str(), W_OK | X_OK) != 0) {
    return {Grade::fail, "disk_space", at + " is not writable for this user",
            "Create " + path + " and give it to the user that runs the bridge."};
  }
  const uint64_t free = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
  const std::string says = fmt::format("{} MiB free for {}", free / kMiB, path);
  if (free < 200 * kMiB) {
    return {Grade::fail, "disk_space", says,
            "Make room: a full disk stops the bridge, by design, before it could lose a message."};
  }
  if (free < 2048 * kMiB || (disk.f_files > 0 && disk.f_favail < 1000)) {
    return {Grade::warn, "disk_space", says, "Keep 2 GiB and 1000 inodes free."};
  }
  return {Grade::ok, "disk_space", says, ""};
}

Finding check_sync_speed(const std::string& path) {
  const std::string file = existing_parent(path) + "/.waslo-doctor-" + std::to_string(::getpid());
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return {Grade::fail, "disk_sync", "cannot write a file beside " + path,
            "Give the directory to the user that runs the bridge."};
  }
  std::vector<double> took;
  const std::string block(4096, 'w');
  bool good = true;
  for (int i = 0; i < kSyncs && good; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    good = ::write(fd, block.data(), block.size()) == static_cast<ssize_t>(block.size()) &&
           ::fdatasync(fd) == 0;
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begun;
    took.push_back(time.count());
  }
  ::close(fd);
  ::unlink(file.c_str());
  if (!good) {
    return {Grade::fail, "disk_sync", "a small write could not be made durable",
            "Check the disk and its file system."};
  }
  std::sort(took.begin(), took.end());
  const double median = took[took.size() / 2];
  const std::string says =
      fmt::format("4 KiB durable in {:.1f} ms (median), {:.1f} ms (worst)", median, took.back());
  if (median > 50) {
    return {Grade::warn, "disk_sync", says,
            "Every message waits for such a write: put storage.path on a local SSD."};
  }
  return {Grade::ok, "disk_sync", says, ""};
}

Finding judge_files_limit(rlim_t hard) {
  const std::string says =
      hard == RLIM_INFINITY ? "no limit of open files" : fmt::format("{} open files at most", hard);
  if (hard < 1024) {
    return {Grade::fail, "open_files", says,
            "Raise the hard limit (LimitNOFILE= of the systemd unit) to 65536 or more."};
  }
  if (hard < 16384) {
    return {Grade::warn, "open_files", says,
            "Each session and each API connection takes one: set LimitNOFILE=65536."};
  }
  return {Grade::ok, "open_files", says, ""};
}

Finding judge_memory_lock(rlim_t soft) {
  const std::string says = soft == RLIM_INFINITY
                               ? "no limit of locked memory"
                               : fmt::format("{} KiB of locked memory at most", soft / 1024);
  if (soft < 4 * kMiB) {
    return {Grade::warn, "memory_lock", says,
            "Keys are kept from the swap by locking their pages: set LimitMEMLOCK=64M."};
  }
  return {Grade::ok, "memory_lock", says, ""};
}

Finding check_versions() {
  const std::string says = fmt::format("waslo-bridge {}, {}, libsodium {}", kVersion,
                                       OpenSSL_version(OPENSSL_VERSION), sodium_version_string());
  // Built with a newer one than is installed: a half-done upgrade.
  if (OpenSSL_version_num() >> 28 != 3) {
    return {Grade::fail, "versions", says, "Install OpenSSL 3."};
  }
  if (OpenSSL_version_num() < (OPENSSL_VERSION_NUMBER & 0xFFFFF000UL)) {
    return {Grade::warn, "versions", says,
            "Upgrade libssl3: it is older than what this build had."};
  }
  return {Grade::ok, "versions", says, ""};
}

Finding check_kernel_clock() {
  struct timex state {};
  const int answer = ::adjtimex(&state);
  if (answer < 0) {
    return {Grade::warn, "clock_sync", "the kernel does not say whether the clock is kept right",
            "Make sure that a time service runs on this host."};
  }
  if (answer == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    return {Grade::warn, "clock_sync", "no time service keeps the clock of this machine",
            "Run systemd-timesyncd or chrony here, or on the host of this container."};
  }
  return {Grade::ok, "clock_sync", "a time service keeps the clock", ""};
}

Finding judge_clock(UnixSeconds ours, UnixSeconds theirs) {
  const UnixSeconds apart = ours - theirs;
  const std::string says = apart == 0 ? "agrees with WhatsApp's to the second"
                                      : fmt::format("{} s {} WhatsApp's", std::abs(apart),
                                                    apart > 0 ? "ahead of" : "behind");
  const char* const todo =
      "Set the clock by a time service: certificates, tokens and pairing "
      "depend on it.";
  if (std::abs(apart) > 120) return {Grade::fail, "clock", says, todo};
  if (std::abs(apart) > 5) return {Grade::warn, "clock", says, todo};
  return {Grade::ok, "clock", says, ""};
}

std::optional<UnixSeconds> parse_http_date(std::string_view text) {
  std::tm at{};
  const std::string copy(text.substr(0, 64));
  const char* rest = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &at);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return static_cast<UnixSeconds>(::timegm(&at));
}

}  // namespace wab::bridge
