// Signing in: what it costs, what it says, how guessing is slowed down; and browser sessions.
#include <sodium.h>

#include "bridge/google.h"
#include "bridge/login_guard.h"
#include "bridge/stored.h"
#include "tests/bridge/no_google.h"
#include "tests/bridge/people_bench.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using namespace std::chrono_literals;

class SignIn : public ::testing::Test {
 protected:
  uint64_t operations() const { return bench.people.passwords().operations(); }
  std::string totp_user(const std::string& email) {
    bench.user(email, Role::operators);
    const auto cookie = bench.browser(email);
    const std::string secret =
        json::parse(bench.with(cookie, "POST", "/v1/me/totp").body)["secret"];
    EXPECT_EQ(bench
                  .with(cookie, "POST", "/v1/me/totp/confirm",
                        json{{"code", bench.code_now(secret)}}.dump())
                  .status,
              200);
    return secret;
  }
  PeopleBench bench;
};

// Not by the clock: what is counted is what takes the time.
TEST_F(SignIn, EveryRefusalCostsAndSaysTheSame) {
  wab::test::Table table("sign-in refusals");
  bench.user("known@example.org", Role::operators);
  totp_user("totp@example.org");
  const auto id = bench.user("disabled@example.org", Role::operators);
  bench.call("PATCH", "/v1/users/" + id, R"({"disabled":true})", bench.operator_token());
  struct Row {
    const char* email;
    std::string password;
  };
  const Row rows[] = {{"unknown@example.org", "wrong password"},
                      {"known@example.org", "wrong password"},
                      {"totp@example.org", "wrong password"},
                      {"disabled@example.org", "wrong password"},
                      {"unknown@example.org", kGood},
                      {"disabled@example.org", kGood},
                      {"KNOWN@example.org", kGood + "."}};
  std::string said;
  for (const Row& row : rows) {
    const auto before = operations();
    const auto answer = bench.sign_in(row.email, row.password);
    if (said.empty()) said = answer.body;
    const bool same = answer.status == 401 && answer.body == said && operations() == before + 1;
    table.row(same, std::string(row.email) + " " + answer.body);
  }
  EXPECT_EQ(code_of(bench.sign_in("totp@example.org")), "code_required");
  EXPECT_EQ(crypto_pwhash_str_needs_rehash(kDecoyHash, 3, 64 * 1024 * 1024), 0);
}

TEST_F(SignIn, AWeakerHashIsReplacedWhenItsPasswordIsSeen) {
  bench.user("old@example.org", Role::operators);
  char weak[crypto_pwhash_STRBYTES];
  ASSERT_EQ(crypto_pwhash_str_alg(weak, kGood.data(), kGood.size(), 1, 8 * 1024 * 1024,
                                  crypto_pwhash_ALG_ARGON2ID13),
            0);
  auto user = bench.wait(bench.auth.users().by_email("old@example.org"));
  ASSERT_TRUE(user && *user);
  (*user)->password = weak;
  ASSERT_TRUE(bench.wait(bench.auth.users().write(**user)).has_value());
  auto stored = [&] {
    return (*bench.wait(bench.auth.users().by_email("old@example.org")))->password;
  };
  EXPECT_EQ(bench.sign_in("old@example.org", "wrong password").status, 401);
  EXPECT_EQ(stored(), weak);
  auto before = operations();
  EXPECT_EQ(bench.sign_in("old@example.org").status, 200);
  EXPECT_EQ(operations(), before + 2);
  EXPECT_TRUE(stored().starts_with("$argon2id$v=19$m=65536,t=3,p=1$")) << stored();
  before = operations();
  EXPECT_EQ(bench.sign_in("old@example.org").status, 200);
  EXPECT_EQ(operations(), before + 1);
}

TEST_F(SignIn, FloodsOfHashesAreRefusedNotQueued) {
  std::vector<Request> requests;
  for (size_t i = 0; i < 30; ++i) {
    const json body = {{"email", "u" + std::to_string(i) + "@example.org"}, {"password", "x"}};
    requests.push_back(bench.request("POST", "/v1/login", body.dump()));
    requests.back().address = "203.0.113." + std::to_string(i);
  }
  const auto answers = bench.together(requests);
  EXPECT_LE(operations(), 20u);
  const auto refused =
      std::count_if(answers.begin(), answers.end(), [](auto& a) { return a.status == 429; });
  EXPECT_GE(refused, 10);
}

TEST_F(SignIn, AnIdentifierHasFivePerMinuteAndTwentyPerHour) {
  auto attempt = [&](int from) {
    auto request =
        bench.request("POST", "/v1/login", R"({"email":"A@example.org","password":"x"})");
    request.address = "198.51." + std::to_string(from) + ".1";
    return bench.call(request).status;
  };
  // From ever other places, so that only the identifier counts.
  int place = 0;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(attempt(place++), 401) << i;
  EXPECT_EQ(attempt(place++), 429);
  int taken = 5;
  for (int minute = 0; minute < 20; ++minute) {
    bench.clock.advance(15s);
    if (attempt(place++) == 401) ++taken;
  }
  // Twenty at once, and one more each three minutes.
  EXPECT_GE(taken, 19);
  EXPECT_LE(taken, 22);
  bench.clock.advance(1h);
  EXPECT_EQ(attempt(place++), 401);
}

TEST(LoginGuardTest, DelaysDoubleAndEnd) {
  ManualClock clock;
  SeededRandom random;
  LoginGuard guard(clock, random);
  auto wait = [&](const char* place) {
    const auto may = guard.may_try("ana@example.org", place);
    return may ? 0 : may.error().retry_after;
  };
  for (int i = 0; i < kFreeFailures; ++i) {
    guard.failed("ana@example.org", "here");
    EXPECT_EQ(wait("here"), 0);
  }
  for (const int expected : {2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900, 900}) {
    guard.failed("ana@example.org", "here");
    EXPECT_EQ(wait("here"), expected);
    EXPECT_EQ(wait("elsewhere"), 0);  // the user himself is not shut out
    clock.advance(std::chrono::seconds(expected) - 1ms);
    EXPECT_EQ(wait("here"), 1);
    clock.advance(1ms);
    EXPECT_EQ(wait("here"), 0);
  }
  guard.succeeded("ana@example.org", "here");
  guard.failed("ana@example.org", "here");
  EXPECT_EQ(wait("here"), 0);
  for (int i = 0; i < 10; ++i) guard.failed("ana@example.org", "here");
  clock.advance(24h);
  guard.failed("ana@example.org", "here");
  EXPECT_EQ(wait("here"), 0);
}

TEST_F(SignIn, FailuresFromOnePlaceAreDelayed) {
  bench.user("ana@example.org", Role::operators);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(bench.sign_in("ana@example.org", "wrong password").status, 401);
    bench.clock.advance(4min);
  }
  const std::string right = json{{"email", "ana@example.org"}, {"password", kGood}}.dump();
  EXPECT_EQ(bench.call("POST", "/v1/login", R"({"email":"ana@example.org","password":"x"})").status,
            401);
  auto held = bench.call("POST", "/v1/login", right);
  EXPECT_EQ(held.status, 429);
  EXPECT_EQ(header_of(held, "Retry-After"), "4");
  bench.clock.advance(4s);
  EXPECT_EQ(bench.call("POST", "/v1/login", right).status, 200);
}

TEST_F(SignIn, TheCookieIs256RandomBitsAndChanges) {
  bench.user("ana@example.org", Role::operators);
  const auto first = bench.browser("ana@example.org");
  const auto value = first.substr(first.find('=') + 1);
  EXPECT_EQ(from_base64url(value)->size(), 32u);
  // Signing in again in the same browser ends the session from before: nobody can plant one.
  const auto answer = bench.sign_in("ana@example.org", kGood, "", {{"Cookie", first}});
  ASSERT_EQ(answer.status, 200);
  const auto second = PeopleBench::cookie_in(answer);
  EXPECT_NE(first, second);
  EXPECT_EQ(bench.with(first, "GET", "/v1/me").status, 401);
  EXPECT_EQ(bench.with(second, "GET", "/v1/me").status, 200);
  // One that failed changes nothing.
  bench.sign_in("ana@example.org", "wrong password", "", {{"Cookie", second}});
  EXPECT_EQ(bench.with(second, "GET", "/v1/me").status, 200);
}

TEST_F(SignIn, OnesBrowsersAreListedAndEnded) {
  bench.user("ana@example.org", Role::operators);
  bench.user("bob@example.org", Role::operators);
  auto enter = [&](const std::string& email, const char* agent) {
    return PeopleBench::cookie_in(bench.sign_in(email, kGood, "", {{"User-Agent", agent}}));
  };
  const auto desk = enter("ana@example.org",
                          "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
  const auto phone = enter("ana@example.org",
                           "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) "
                           "Chrome/141.0.0.0 Mobile Safari/537.36");
  const auto tool = enter("ana@example.org", "curl/8.5.0");
  const auto bob = enter("bob@example.org", "<script>x");
  const auto listed = bench.ask(desk, "/v1/me/sessions")["data"];
  ASSERT_EQ(listed.size(), 3u);
  EXPECT_EQ(listed[0]["user_agent"], "curl");
  EXPECT_EQ(listed[1]["user_agent"], "Chrome on Android");
  EXPECT_EQ(listed[2]["user_agent"], "Firefox on Linux");
  EXPECT_EQ(listed[2]["address"], "203.0.113.0/24");
  EXPECT_EQ(listed[2]["current"], true);
  EXPECT_EQ(listed[0]["current"], false);
  const auto path = "/v1/me/sessions/" + listed[1]["id"].get<std::string>();
  EXPECT_EQ(bench.with(bob, "DELETE", path).status, 404);
  EXPECT_EQ(bench.with(phone, "GET", "/v1/me").status, 200);
  EXPECT_EQ(bench.with(tool, "DELETE", path).status, 204);
  EXPECT_EQ(bench.with(phone, "GET", "/v1/me").status, 401);
  EXPECT_EQ(bench.with(tool, "DELETE", path).status, 404);
  EXPECT_EQ(bench.with(tool, "DELETE", "/v1/me/sessions").status, 204);
  EXPECT_EQ(bench.with(desk, "GET", "/v1/me").status, 401);
  EXPECT_EQ(bench.with(tool, "GET", "/v1/me").status, 200);
  EXPECT_EQ(bench.with(bob, "GET", "/v1/me").status, 200);
  EXPECT_EQ(bench.ask(bob, "/v1/me/sessions")["data"][0]["user_agent"], "scriptx");
  // A token is nobody's browser.
  EXPECT_EQ(bench.call("GET", "/v1/me/sessions", "", bench.operator_token()).status, 403);
}

TEST_F(SignIn, WhatChangesTheAccountTakesAFreshSignIn) {
  bench.user("ana@example.org", Role::operators);
  NoGoogle nobody(bench);
  GoogleSettings settings;
  settings.client_id = "client-1";
  settings.issuer = "https://accounts.example.org";
  Google google(std::move(settings), nobody);
  bench.app.google = &google;
  const auto old = bench.browser("ana@example.org"), other = bench.browser("ana@example.org");
  const auto listed = bench.ask(old, "/v1/me/sessions")["data"];
  const std::string path = "/v1/me/sessions/" + listed[0]["id"].get<std::string>();
  const std::pair<const char*, std::string> calls[] = {{"POST", "/v1/me/totp"},
                                                       {"GET", "/v1/login/google?link=1"},
                                                       {"DELETE", "/v1/me/google"},
                                                       {"DELETE", path},
                                                       {"DELETE", "/v1/me/sessions"}};
  bench.clock.advance(5min);
  for (const auto& [method, to] : calls) {
    const auto answer = bench.with(old, method, to);
    EXPECT_EQ(answer.status, 403) << to;
    EXPECT_EQ(code_of(answer), "forbidden") << to;
  }
  EXPECT_EQ(bench.with(other, "GET", "/v1/me").status, 200);
  // A wrong password makes nothing fresh; the right one replaces the session.
  bench.sign_in("ana@example.org", "wrong password", "", {{"Cookie", old}});
  EXPECT_EQ(bench.with(old, "POST", "/v1/me/totp").status, 403);
  const auto again = bench.sign_in("ana@example.org", kGood, "", {{"Cookie", old}});
  const auto fresh = PeopleBench::cookie_in(again);
  EXPECT_EQ(bench.with(old, "GET", "/v1/me").status, 401);
  bench.clock.advance(4min);
  EXPECT_EQ(bench.with(other, "DELETE", path).status, 403);
  const int wanted[] = {201, 503, 404, 204, 204};
  for (size_t i = 0; i < 5; ++i) {
    const auto answer = bench.with(fresh, calls[i].first, calls[i].second);
    EXPECT_EQ(answer.status, wanted[i]) << calls[i].second << " " << answer.body;
  }
  EXPECT_EQ(bench.with(other, "GET", "/v1/me").status, 401);
}

TEST_F(SignIn, ANewPasswordEndsTheOtherBrowsers) {
  bench.user("ana@example.org", Role::operators);
  const auto here = bench.browser("ana@example.org"), there = bench.browser("ana@example.org");
  auto change = [&](const std::string& current, const std::string& next) {
    bench.clock.advance(1min);
    return bench.with(here, "POST", "/v1/me/password",
                      json{{"current", current}, {"password", next}}.dump());
  };
  EXPECT_EQ(code_of(change("wrong password", "four blue kettles")), "bad_credentials");
  EXPECT_EQ(code_of(change(kGood, "qwertyqwerty")), "weak_password");
  EXPECT_EQ(bench.with(there, "GET", "/v1/me").status, 200);
  EXPECT_EQ(change(kGood, "four blue kettles").status, 204);
  EXPECT_EQ(bench.with(here, "GET", "/v1/me").status, 200);
  EXPECT_EQ(bench.with(there, "GET", "/v1/me").status, 401);
  EXPECT_EQ(bench.sign_in("ana@example.org").status, 401);
  EXPECT_EQ(bench.sign_in("ana@example.org", "four blue kettles").status, 200);
}

TEST_F(SignIn, ASessionThatItsUserDoesNotNameIsEnded) {
  bench.user("ana@example.org", Role::operators);
  const auto cookie = bench.browser("ana@example.org");
  // As a write that was on its way when the session ended would leave it.
  const auto name = bench.auth.browsers().name_of(cookie.substr(cookie.find('=') + 1));
  auto user = *bench.wait(bench.auth.users().by_email("ana@example.org"));
  ASSERT_EQ(user->sessions, std::vector<std::string>{name});
  user->sessions.clear();
  ASSERT_TRUE(bench.wait(bench.auth.users().write(*user)).has_value());
  EXPECT_EQ(bench.with(cookie, "GET", "/v1/me").status, 401);
}

TEST_F(SignIn, TheOldestOfTooManyBrowsersGoes) {
  bench.user("ana@example.org", Role::operators);
  auto open = [&] {
    bench.clock.advance(1s);
    const auto id = (*bench.wait(bench.auth.users().by_email("ana@example.org")))->id.text();
    return "__Host-wab=" + bench.wait(bench.people.open_session(id, SignInFacts()))->cookie;
  };
  const auto first = open(), second = open();
  for (size_t i = 2; i < kMostBrowserSessions; ++i) open();
  EXPECT_EQ(bench.with(first, "GET", "/v1/me").status, 200);
  open();
  EXPECT_EQ(bench.with(first, "GET", "/v1/me").status, 401);
  EXPECT_EQ(bench.ask(second, "/v1/me/sessions")["data"].size(), kMostBrowserSessions);
}

TEST_F(SignIn, AnotherWayInIsNotAWayAroundTheSecondFactor) {
  const std::string secret = totp_user("ana@example.org");
  const auto ana = (*bench.wait(bench.auth.users().by_email("ana@example.org")))->id.text();
  const Identity google{"https://accounts.example", "10769", "ana@mail.example"};
  ASSERT_TRUE(bench.wait(bench.people.link_identity(ana, google)).has_value());
  auto enter = [&] { return bench.wait(bench.people.enter_by(google, SignInFacts())); };
  const auto before = bench.wait(bench.people.browser_sessions(ana))->size();
  const auto refused = enter();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::code_required);
  EXPECT_EQ(bench.wait(bench.people.browser_sessions(ana))->size(), before);
  // With the password and the code it goes on; without a second factor Google is enough.
  bench.clock.advance(3min);
  const auto entered = bench.sign_in("ana@example.org", kGood, bench.code_now(secret, 6));
  ASSERT_EQ(entered.status, 200) << entered.body;
  bench.clock.advance(3min);
  EXPECT_EQ(bench
                .with(PeopleBench::cookie_in(entered), "POST", "/v1/me/totp/off",
                      json{{"code", bench.code_now(secret)}}.dump())
                .status,
            204);
  EXPECT_TRUE(enter().has_value());
}

TEST_F(SignIn, AnotherWayInOpensSessionsForWhoLinkedIt) {
  const auto ana = bench.user("ana@example.org", Role::operators);
  const auto bob = bench.user("bob@example.org", Role::operators);
  const Identity google{"https://accounts.example", "10769", "ana@mail.example"};
  auto find = [&](const Identity& who) { return bench.wait(bench.people.find_identity(who)); };
  auto link = [&](const std::string& user, const Identity& who) {
    return bench.wait(bench.people.link_identity(user, who));
  };
  EXPECT_EQ(find(google).error().code, Code::not_invited);
  ASSERT_TRUE(link(ana, google).has_value());
  ASSERT_TRUE(link(ana, google).has_value());
  EXPECT_EQ(*find(google), ana);
  EXPECT_EQ(link(bob, google).error().code, Code::conflict);
  const Identity other{"https://accounts.example", "10770", ""};
  EXPECT_EQ(link(ana, other).error().code, Code::conflict);
  EXPECT_EQ(bench.wait(bench.people.linked_identity(ana))->email, "ana@mail.example");
  ASSERT_TRUE(bench.wait(bench.people.unlink_identity(ana)).has_value());
  EXPECT_FALSE(find(google).has_value());
  ASSERT_TRUE(link(ana, google).has_value());
  EXPECT_TRUE(bench.wait(bench.people.open_session(ana, SignInFacts())).has_value());
  bench.call("PATCH", "/v1/users/" + ana, R"({"disabled":true})", bench.operator_token());
  EXPECT_EQ(bench.wait(bench.people.open_session(ana, SignInFacts())).error().code,
            Code::not_invited);
  // Whoever is deleted leaves nothing that a later user of the address could inherit.
  EXPECT_EQ(bench.call("DELETE", "/v1/users/" + ana, "", bench.operator_token()).status, 204);
  EXPECT_FALSE(find(google).has_value());
  EXPECT_TRUE(link(bob, google).has_value());
}

}  // namespace
}  // namespace wab::bridge::test
