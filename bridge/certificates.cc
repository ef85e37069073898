#include "bridge/certificates.h"

#include <sys/stat.h>

#include "storage/base/log.h"

namespace wab::bridge {
namespace {

constexpr std::chrono::seconds kLookEvery{1};

}  // namespace

Certificates::Certificates(std::string section, std::string chain, std::string key,
                           std::string client_ca)
    : section_(std::move(section)),
      chain_(std::move(chain)),
      key_(std::move(key)),
      client_ca_(std::move(client_ca)) {}

Certificates::Stamp Certificates::stamp_of(const std::string& path) {
  struct stat found {};
  if (path.empty() || ::stat(path.c_str(), &found) != 0) return {};
  return {found.st_mtim, found.st_size, found.st_ino};
}

std::array<Certificates::Stamp, 3> Certificates::stamps() const {
  return {stamp_of(chain_), stamp_of(key_), stamp_of(client_ca_)};
}

tl::expected<void, std::string> Certificates::load() {
  if (!enabled()) return {};
  seen_ = stamps();
  auto context = wire::TlsContext::server_from_files(chain_, key_, client_ca_);
  if (!context) {
    const std::string authorities =
        client_ca_.empty() ? "" : ", or " + section_ + ".client_ca holds no certificate";
    return tl::unexpected(section_ + ".tls_certificate: " + chain_ + " and " + section_ +
                          ".tls_key do not form a usable pair of PEM files" + authorities);
  }
  context_ = std::make_shared<const wire::TlsContext>(std::move(*context));
  return {};
}

void Certificates::look() {
  const auto now = stamps();
  if (now == seen_) return;
  seen_ = now;  // one line per change, not one per look
  auto context = wire::TlsContext::server_from_files(chain_, key_, client_ca_);
  if (!context) {
    // Half written, or wrong.
    log_warn("tls.certificate_unusable", {{"listener", section_},
                                          {"error", context.error()},
                                          {"serving", "the certificate before it"}});
    return;
  }
  context_ = std::make_shared<const wire::TlsContext>(std::move(*context));
  log_info("tls.certificate_reloaded", {{"listener", section_}});
}

awaitable<void> Certificates::watch(Event& stop) {
  for (;;) {
    const SteadyTime next = std::chrono::steady_clock::now() + kLookEvery;
    const bool stopped = co_await stop.wait_until(next);
    if (stopped) co_return;
    look();
  }
}

}  // namespace wab::bridge
