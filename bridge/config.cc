#include "bridge/config.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>

#include "storage/base/bytes.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

extern char** environ;  // POSIX

namespace wab::bridge {
namespace {

using enum ConfigCheck;
using Failure = std::optional<std::string>;

#define SLOT(member)         \
  +[](Config & c) -> auto& { \
    return c.member;         \
  }

const ConfigKey kKeys[] = {
    {"http.listen", SLOT(http.listen), "127.0.0.1:8080", "Address of the API.", address},
    {"http.tls_certificate", SLOT(http.tls_certificate), "",
     "PEM file with the certificate chain; empty serves plain HTTP. Reloaded when it changes."},
    {"http.tls_key", SLOT(http.tls_key), "", "PEM file with the private key of the certificate."},
    {"http.public_url", SLOT(http.public_url), "",
     "How browsers and links reach this service, such as https://bridge.example.org.", http_url},
    {"http.cors_origins", SLOT(http.cors_origins), "",
     "Origins whose pages may call the API; exact matches.", origins},
    {"http.trusted_proxies", SLOT(http.trusted_proxies), "",
     "Networks of proxies whose X-Forwarded-For is believed.", networks},
    {"ops.listen", SLOT(ops.listen), "127.0.0.1:9090",
     "Address of /healthz, /readyz and /metrics; never the public one.", address},
    {"storage.engine", SLOT(storage.engine), "rocksdb", "rocksdb or postgres.", engine},
    {"storage.path", SLOT(storage.path), "/var/lib/waslo-bridge", "Directory of the store."},
    {"storage.url", SLOT(storage.url), "", "Connection string when the engine is postgres."},
    {"storage.root_key", SLOT(storage.root_key), "",
     "Where the root key is: file:PATH, env:NAME, exec:COMMAND or passphrase:PATH. Required.",
     root_key},
    {"whatsapp.url", SLOT(whatsapp.url), "wss://web.whatsapp.com/ws/chat",
     "The chat socket; another one only to test against a sandbox.", ws_url},
    {"whatsapp.noise_root_key", SLOT(whatsapp.noise_root_key), "",
     "Root of the server's certificates, 64 hex digits; empty is WhatsApp's own.", key32},
    {"whatsapp.ca_file", SLOT(whatsapp.ca_file), "",
     "PEM file of the authorities to trust; empty is the system's."},
    {"whatsapp.client_version", SLOT(whatsapp.client_version), "auto",
     "auto, or a fixed version such as 2.3000.1045649367.", version},
    {"whatsapp.proxy", SLOT(whatsapp.proxy), "",
     "http://HOST:PORT or socks5://HOST:PORT for every session without its own."},
    {"whatsapp.connects_per_second", SLOT(whatsapp.connects_per_second), "20",
     "How fast sessions are connected, all organizations together.", any, 1, 10000},
    {"auth.token_ttl_default", SLOT(auth.token_ttl_default), "90d",
     "Life of a token made without expires_in."},
    {"auth.google_client_id", SLOT(auth.google_client_id), "",
     "OAuth client of the console; empty switches Google sign-in off."},
    {"auth.google_client_secret_file", SLOT(auth.google_client_secret_file), "",
     "File with the secret of that client."},
    {"auth.google_issuer", SLOT(auth.google_issuer), "https://accounts.google.com",
     "Issuer whose identity tokens are accepted.", http_url},
    {"auth.google_ca_file", SLOT(auth.google_ca_file), "",
     "PEM file of the authorities to trust for the issuer; empty is the system's."},
    {"auth.allowed_domains", SLOT(auth.allowed_domains), "",
     "Hosted domains whose accounts may sign in."},
    {"webhook.allow_private_targets", SLOT(webhook.allow_private_targets), "",
     "Networks that webhooks may reach although they are not public; there http:// is allowed too.",
     networks},
    {"webhook.schedule", SLOT(webhook.schedule), "0s,5s,5m,30m,2h,5h,10h,14h,20h,24h",
     "Wait before each attempt, counted from the one before.", durations},
    {"webhook.timeout", SLOT(webhook.timeout), "20s", "Whole exchange of one attempt."},
    {"webhook.window", SLOT(webhook.window), "8", "Attempts in flight per endpoint.", any, 1, 256},
    {"webhook.max_in_flight", SLOT(webhook.max_in_flight), "256", "Attempts in flight in all.", any,
     1, 65536},
    {"limits.token_per_minute", SLOT(limits.token_per_minute), "1200", "Requests of one token.",
     any, 1, 10000000},
    {"limits.organization_per_minute", SLOT(limits.organization_per_minute), "3000",
     "Requests of one organization.", any, 1, 10000000},
    {"limits.address_per_minute", SLOT(limits.address_per_minute), "3000",
     "Requests of one client address (IPv6: /64).", any, 1, 10000000},
    {"limits.login_per_minute", SLOT(limits.login_per_minute), "5",
     "Attempts to log in or set up per account and, six times as many, per address.", any, 1, 1000},
    {"limits.connections", SLOT(limits.connections), "4096", "Open connections to the API.", any, 1,
     1000000},
    {"limits.connections_per_address", SLOT(limits.connections_per_address), "64",
     "Open connections of one client address.", any, 1, 65535},
    {"limits.sessions_per_organization", SLOT(limits.sessions_per_organization), "1000",
     "Sessions one organization may create.", any, 1, 1000000},
    {"limits.webhooks_per_organization", SLOT(limits.webhooks_per_organization), "50",
     "Endpoints one organization may create.", any, 1, 10000},
    {"limits.tokens_per_organization", SLOT(limits.tokens_per_organization), "200",
     "Tokens one organization may hold.", any, 1, 100000},
    {"limits.undelivered_events", SLOT(limits.undelivered_events), "1000000",
     "Events one organization may owe its endpoints before its sessions stop reading.", any, 1,
     1000000000},
    {"log.level", SLOT(log.level), "info", "debug, info, warn or error.", level},
};
#undef SLOT

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

Texts split(std::string_view text) {
  Texts out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    auto part = trimmed(text.substr(0, comma));
    if (!part.empty()) out.push_back(std::move(part));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

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

// The fix, when `text` is not what the check wants; a list is checked item by item.
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
    case level:
      return text == "debug" || text == "info" || text == "warn" || text == "error"
                 ? nullptr
                 : "use debug, info, warn or error";
  }
  return nullptr;
}

std::string complaint(const ConfigKey& key, std::string_view what) {
  return std::string(key.name) + ": " + std::string(what);
}

Failure set_list(Config& config, const ConfigKey& key, Texts values) {
  for (const auto& value : values) {
    if (const char* fix = fix_for(key.check, value)) {
      return complaint(key, "\"" + value + "\" is not valid; " + fix);
    }
  }
  std::get<Texts& (*)(Config&)>(key.slot)(config) = std::move(values);
  return std::nullopt;
}

// From the environment's form, or a default.
Failure set_text(Config& config, const ConfigKey& key, std::string_view text) {
  if (auto* slot = std::get_if<std::string& (*)(Config&)>(&key.slot)) {
    std::string value(text);
    const char* fix = value.empty() && key.preset.empty() ? nullptr : fix_for(key.check, value);
    if (fix) return complaint(key, "\"" + value + "\" is not valid; " + fix);
    (*slot)(config) = std::move(value);
  } else if (auto* integer = std::get_if<int64_t& (*)(Config&)>(&key.slot)) {
    int64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size() || value < key.min ||
        value > key.max) {
      return complaint(key, "write a whole number from " + std::to_string(key.min) + " to " +
                                std::to_string(key.max));
    }
    (*integer)(config) = value;
  } else if (auto* duration = std::get_if<Seconds& (*)(Config&)>(&key.slot)) {
    const auto value = parse_duration(text);
    if (!value || value->count() == 0) {
      return complaint(key, "write a duration such as 20s, 30m, 12h or 90d");
    }
    (*duration)(config) = *value;
  } else {
    return set_list(config, key, split(text));
  }
  return std::nullopt;
}

Failure set_node(Config& config, const ConfigKey& key, const toml::node& node) {
  if (std::holds_alternative<Texts& (*)(Config&)>(key.slot)) {
    const auto* array = node.as_array();
    if (!array) return complaint(key, "write a list of texts, such as [\"a\", \"b\"]");
    Texts values;
    for (const auto& item : *array) {
      const auto text = item.value_exact<std::string>();
      if (!text) return complaint(key, "write a list of texts, such as [\"a\", \"b\"]");
      values.push_back(*text);
    }
    return set_list(config, key, std::move(values));
  }
  if (std::holds_alternative<std::string& (*)(Config&)>(key.slot)) {
    const auto text = node.value_exact<std::string>();
    return text ? set_text(config, key, *text) : Failure(complaint(key, "write a text in quotes"));
  }
  if (const auto number = node.value_exact<int64_t>()) {
    return set_text(config, key, std::to_string(*number));
  }
  const auto text = node.value_exact<std::string>();
  if (text && std::holds_alternative<Seconds& (*)(Config&)>(key.slot)) {
    return set_text(config, key, *text);
  }
  return set_text(config, key, "");  // the type's own complaint
}

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string variable_of(const ConfigKey& key) {
  std::string out = "WASLO_" + std::string(key.name);
  for (auto& c : out) c = c == '.' ? '_' : static_cast<char>(std::toupper(c));
  return out;
}

std::string unknown(std::string_view name, std::string_view nearest) {
  return std::string(name) + ": unknown key; did you mean " + std::string(nearest) + "?";
}

std::string_view nearest_key(std::string_view name) {
  return std::min_element(std::begin(kKeys), std::end(kKeys),
                          [&](const ConfigKey& a, const ConfigKey& b) {
                            return distance(a.name, name) < distance(b.name, name);
                          })
      ->name;
}

Failure set_file(Config& config, const toml::table& file) {
  for (const auto& [section, node] : file) {
    const auto* table = node.as_table();
    if (!table) return unknown(section.str(), nearest_key(section.str()));
    for (const auto& [leaf, value] : *table) {
      const std::string name = std::string(section.str()) + "." + std::string(leaf.str());
      const auto* key = std::find_if(std::begin(kKeys), std::end(kKeys),
                                     [&](const ConfigKey& k) { return k.name == name; });
      if (key == std::end(kKeys)) return unknown(name, nearest_key(name));
      if (auto failure = set_node(config, *key, value)) return failure;
    }
  }
  return std::nullopt;
}

// Rules between keys.
Failure check_together(const Config& config) {
  if (config.http.tls_certificate.empty() != config.http.tls_key.empty()) {
    return "http.tls_key: set both http.tls_certificate and http.tls_key, or neither";
  }
  if (config.storage.engine == "postgres" && config.storage.url.empty()) {
    return "storage.url: required when storage.engine is postgres";
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

}  // namespace

std::span<const ConfigKey> config_keys() { return kKeys; }

tl::expected<Config, std::string> parse_config(std::string_view toml, const Environment& env) {
  Config config;
  for (const auto& key : kKeys) {
    if (auto failure = set_text(config, key, key.preset)) return tl::unexpected(*failure);
  }
  const auto parsed = toml::parse(toml);
  if (!parsed) {
    const auto& error = parsed.error();
    return tl::unexpected("line " + std::to_string(error.source().begin.line) + ": " +
                          std::string(error.description()) + "; fix the TOML syntax there");
  }
  if (auto failure = set_file(config, parsed.table())) return tl::unexpected(*failure);
  for (const auto& key : kKeys) {
    const auto value = env(variable_of(key));
    if (!value) continue;
    if (auto failure = set_text(config, key, *value)) {
      return tl::unexpected(variable_of(key) + ": " + *failure);
    }
  }
  if (auto failure = check_together(config)) return tl::unexpected(*failure);
  return config;
}

std::optional<std::string> unknown_variable(const char* const* environment) {
  for (; environment && *environment; ++environment) {
    std::string_view entry(*environment);
    const auto name = entry.substr(0, entry.find('='));
    // Only names inside our sections: the variable behind "env:NAME" may be called anything.
    const bool ours = std::any_of(std::begin(kKeys), std::end(kKeys), [&](const ConfigKey& key) {
      const auto variable = variable_of(key);
      return name.starts_with(variable.substr(0, variable.find('_', 6) + 1));
    });
    if (!ours) continue;
    bool known = false;
    std::string nearest;
    size_t best = SIZE_MAX;
    for (const auto& key : kKeys) {
      const auto variable = variable_of(key);
      known = known || variable == name;
      if (const auto d = distance(variable, name); d < best) {
        best = d;
        nearest = variable;
      }
    }
    if (!known) return unknown(name, nearest);
  }
  return std::nullopt;
}

tl::expected<Config, std::string> load_config(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return tl::unexpected(path + ": cannot be read; give --config a readable TOML file");
  const std::string toml{std::istreambuf_iterator<char>(in), {}};
  if (auto failure = unknown_variable(environ)) return tl::unexpected(*failure);
  auto config = parse_config(toml, [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  });
  if (!config && !config.error().starts_with("WASLO_")) {
    return tl::unexpected(path + ": " + config.error());
  }
  return config;
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
