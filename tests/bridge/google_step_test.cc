// The cookie between the Google account and the code of the second factor.
#include "bridge/google_step.h"

#include "bridge/google.h"
#include "tests/bridge/no_google.h"
#include "tests/bridge/people_bench.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using namespace std::chrono_literals;
using wab::test::Table;

class GoogleStep : public ::testing::Test {
 protected:
  GoogleStep() : nobody(bench) {
    GoogleSettings settings;
    settings.client_id = "client-1";
    settings.issuer = "https://accounts.example.org";
    google.emplace(std::move(settings), nobody);
    bench.app.google = &*google;
    ana = bench.user("ana@example.org", Role::operators);
    const auto cookie = bench.browser("ana@example.org");
    secret = json::parse(bench.with(cookie, "POST", "/v1/me/totp").body)["secret"];
    const auto on = bench.with(cookie, "POST", "/v1/me/totp/confirm",
                               json{{"code", bench.code_now(secret)}}.dump());
    EXPECT_EQ(on.status, 200) << on.body;
    link(ana);
    bench.clock.advance(2min);
  }
  void link(const std::string& user, const char* subject = "10769") {
    const Identity identity{"https://accounts.example.org", subject, "ana@mail.example"};
    EXPECT_TRUE(bench.wait(bench.people.link_identity(user, identity)).has_value());
  }
  std::string step() {
    auto begun = bench.wait(begin_step(bench.app, ana));
    EXPECT_TRUE(begun.has_value());
    return *begun;
  }
  Answer finish(const std::string& cookie, const std::string& code) {
    return bench.call(
        "POST", "/v1/login/google/code", json{{"code", code}}.dump(), "",
        {{"Cookie", std::string(kStepCookie) + "=" + cookie}, {"Sec-Fetch-Site", "same-origin"}});
  }
  PeopleBench bench;
  NoGoogle nobody;
  std::optional<Google> google;
  std::string ana, secret;
};

TEST_F(GoogleStep, AccountAndCodeTogetherOpenASession) {
  const auto cookie = step();
  EXPECT_EQ(code_of(finish(cookie, "000000")), "code_refused");
  const auto answer = finish(cookie, bench.code_now(secret));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(json::parse(answer.body)["role"], "operator");
  EXPECT_EQ(bench.with(PeopleBench::cookie_in(answer), "GET", "/v1/organizations").status, 200);
  bool taken = false;
  for (const auto& [name, value] : answer.headers) {
    taken = taken || (name == "Set-Cookie" && value.starts_with("__Host-wab-step=;") &&
                      value.find("Max-Age=0") != std::string::npos);
  }
  EXPECT_TRUE(taken);
  // The code is spent, whatever cookie it comes with.
  EXPECT_EQ(code_of(finish(cookie, bench.code_now(secret))), "code_refused");
  EXPECT_EQ(code_of(finish(step(), bench.code_now(secret))), "code_refused");
}

TEST_F(GoogleStep, CookiesThatAreNotOursOrNotAnyMore) {
  Table table("cookies of the second step");
  const auto bob = bench.user("bob@example.org", Role::operators);
  link(bob, "10770");
  auto refused = [&](const std::string& cookie, const std::string& what) {
    bench.clock.advance(20s);
    const auto answer = finish(cookie, bench.code_now(secret));
    table.row(code_of(answer) == "signin_refused", what + ": " + answer.body);
  };
  const auto good = step();
  auto other = good;
  other.replace(other.find(ana), ana.size(), bob);
  refused(other, "of another user");
  for (const std::string& bad :
       {std::string("x"), std::string("..."), std::string("a.b.c.d"), good + "x", "x" + good,
        good.substr(0, good.rfind('.')), good.substr(0, good.rfind('.') + 1), std::string(100, '.'),
        "a.99999999999999999999." + ana + ".x"}) {
    refused(bad, bad.substr(0, 30));
  }
  refused("", "none");
  auto older = good;
  const auto dot = older.find('.');
  older.replace(dot + 1, 10, std::to_string(bench.clock.now_s() + 30));
  refused(older, "another time");

  const auto late = step();
  bench.clock.advance(std::chrono::seconds(kStepLifeS));
  refused(late, "five minutes later");
  const auto before = step();
  ASSERT_TRUE(bench.wait(bench.people.unlink_identity(ana)).has_value());
  refused(before, "unlinked");
  link(ana);
  refused(before, "linked anew");
  const auto last = step();
  bench.call("DELETE", "/v1/users/" + ana, "", bench.operator_token());
  refused(last, "deleted");
}

TEST_F(GoogleStep, TakesItsOwnSiteAndHasNoMoreGuessesThanThePassword) {
  const auto cookie = step();
  auto foreign = bench.request(
      "POST", "/v1/login/google/code", R"({"code":"123456"})", "",
      {{"Cookie", std::string(kStepCookie) + "=" + cookie}, {"Sec-Fetch-Site", "cross-site"}});
  EXPECT_EQ(code_of(bench.call(foreign)), "cross_site");
  int tried = 0;
  for (int i = 0; i < 10; ++i) tried += finish(cookie, "11111" + std::to_string(i)).status == 401;
  EXPECT_LE(tried, 5);
  // The budget is that of the account: the password has none left either.
  EXPECT_EQ(
      bench
          .call("POST", "/v1/login", json{{"email", "ana@example.org"}, {"password", kGood}}.dump())
          .status,
      429);
}

TEST_F(GoogleStep, DisabledSinceIsOut) {
  bench.user("other@example.org", Role::operators);  // somebody must stay
  const auto cookie = step();
  bench.call("PATCH", "/v1/users/" + ana, R"({"disabled":true})", bench.operator_token());
  EXPECT_EQ(code_of(finish(cookie, bench.code_now(secret))), "not_invited");
}

}  // namespace
}  // namespace wab::bridge::test
