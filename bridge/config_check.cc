#include "bridge/config_check.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <charconv>

#include "session/wire/dial.h"
#include "storage/base/bytes.h"

namespace wab::bridge {
namespace {

using enum ConfigCheck;

bool is_network(const std::string& text) {
  boost::system::error_code ec;
  boost::asio::ip::make_address(text, ec);
  if (!ec) return true;
  boost::asio::ip::make_network_v4(text, ec);
  if (!ec) return true;
  boost::asio::ip::make_network_v6(text, ec);
  return !ec;
}

bool has_scheme(std::string_view text, std::initializer_list<std::string_view> schemes) {
  return std::any_of(schemes.begin(), schemes.end(), [&](std::string_view scheme) {
    return text.starts_with(scheme) && text.size() > scheme.size() &&
           text.find_first_of(" \t\r\n\"<>") == std::string_view::npos;
  });
}

}  // namespace

const char* fix_for(ConfigCheck check, const std::string& text) {
  switch (check) {
    case any:
      return nullptr;
    case address:
      return parse_host_port(text) ? nullptr : "write HOST:PORT, such as 127.0.0.1:8080";
    case networks:
      return is_network(text) ? nullptr : "write networks such as 10.0.0.0/8";
    case http_url:
      return has_scheme(text, {"http://", "https://"}) ? nullptr
                                                       : "write a URL with http:// or https://";
    case contact:
      return has_scheme(text, {"https://", "mailto:", "tel:"})
                 ? nullptr
                 : "write https://…, mailto:… or tel:…";
    case ws_url:
      return has_scheme(text, {"ws://", "wss://"}) ? nullptr : "write a URL with ws:// or wss://";
    case origins: {
      const auto slashes = text.find("://");
      return has_scheme(text, {"http://", "https://"}) &&
                     text.find('/', slashes + 3) == std::string::npos &&
                     text.find('*') == std::string::npos
                 ? nullptr
                 : "write exact origins such as https://app.example.org";
    }
    case engine:
      return text == "rocksdb" || text == "postgres" ? nullptr : "use rocksdb or postgres";
    case root_key:
      return has_scheme(text, {"file:", "env:", "passphrase:"}) ||
                     (text.starts_with("exec:") && text.size() > 5)
                 ? nullptr
                 : "use file:PATH, env:NAME, exec:COMMAND or passphrase:PATH";
    case key32: {
      auto raw = text.size() == 64 ? from_hex(text) : from_base64(text);
      return raw && raw->size() == 32 ? nullptr : "write 64 hex digits";
    }
    case version:
      return text == "auto" || (std::count(text.begin(), text.end(), '.') == 2 &&
                                text.find_first_not_of("0123456789.") == std::string::npos)
                 ? nullptr
                 : "use auto or a version such as 2.3000.1045649367";
    case durations:
      return parse_duration(text) ? nullptr : "write durations such as 5s, 30m, 2h or 1d";
    case factor:
      return text == "none" || text == "operators" || text == "admins" || text == "all"
                 ? nullptr
                 : "use none, operators, admins or all";
    case ports: {
      uint16_t port = 0;
      const char* last = text.data() + text.size();
      const auto [end, ec] = std::from_chars(text.data(), last, port);
      return ec == std::errc() && end == last && port != 0 ? nullptr : "write ports such as 443";
    }
    case level:
      return text == "debug" || text == "info" || text == "warn" || text == "error"
                 ? nullptr
                 : "use debug, info, warn or error";
  }
  return nullptr;
}

std::optional<std::string> check_together(const Config& config) {
  if (config.http.tls_certificate.empty() != config.http.tls_key.empty()) {
    return "http.tls_key: set both http.tls_certificate and http.tls_key, or neither";
  }
  if (config.ops.tls_certificate.empty() != config.ops.tls_key.empty()) {
    return "ops.tls_key: set both ops.tls_certificate and ops.tls_key, or neither";
  }
  if (!config.http.client_ca.empty() && config.http.tls_certificate.empty()) {
    return "http.client_ca: needs http.tls_certificate; clients show certificates over TLS only";
  }
  if (!config.ops.client_ca.empty() && config.ops.tls_certificate.empty()) {
    return "ops.client_ca: needs ops.tls_certificate; clients show certificates over TLS only";
  }
  if (config.storage.engine == "postgres" && config.storage.url.empty()) {
    return "storage.url: required when storage.engine is postgres";
  }
  if (!config.backup.path.empty() && config.backup.path == config.backup.keys_path) {
    return "backup.keys_path: must differ from backup.path; who finds both has what only the root "
           "key still protects, and a deleted organization could come back";
  }
  if (config.retention.events < Seconds(86400)) {
    return "retention.events: at least 1d; endpoints are retried for three days";
  }
  if (config.retention.messages < Seconds(86400)) return "retention.messages: at least 1d";
  if (!config.webhook.proxy.empty() && !wire::parse_proxy(config.webhook.proxy)) {
    return "webhook.proxy: write http://HOST:PORT or socks5://HOST:PORT";
  }
  const auto listen = parse_host_port(config.http.listen);
  const bool any_port = listen && listen->port == 0;  // each gets a free one
  if (config.ops.listen == config.http.listen && !any_port) {
    return "ops.listen: must differ from http.listen; /metrics is not for the public listener";
  }
  if (!config.auth.google_client_id.empty() && config.auth.google_client_secret_file.empty()) {
    return "auth.google_client_secret_file: required with auth.google_client_id";
  }
  if (!config.auth.google_client_id.empty() && config.http.public_url.empty()) {
    return "http.public_url: required with auth.google_client_id; Google sends browsers back there";
  }
  if (!config.auth.google_issuer.starts_with("https://")) {
    return "auth.google_issuer: write a URL with https://";
  }
  return std::nullopt;
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  auto host = text.substr(0, colon);
  const auto digits = text.substr(colon + 1);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  uint16_t port = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (ec != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return HostPort{std::string(host), port};
}

std::optional<Seconds> parse_duration(std::string_view text) {
  int64_t value = 0;
  const char* last = text.data() + text.size();
  const auto [end, ec] = std::from_chars(text.data(), last, value);
  if (ec != std::errc() || value < 0 || value > 10'000'000'000) return std::nullopt;
  const std::string_view unit(end, static_cast<size_t>(last - end));
  int64_t scale = 0;
  if (unit.empty() || unit == "s") scale = 1;
  if (unit == "m") scale = 60;
  if (unit == "h") scale = 3600;
  if (unit == "d") scale = 86400;
  if (scale == 0 || value > 10'000'000'000 / scale) return std::nullopt;
  return Seconds(value * scale);
}

bool in_networks(const Texts& wanted, std::string_view text) {
  namespace ip = boost::asio::ip;
  boost::system::error_code ec;
  auto host = ip::make_address(std::string(text), ec);
  if (ec) return false;
  if (host.is_v6() && host.to_v6().is_v4_mapped()) {
    host = ip::make_address_v4(ip::v4_mapped, host.to_v6());
  }
  for (const auto& network : wanted) {
    const auto single = ip::make_address(network, ec);
    if (!ec) {
      if (single == host) return true;
      continue;
    }
    if (host.is_v4()) {
      const auto net = ip::make_network_v4(network, ec);
      if (!ec && (host.to_v4().to_uint() & net.netmask().to_uint()) == net.network().to_uint()) {
        return true;
      }
      continue;
    }
    const auto net = ip::make_network_v6(network, ec);
    if (ec) continue;
    const auto a = host.to_v6().to_bytes();
    const auto b = net.network().to_bytes();
    bool same = true;
    for (unsigned bit = 0; bit < net.prefix_length() && same; ++bit) {
      same = ((a[bit / 8] ^ b[bit / 8]) & (0x80 >> (bit % 8))) == 0;
    }
    if (same) return true;
  }
  return false;
}

}  // namespace wab::bridge
