// Who must have a second factor, and what is left to those who have none yet.
#include "bridge/factor_rule.h"

#include "tests/bridge/people_bench.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using wab::test::Table;

Config requiring(const char* who) {
  auto config = default_config();
  config.auth.require_second_factor = who;
  config.limits.token_per_minute = config.limits.organization_per_minute = 1'000'000;
  config.limits.address_per_minute = 1'000'000;
  return config;
}

struct FactorBench : PeopleBench {
  explicit FactorBench(const char* who) { config = requiring(who); }
  void enroll(const std::string& cookie) {
    const std::string secret = json::parse(with(cookie, "POST", "/v1/me/totp").body)["secret"];
    const auto on =
        with(cookie, "POST", "/v1/me/totp/confirm", json{{"code", code_now(secret)}}.dump());
    EXPECT_EQ(on.status, 200) << on.body;
  }
};

TEST(FactorRule, WhomEachSettingMeans) {
  Table table("who must have a second factor");
  const Role roles[] = {Role::viewer, Role::agent, Role::admin, Role::owner, Role::operators};
  const std::pair<const char*, std::array<bool, 5>> rows[] = {
      {"none", {false, false, false, false, false}},
      {"operators", {false, false, false, false, true}},
      {"admins", {false, false, true, true, true}},
      {"all", {true, true, true, true, true}}};
  for (const auto& [setting, wanted] : rows) {
    const auto config = requiring(setting);
    for (size_t i = 0; i < std::size(roles); ++i) {
      table.row(factor_required(config, roles[i]) == wanted[i],
                std::string(setting) + ": " + std::string(role_word(roles[i])));
    }
  }
  EXPECT_EQ(default_config().auth.require_second_factor, "none");
  const auto none = [](const std::string&) { return std::nullopt; };
  const auto bad = parse_config("[auth]\nrequire_second_factor = \"yes\"\n", none);
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().find("use none, operators, admins or all"), std::string::npos);
}

// Every route of the table: one's own account answers, nothing else does.
TEST(FactorRule, WithoutItOnlyOnesOwnAccountAnswers) {
  Table table("routes without a required second factor");
  FactorBench bench("all");
  const auto a = bench.tenant("A");
  bench.user("owner@a.example", Role::owner, a.org);
  bench.user("op@example.org", Role::operators);
  for (const char* who : {"owner@a.example", "op@example.org"}) {
    const auto cookie = bench.browser(who);
    EXPECT_EQ(bench.ask(cookie, "/v1/me")["user"]["second_factor_missing"], true);
    for (const auto& routes : all_routes()) {
      for (const auto& route : routes) {
        if (is_callerless(route.access) || route.name == "logout") continue;
        std::string path(route.pattern);
        for (auto open = path.find('{'); open != std::string::npos; open = path.find('{')) {
          path.replace(open, path.find('}') - open + 1, "nothing");
        }
        const auto answer = bench.with(cookie, std::string(route.method), path);
        const bool own = route.pattern == "/v1/me" || route.pattern.starts_with("/v1/me/");
        const bool refused = code_of(answer) == "second_factor_required";
        table.row(
            refused != own && (own || answer.status == 403),
            std::string(who) + " " + std::string(route.method) + " " + path + ": " + answer.body);
      }
    }
    const auto out = bench.with(cookie, "POST", "/v1/logout");
    table.row(out.status == 204, "sign-out: " + out.body);
  }
  EXPECT_GT(table.rows(), 80u);
}

TEST(FactorRule, WhoTurnsItOnIsLetInAndWhoTurnsItOffIsNot) {
  FactorBench bench("operators");
  bench.user("op@example.org", Role::operators);
  const auto cookie = bench.browser("op@example.org");
  EXPECT_EQ(code_of(bench.with(cookie, "GET", "/v1/organizations")), "second_factor_required");
  const std::string secret = json::parse(bench.with(cookie, "POST", "/v1/me/totp").body)["secret"];
  // Begun is not done.
  EXPECT_EQ(code_of(bench.with(cookie, "GET", "/v1/organizations")), "second_factor_required");
  const auto on = bench.with(cookie, "POST", "/v1/me/totp/confirm",
                             json{{"code", bench.code_now(secret)}}.dump());
  ASSERT_EQ(on.status, 200) << on.body;
  EXPECT_EQ(bench.with(cookie, "GET", "/v1/organizations").status, 200);
  EXPECT_EQ(bench.ask(cookie, "/v1/me")["user"]["second_factor_missing"], false);
  const std::string recovery = json::parse(on.body)["recovery_codes"][0];
  EXPECT_EQ(bench.with(cookie, "POST", "/v1/me/totp/off", json{{"code", recovery}}.dump()).status,
            204);
  EXPECT_EQ(code_of(bench.with(cookie, "GET", "/v1/organizations")), "second_factor_required");
}

TEST(FactorRule, TokensAndThoseWhoNeedNotAreNotConcerned) {
  FactorBench bench("admins");
  const auto a = bench.tenant("A");
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", a.owner).status, 200);
  EXPECT_EQ(bench.call("GET", "/v1/organizations", "", bench.operator_token()).status, 200);
  bench.user("agent@a.example", Role::agent, a.org);
  const auto agent = bench.browser("agent@a.example");
  EXPECT_EQ(bench.with(agent, "GET", "/v1/sessions").status, 200);
  EXPECT_EQ(bench.ask(agent, "/v1/me")["user"]["second_factor_missing"], false);
  // Raised, and asked from the next request on.
  const std::string id = bench.ask(agent, "/v1/me")["user"]["id"];
  EXPECT_EQ(bench.call("PATCH", "/v1/users/" + id, R"({"role":"admin"})", a.owner).status, 200);
  EXPECT_EQ(code_of(bench.with(agent, "GET", "/v1/sessions")), "second_factor_required");
  // What somebody without it tried is in the log of the organization.
  EXPECT_EQ(code_of(bench.with(agent, "POST", "/v1/sessions", R"({"name":"x"})")),
            "second_factor_required");
  const auto log = json::parse(bench.call("GET", "/v1/audit?limit=100", "", a.owner).body);
  EXPECT_NE(log.dump().find("second_factor_required"), std::string::npos);
}

}  // namespace
}  // namespace wab::bridge::test
