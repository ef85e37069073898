// Configuration: one table of keys, a TOML file, the environment above it.
//
// Pure. A key is one row of config_keys(); from it come the default, the parser, the override
// WASLO_<SECTION>_<KEY>, the refusal of unknown keys, and the test on bridge.example.toml. Errors
// are one line that names the key and the fix.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

namespace wab::bridge {

using Seconds = std::chrono::seconds;
using Texts = std::vector<std::string>;

struct Config {
  struct {
    std::string listen, tls_certificate, tls_key, client_ca, public_url, security_contact;
    Texts cors_origins, trusted_proxies;
  } http;
  struct {
    std::string listen, tls_certificate, tls_key, client_ca;
  } ops;
  struct {
    std::string engine, path, url, root_key;
  } storage;
  struct {
    std::string url, noise_root_key, ca_file, client_version, proxy;
    int64_t connects_per_second = 0;
  } whatsapp;
  struct {
    Seconds token_ttl_default{};
    std::string google_client_id, google_client_secret_file, google_issuer, google_ca_file,
        require_second_factor;
    Texts allowed_domains;
  } auth;
  struct {
    Texts allow_private_targets, ports, schedule;
    std::string ca_file, proxy;
    Seconds timeout{};
    int64_t window = 0, max_in_flight = 0;
  } webhook;
  struct {
    int64_t token_per_minute = 0, organization_per_minute = 0, address_per_minute = 0,
            login_per_minute = 0, connections = 0, connections_per_address = 0,
            sessions_per_organization = 0, webhooks_per_organization = 0,
            tokens_per_organization = 0, users_per_organization = 0, messages_per_day = 0,
            messages_stored = 0, storage_bytes = 0, undelivered_events = 0;
  } limits;
  struct {
    std::string path, keys_path;
    Seconds every{};
    int64_t keep = 0;
  } backup;
  struct {
    Seconds events{}, messages{};
    int64_t event_bytes = 0;
  } retention;
  struct {
    std::string level;
  } log;
};

// Where the value of a key stands in a Config; the alternative is the key's type.
using ConfigSlot = std::variant<std::string& (*)(Config&), int64_t& (*)(Config&),
                                Seconds& (*)(Config&), Texts& (*)(Config&)>;

// What a text must look like beyond its type.
enum class ConfigCheck : uint8_t {
  any,
  address,    // HOST:PORT
  networks,   // list of CIDR or single addresses
  http_url,   // http:// or https://
  contact,    // https:, mailto: or tel:
  ws_url,     // ws:// or wss://
  origins,    // list of scheme://host[:port]
  engine,     // rocksdb or postgres
  root_key,   // file:, env:, exec:, passphrase:
  key32,      // 64 hex digits or base64 of 32 bytes
  version,    // auto or three numbers
  durations,  // list of durations
  factor,     // none, operators, admins or all
  ports,      // list of ports
  level,
};

struct ConfigKey {
  std::string_view name;  // "http.listen"
  ConfigSlot slot;
  std::string_view preset;  // as the environment would write it: lists with commas
  std::string_view meaning;
  ConfigCheck check = ConfigCheck::any;
  int64_t min = 0, max = 0;  // of integers, both inclusive
};
std::span<const ConfigKey> config_keys();

// Reads one environment variable, nothing when unset.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// The error is one line for stderr.
tl::expected<Config, std::string> parse_config(std::string_view toml, const Environment& env);
// The process environment; also refuses a WASLO_ variable that names no key.
tl::expected<Config, std::string> load_config(const std::string& path);
// The first WASLO_<SECTION>_* name of an environment block that is no key, as an error line.
std::optional<std::string> unknown_variable(const char* const* environment);

struct HostPort {
  std::string host;
  uint16_t port = 0;
};
std::optional<HostPort> parse_host_port(std::string_view text);  // "[::1]:80" too
// "90d", "12h", "30m", "45s" or bare seconds.
std::optional<Seconds> parse_duration(std::string_view text);
// True when `address` (as text) lies in one of these networks.
bool in_networks(const Texts& networks, std::string_view address);

}  // namespace wab::bridge
