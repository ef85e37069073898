// Links for a new password: once, for an hour, for those beneath whoever makes them; and never past
// the second factor.
#include "tests/bridge/people_bench.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using namespace std::chrono_literals;

const std::string kNext = "four blue kettles";

class PasswordReset : public ::testing::Test {
 protected:
  PasswordReset() {
    bench.user("admin@a.example", Role::admin, a);
    ana = bench.user("ana@a.example", Role::agent, a);
    admin = bench.browser("admin@a.example");
  }
  Answer ask(const std::string& cookie, const std::string& user) {
    return bench.with(cookie, "POST", "/v1/users/" + user + "/password-reset");
  }
  std::string make(const std::string& user) {
    // The limits of sign-in are not the matter here, and the sign-in must be fresh.
    admin = bench.browser("admin@a.example");
    const auto answer = ask(admin, user);
    EXPECT_EQ(answer.status, 201) << answer.body;
    return json::parse(answer.body)["token"];
  }
  Answer accept(const std::string& token, const std::string& password = kNext,
                const std::string& code = "") {
    bench.clock.advance(15s);
    json body = {{"token", token}, {"password", password}};
    if (!code.empty()) body["code"] = code;
    return bench.call("POST", "/v1/password-reset/accept", body.dump());
  }
  std::string turn_on(const std::string& email, std::vector<std::string>* recovery = nullptr) {
    const auto cookie = bench.browser(email);
    const std::string secret =
        json::parse(bench.with(cookie, "POST", "/v1/me/totp").body)["secret"];
    const auto on = bench.with(cookie, "POST", "/v1/me/totp/confirm",
                               json{{"code", bench.code_now(secret)}}.dump());
    EXPECT_EQ(on.status, 200) << on.body;
    if (recovery) *recovery = json::parse(on.body)["recovery_codes"];
    bench.clock.advance(2min);
    return secret;
  }
  PeopleBench bench;
  std::string a = bench.org("A"), b = bench.org("B"), admin, ana;
};

TEST_F(PasswordReset, ALinkSetsANewPasswordOnceAndEndsEverySession) {
  const auto here = bench.browser("ana@a.example"), there = bench.browser("ana@a.example");
  const auto answer = ask(admin = bench.browser("admin@a.example"), ana);
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto made = json::parse(answer.body);
  const std::string token = made["token"];
  EXPECT_TRUE(token.starts_with("wab_reset_"));
  EXPECT_TRUE(made["link"].get<std::string>().ends_with("/#/password-reset/" + token));
  EXPECT_EQ(made["expires_at"], to_iso8601(bench.clock.now_ms() + kResetLifeMs));
  EXPECT_EQ(bench.store.everything().find(token), std::string::npos);
  EXPECT_EQ(bench.store.everything().find(token.substr(10)), std::string::npos);
  // Making it changes nothing for its user.
  EXPECT_EQ(bench.with(here, "GET", "/v1/me").status, 200);
  EXPECT_EQ(code_of(accept(token, "qwertyqwerty")), "weak_password");
  EXPECT_EQ(bench.with(here, "GET", "/v1/me").status, 200);

  EXPECT_EQ(accept(token).status, 204);
  for (const auto& cookie : {here, there}) {
    EXPECT_EQ(bench.with(cookie, "GET", "/v1/me").status, 401);
  }
  EXPECT_EQ(bench.sign_in("ana@a.example").status, 401);
  EXPECT_EQ(bench.sign_in("ana@a.example", kNext).status, 200);
  EXPECT_EQ(code_of(accept(token, "five red kettles")), "reset_refused");
  auto rows = bench.wait(
      bench.store.scan(bench.issuer.deployment(), storage::Kind::password_reset, "", 10));
  EXPECT_TRUE(rows->rows.empty());
}

TEST_F(PasswordReset, LinksExpireAndAreReplaced) {
  const auto late = make(ana);
  bench.clock.advance(1h - 16s);
  EXPECT_EQ(code_of(accept(late, "qwertyqwerty")), "weak_password");
  EXPECT_EQ(code_of(accept(late)), "reset_refused");

  const auto first = make(ana), second = make(ana);
  EXPECT_EQ(code_of(accept(first)), "reset_refused");
  EXPECT_EQ(accept(second).status, 204);

  // Whoever knows the password again needs no link.
  const auto third = make(ana);
  const auto cookie = PeopleBench::cookie_in(bench.sign_in("ana@a.example", kNext));
  EXPECT_EQ(bench
                .with(cookie, "POST", "/v1/me/password",
                      json{{"current", kNext}, {"password", "six white kettles"}}.dump())
                .status,
            204);
  EXPECT_EQ(code_of(accept(third)), "reset_refused");

  // Raised since, above whoever made the link; disabled; gone.
  const std::string path = "/v1/users/" + ana;
  const auto fourth = make(ana);
  EXPECT_EQ(bench.call("PATCH", path, R"({"role":"owner"})", bench.operator_token()).status, 200);
  EXPECT_EQ(code_of(accept(fourth)), "reset_refused");
  EXPECT_EQ(bench.call("PATCH", path, R"({"role":"agent"})", bench.operator_token()).status, 200);
  const auto fifth = make(ana);
  EXPECT_EQ(bench.call("PATCH", path, R"({"disabled":true})", bench.operator_token()).status, 200);
  EXPECT_EQ(code_of(accept(fifth)), "reset_refused");
  EXPECT_EQ(code_of(ask(admin, ana)), "conflict");
  EXPECT_EQ(bench.call("DELETE", path, "", bench.operator_token()).status, 204);
  auto rows = bench.wait(
      bench.store.scan(bench.issuer.deployment(), storage::Kind::password_reset, "", 10));
  EXPECT_TRUE(rows->rows.empty());
  EXPECT_EQ(code_of(accept(fifth)), "reset_refused");
}

TEST_F(PasswordReset, DoesNotPassTheSecondFactor) {
  std::vector<std::string> recovery;
  const auto secret = turn_on("ana@a.example", &recovery);
  auto token = make(ana);
  EXPECT_EQ(code_of(accept(token)), "code_required");
  EXPECT_EQ(code_of(accept(token, kNext, "000000")), "code_refused");
  EXPECT_EQ(bench.sign_in("ana@a.example", kNext).status, 401);
  // The link is not spent by that.
  bench.clock.advance(1min);
  EXPECT_EQ(accept(token, kNext, bench.code_now(secret)).status, 204);
  // And the factor is still on.
  EXPECT_EQ(code_of(bench.sign_in("ana@a.example", kNext)), "code_required");
  token = make(ana);
  EXPECT_EQ(accept(token, kNext, recovery[0]).status, 204);
  token = make(ana);
  EXPECT_EQ(code_of(accept(token, kNext, recovery[0])), "code_refused");
}

TEST_F(PasswordReset, GuessesAtTheCodeAreLimited) {
  turn_on("ana@a.example");
  const auto token = make(ana);
  int tried = 0;
  for (int i = 0; i < 40; ++i) {
    bench.clock.advance(45s);
    const json body = {{"token", token}, {"password", kNext}, {"code", std::to_string(100000 + i)}};
    auto request = bench.request("POST", "/v1/password-reset/accept", body.dump());
    request.address = "198.51.100." + std::to_string(i);  // another place each time
    tried += code_of(bench.call(request)) == "code_refused";
  }
  EXPECT_GT(tried, 10);
  EXPECT_LE(tried, 31);  // twenty, and what half an hour gives back
}

TEST_F(PasswordReset, WhoMayMakeALinkForWhom) {
  wab::test::Table table("password resets");
  bench.user("owner@a.example", Role::owner, a);
  bench.user("op@example.org", Role::operators);
  const std::string owner2 = bench.user("owner2@a.example", Role::owner, a),
                    admin2 = bench.user("admin2@a.example", Role::admin, a),
                    viewer = bench.user("viewer@a.example", Role::viewer, a),
                    op2 = bench.user("op2@example.org", Role::operators),
                    foreign = bench.user("eve@b.example", Role::viewer, b);
  struct Row {
    std::string who, whom;
    int status;
  };
  const Row rows[] = {{"admin@a.example", ana, 201},     {"admin@a.example", viewer, 201},
                      {"admin@a.example", admin2, 201},  {"admin@a.example", owner2, 403},
                      {"admin@a.example", op2, 404},     {"admin@a.example", foreign, 404},
                      {"owner@a.example", admin2, 201},  {"owner@a.example", owner2, 403},
                      {"owner@a.example", foreign, 404}, {"ana@a.example", viewer, 403},
                      {"viewer@a.example", viewer, 403}, {"op@example.org", owner2, 201},
                      {"op@example.org", op2, 201},      {"op@example.org", foreign, 201},
                      {"op@example.org", viewer, 201}};
  for (const auto& row : rows) {
    const auto answer = ask(bench.browser(row.who), row.whom);
    table.row(answer.status == row.status,
              row.who + " for " + row.whom + ": " + std::to_string(answer.status) + answer.body);
  }
  // One's own is changed with the present password; a session left open is not enough.
  for (const char* who : {"admin@a.example", "owner@a.example", "op@example.org"}) {
    const auto cookie = bench.browser(who);
    const std::string own = bench.ask(cookie, "/v1/me")["user"]["id"];
    table.row(code_of(ask(cookie, own)) == "forbidden", std::string(who) + " for himself");
    bench.clock.advance(6min);
    table.row(code_of(ask(cookie, viewer)) == "forbidden", std::string(who) + " some time later");
  }
  const auto scope = bench.issuer.organization(*OrgId::parse(a));
  auto by_token = [&](Role role, const std::string& whom) {
    return bench.call("POST", "/v1/users/" + whom + "/password-reset", "", bench.token(scope, role))
        .status;
  };
  table.row(by_token(Role::admin, viewer) == 201, "a token of an admin");
  table.row(by_token(Role::admin, owner2) == 403, "a token of an admin for an owner");
  table.row(by_token(Role::agent, viewer) == 403, "a token of an agent");
}

TEST_F(PasswordReset, WhatIsNoLinkIsRefusedBeforeAnythingIsLookedUp) {
  auto reads = [&](const std::string& token) {
    const auto before = bench.store.operations()["load 10"];
    EXPECT_EQ(code_of(accept(token)), "reset_refused") << token;
    return bench.store.operations()["load 10"] - before;
  };
  EXPECT_EQ(reads("x"), 0u);
  EXPECT_EQ(reads("wab_reset_x"), 0u);
  std::string token = make_token(TokenKind::reset, bench.random);
  token.back() = token.back() == 'x' ? 'y' : 'x';
  EXPECT_EQ(reads(token), 0u);
  EXPECT_EQ(reads(make_token(TokenKind::invitation, bench.random)), 0u);
  EXPECT_EQ(reads(make_token(TokenKind::reset, bench.random)), 1u);
}

TEST_F(PasswordReset, OfTwoThatAcceptAtOnceOneIsFirst) {
  const auto token = make(ana);
  auto body = [&](const char* password) {
    return bench.request("POST", "/v1/password-reset/accept",
                         json{{"token", token}, {"password", password}}.dump());
  };
  const auto answers = bench.together({body("four blue kettles"), body("five red kettles")});
  EXPECT_EQ((answers[0].status == 204) + (answers[1].status == 204), 1)
      << answers[0].body << answers[1].body;
}

TEST_F(PasswordReset, MakingAndUsingALinkAreInBothLogs) {
  const auto token = make(ana);
  EXPECT_EQ(code_of(accept(token, "qwertyqwerty")), "weak_password");
  EXPECT_EQ(accept(token).status, 204);
  const auto made =
      bench.call("POST", "/v1/users/" + ana + "/password-reset", "", bench.operator_token());
  EXPECT_EQ(made.status, 201) << made.body;
  std::vector<std::string> told;
  const auto log = bench.ask(admin = bench.browser("admin@a.example"), "/v1/audit?limit=100");
  for (const auto& entry : log["data"]) {
    const std::string action = entry["action"];
    if (action.find("password_reset") == std::string::npos) continue;
    told.push_back(action + " " + entry["outcome"].get<std::string>());
    EXPECT_EQ(entry["target"], ana);
    EXPECT_EQ(entry.dump().find(token), std::string::npos);
  }
  auto count = [&](const std::string& what) { return std::count(told.begin(), told.end(), what); };
  EXPECT_EQ(count("user.password_reset done"), 2) << log.dump();
  EXPECT_EQ(count("account.password_reset refused"), 1);
  EXPECT_EQ(count("account.password_reset done"), 1);
}

}  // namespace
}  // namespace wab::bridge::test
