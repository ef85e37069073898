#include "bridge/security_txt.h"

#include "session/wire/url.h"

namespace wab::bridge {

std::string security_contact(const Config& config) {
  if (!config.http.security_contact.empty()) return config.http.security_contact;
  std::string host = "localhost";
  const auto url = wire::parse_url(config.http.public_url);
  if (url && !url->host_is_address()) host = url->host;
  return "mailto:security@" + host;
}

std::string security_txt(const Config& config, UnixMillis now) {
  constexpr UnixMillis kDay = 24 * 60 * 60 * 1000;
  const auto end = now + std::chrono::milliseconds(kSecurityTxtLife).count();
  auto base = config.http.public_url;
  while (base.ends_with('/')) base.pop_back();
  std::string out = "Contact: " + security_contact(config) + "\r\n";
  out += "Expires: " + to_iso8601(end - end % kDay) + "\r\n";
  if (!base.empty()) out += "Canonical: " + base + "/.well-known/security.txt\r\n";
  out += "Preferred-Languages: en, ar\r\n";
  return out;
}

}  // namespace wab::bridge
