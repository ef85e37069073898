#include "bridge/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>

namespace wab::bridge {
namespace {

tl::expected<Config, std::string> parse(std::string_view toml,
                                        std::map<std::string, std::string> env = {}) {
  return parse_config(toml, [env](const std::string& name) -> std::optional<std::string> {
    const auto found = env.find(name);
    return found == env.end() ? std::nullopt : std::optional<std::string>(found->second);
  });
}

// Every value as text, to compare two configurations.
std::string print(Config& config) {
  std::string out;
  for (const auto& key : config_keys()) {
    out += std::string(key.name) + "=";
    if (auto* text = std::get_if<std::string& (*)(Config&)>(&key.slot)) out += (*text)(config);
    if (auto* number = std::get_if<int64_t& (*)(Config&)>(&key.slot)) {
      out += std::to_string((*number)(config));
    }
    if (auto* span = std::get_if<Seconds& (*)(Config&)>(&key.slot)) {
      out += std::to_string((*span)(config).count());
    }
    if (auto* list = std::get_if<Texts& (*)(Config&)>(&key.slot)) {
      for (const auto& item : (*list)(config)) out += item + ",";
    }
    out += "\n";
  }
  return out;
}

TEST(Config, DefaultsAreSafe) {
  const auto config = parse("");
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->http.listen, "127.0.0.1:8080");
  EXPECT_EQ(config->ops.listen, "127.0.0.1:9090");
  EXPECT_EQ(config->storage.root_key, "");
  EXPECT_TRUE(config->webhook.allow_private_targets.empty());
  EXPECT_EQ(config->webhook.ports, (Texts{"443", "8443"}));
  EXPECT_TRUE(config->http.cors_origins.empty());
  EXPECT_EQ(config->auth.token_ttl_default, std::chrono::days(90));
  EXPECT_EQ(config->webhook.schedule.size(), 10u);
}

TEST(Config, ExampleShowsEveryKeyWithItsDefault) {
  std::ifstream in(WAB_SOURCE_DIR "/bridge/bridge.example.toml");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  auto example = parse(text), defaults = parse("");
  ASSERT_TRUE(example) << example.error();
  EXPECT_EQ(print(*example), print(*defaults));
  std::string section;
  std::map<std::string, int> seen;
  for (size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    const auto line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with('[')) section = line.substr(1, line.size() - 2);
    if (const auto equals = line.find(" = "); equals != std::string::npos && line[0] != '#') {
      ++seen[section + "." + line.substr(0, equals)];
    }
  }
  for (const auto& key : config_keys()) EXPECT_EQ(seen[std::string(key.name)], 1) << key.name;
  EXPECT_EQ(seen.size(), config_keys().size());
}

TEST(Config, EnvironmentStandsAboveTheFile) {
  const auto config = parse("[http]\nlisten = \"127.0.0.1:1\"\n",
                            {{"WASLO_HTTP_LISTEN", "0.0.0.0:8443"},
                             {"WASLO_WEBHOOK_ALLOW_PRIVATE_TARGETS", "10.0.0.0/8, ::1"},
                             {"WASLO_LIMITS_CONNECTIONS", "17"},
                             {"WASLO_AUTH_TOKEN_TTL_DEFAULT", "7d"}});
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->http.listen, "0.0.0.0:8443");
  EXPECT_EQ(config->webhook.allow_private_targets, (Texts{"10.0.0.0/8", "::1"}));
  EXPECT_EQ(config->limits.connections, 17);
  EXPECT_EQ(config->auth.token_ttl_default, std::chrono::days(7));
}

TEST(Config, UnknownKeyNamesTheNearest) {
  auto config = parse("[http]\nlistne = \"127.0.0.1:1\"\n");
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().find("http.listne"), std::string::npos);
  EXPECT_NE(config.error().find("did you mean http.listen"), std::string::npos);
  config = parse("listen = 1\n");
  EXPECT_FALSE(config);
  const char* const environment[] = {"PATH=/bin", "WASLO_ROOT_KEY=x", "WASLO_HTTP_LISTNE=1",
                                     nullptr};
  const auto variable = unknown_variable(environment);
  ASSERT_TRUE(variable);
  EXPECT_NE(variable->find("WASLO_HTTP_LISTEN"), std::string::npos);
}

TEST(Config, ErrorsAreOneLineWithKeyAndFix) {
  const std::pair<const char*, const char*> bad[] = {
      {"[http]\nlisten = \"8080\"", "http.listen"},
      {"[http]\nlisten = 8080", "http.listen"},
      {"[http]\ntls_key = \"x\"", "http.tls_key"},
      {"[http]\ncors_origins = [\"*\"]", "http.cors_origins"},
      {"[http]\ncors_origins = \"https://a\"", "http.cors_origins"},
      {"[http]\ntrusted_proxies = [\"10.0.0.0/99\"]", "http.trusted_proxies"},
      {"[storage]\nengine = \"sqlite\"", "storage.engine"},
      {"[storage]\nengine = \"postgres\"", "storage.url"},
      {"[storage]\nroot_key = \"secret\"", "storage.root_key"},
      {"[whatsapp]\nnoise_root_key = \"abcd\"", "whatsapp.noise_root_key"},
      {"[whatsapp]\nclient_version = \"new\"", "whatsapp.client_version"},
      {"[auth]\ngoogle_client_id = \"a\"", "auth.google_client_secret_file"},
      {"[auth]\ngoogle_client_id = \"a\"\ngoogle_client_secret_file = \"b\"", "http.public_url"},
      {"[auth]\ngoogle_issuer = \"http://accounts.google.com\"", "auth.google_issuer"},
      {"[webhook]\nschedule = [\"soon\"]", "webhook.schedule"},
      {"[webhook]\ntimeout = 0", "webhook.timeout"},
      {"[limits]\nconnections = 0", "limits.connections"},
      {"[limits]\nconnections = \"many\"", "limits.connections"},
      {"[ops]\nlisten = \"127.0.0.1:8080\"", "ops.listen"},
      {"[log]\nlevel = \"loud\"", "log.level"},
      {"[http", "line 1"}};
  for (const auto& [toml, names] : bad) {
    const auto config = parse(toml);
    ASSERT_FALSE(config) << toml;
    EXPECT_NE(config.error().find(names), std::string::npos) << config.error();
    EXPECT_EQ(config.error().find('\n'), std::string::npos) << config.error();
  }
}

TEST(Config, Durations) {
  EXPECT_EQ(parse_duration("90d"), std::chrono::days(90));
  EXPECT_EQ(parse_duration("12h"), std::chrono::hours(12));
  EXPECT_EQ(parse_duration("45"), Seconds(45));
  for (const char* bad : {"", "d", "-1s", "1.5h", "1w", "99999999999d", "1 h"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

TEST(Config, HostPort) {
  EXPECT_EQ(parse_host_port("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_host_port("a:65535")->port, 65535);
  for (const char* bad : {"", "a", ":1", "a:", "a:65536", "::1:80", "[]:1", "a:1x"}) {
    EXPECT_FALSE(parse_host_port(bad)) << bad;
  }
}

TEST(Config, Networks) {
  const Texts networks{"10.0.0.0/8", "192.0.2.7", "2001:db8::/33"};
  EXPECT_TRUE(in_networks(networks, "10.255.0.1"));
  EXPECT_TRUE(in_networks(networks, "192.0.2.7"));
  EXPECT_TRUE(in_networks(networks, "::ffff:10.1.2.3"));
  EXPECT_TRUE(in_networks(networks, "2001:db8:7fff::1"));
  for (const char* outside : {"11.0.0.1", "192.0.2.8", "2001:db8:8000::1", "name", ""}) {
    EXPECT_FALSE(in_networks(networks, outside)) << outside;
  }
}

}  // namespace
}  // namespace wab::bridge
