// Tokens, roles, browser sessions, and the walls between organizations.
#include "bridge/auth.h"

#include "bridge/token.h"
#include "tests/bridge/bench.h"

namespace wab::bridge::test {
namespace {

using namespace std::chrono_literals;

TEST(Token, FormAndChecksum) {
  SeededRandom random;
  const auto token = make_token(TokenKind::organization, random);
  EXPECT_TRUE(token.starts_with("wab_live_"));
  EXPECT_EQ(token.size(), 9u + 36u);
  EXPECT_EQ(check_token(token), TokenKind::organization);
  for (size_t i = 9; i < token.size(); ++i) {
    auto wrong = token;
    wrong[i] = wrong[i] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(check_token(wrong)) << i;
  }
  EXPECT_FALSE(check_token("wab_op_" + token.substr(9)));
  EXPECT_FALSE(check_token(token + "0"));
  EXPECT_FALSE(check_token(""));
}

TEST(Auth, ABadChecksumNeverReachesTheStore) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto before = bench.store.loads();
  auto wrong = a.owner;
  wrong.back() = wrong.back() == 'x' ? 'y' : 'x';
  for (const std::string& token :
       {wrong, std::string("garbage"), std::string("wab_live_"), std::string(10'000, 'x')}) {
    EXPECT_EQ(bench.call("GET", "/v1/sessions", "", token).status, 401);
  }
  EXPECT_EQ(bench.store.loads(), before);
  // A well-formed one that nobody made does, and is refused too.
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", make_token(TokenKind::organization, bench.random))
                .status,
            401);
  EXPECT_GT(bench.store.loads(), before);
}

TEST(Auth, TokensAreStoredHashedOnly) {
  Bench bench;
  const auto a = bench.tenant("A");
  EXPECT_EQ(bench.store.everything().find(a.owner), std::string::npos);
  EXPECT_EQ(bench.store.everything().find(a.owner.substr(9)), std::string::npos);
}

TEST(Auth, TokensExpire) {
  Bench bench;
  const auto a = bench.tenant("A");
  for (const char* bad : {"0s", "400d", "soon"}) {
    const auto body = json{{"name", "x"}, {"role", "viewer"}, {"expires_in", bad}}.dump();
    EXPECT_EQ(bench.call("POST", "/v1/tokens", body, a.owner).status, 400) << bad;
  }
  auto answer = bench.call("POST", "/v1/tokens",
                           R"({"name":"short","role":"viewer","expires_in":"1h"})", a.owner);
  ASSERT_EQ(answer.status, 201) << answer.body;
  const std::string token = json::parse(answer.body)["token"];
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", token).status, 200);
  bench.clock.advance(1h - 1ms);
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", token).status, 200);
  bench.clock.advance(1ms);
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", token).status, 401);
  bench.clock.advance(24h * 90);
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", a.owner).status, 401);
}

TEST(Auth, ARevokedTokenIsRefusedByTheNextRequest) {
  Bench bench;
  const auto a = bench.tenant("A");
  auto made =
      json::parse(bench.call("POST", "/v1/tokens", R"({"name":"x","role":"admin"})", a.owner).body);
  const std::string token = made["token"], path = "/v1/tokens/" + made["id"].get<std::string>();
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", token).status, 200);
  EXPECT_EQ(bench.call("DELETE", path, "", a.owner).status, 204);
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", token).status, 401);
  EXPECT_EQ(bench.call("DELETE", path, "", a.owner).status, 404);
}

TEST(Auth, RolesAndScopesNarrow) {
  Bench bench;
  const auto a = bench.tenant("A");
  auto token = [&](const std::string& body) -> std::string {
    const auto answer = bench.call("POST", "/v1/tokens", body, a.owner);
    return json::parse(answer.body).value("token", "");
  };
  const auto viewer = token(R"({"name":"x","role":"viewer"})");
  const auto agent = token(R"({"name":"x","role":"agent"})");
  const auto admin = token(R"({"name":"x","role":"admin"})");
  const auto narrow = token(R"({"name":"x","role":"admin","scopes":["events:read"]})");
  const std::string send = "/v1/sessions/" + a.session + "/messages";
  const std::string hi = R"({"to":"15550100002","type":"text","text":{"body":"Hi"}})";
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", viewer).status, 200);
  EXPECT_EQ(bench.call("POST", send, hi, viewer).status, 403);
  EXPECT_EQ(bench.call("POST", send, hi, agent).status, 202);
  EXPECT_EQ(bench.call("POST", "/v1/sessions", R"({"name":"x"})", agent).status, 403);
  EXPECT_EQ(bench.call("POST", "/v1/sessions", R"({"name":"x"})", admin).status, 201);
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", narrow).status, 403);
  EXPECT_EQ(bench.call("GET", "/v1/events", "", narrow).status, 200);
  // Nobody gives what he has not got.
  const std::string owner = R"({"name":"x","role":"owner"})";
  EXPECT_EQ(bench.call("POST", "/v1/tokens", owner, admin).status, 403);
  const auto maker = token(R"({"name":"x","role":"admin","scopes":["tokens:write"]})");
  EXPECT_EQ(bench.call("POST", "/v1/tokens", R"({"name":"x","role":"viewer"})", maker).status, 403);
  EXPECT_EQ(bench
                .call("POST", "/v1/tokens",
                      R"({"name":"x","role":"admin","scopes":["tokens:write"]})", maker)
                .status,
            201);
  const std::string as_operator = R"({"name":"x","role":"operator"})";
  EXPECT_EQ(bench.call("POST", "/v1/tokens", as_operator, a.owner).status, 400);
}

// A body that is valid for the route, so that only the id can be at fault.
std::string body_for(const Route& route) {
  const std::map<std::string_view, std::string> bodies = {
      {"patchSession", R"({"name":"x"})"},
      {"createPairingCode", R"({"phone":"15550100002"})"},
      {"sendMessage", R"({"to":"15550100002","type":"text","text":{"body":"Hi"}})"},
      {"patchWebhook", R"({"state":"disabled"})"},
      {"rotateToken", "{}"},
      {"createPairingLink", "{}"},
      {"rotateWebhookSecret", "{}"},
      {"startSession", "{}"},
      {"replayWebhook", R"({"failed":true})"}};
  const auto found = bodies.find(route.name);
  return found == bodies.end() ? "" : found->second;
}

TEST(Tenants, AForeignIdIsAsUnknownAsAnInventedOne) {
  Bench bench;
  const auto a = bench.tenant("A"), b = bench.tenant("B");
  size_t routes = 0;
  for (const auto& table : all_routes()) {
    for (const auto& route : table) {
      if (route.access != Access::organization || route.pattern.find('{') == std::string::npos) {
        continue;
      }
      ++routes;
      ASSERT_EQ(route.body != nullptr, !body_for(route).empty()) << route.name;
      const std::string pattern(route.pattern);
      std::string foreign = b.session, invented = SessionId::random(bench.random).text();
      if (pattern.starts_with("/v1/webhooks")) {
        foreign = b.webhook;
        invented = EndpointId::random(bench.random).text();
      } else if (pattern.starts_with("/v1/messages")) {
        foreign = b.message;
        invented = MessageRowId::random(bench.random).text();
      } else if (pattern.starts_with("/v1/tokens")) {
        foreign = b.token_id;
        invented = TokenId::random(bench.random).text();
      }
      auto with = [&](const std::string& id) {
        auto path = pattern;
        const auto open = path.find('{');
        return path.replace(open, path.find('}') - open + 1, id);
      };
      const std::string method(route.method);
      auto theirs = bench.call(method, with(foreign), body_for(route), a.owner);
      auto nobodys = bench.call(method, with(invented), body_for(route), a.owner);
      EXPECT_EQ(theirs.status, 404) << method << pattern << theirs.body;
      EXPECT_EQ(theirs.body, nobodys.body) << pattern;
      bench.clock.advance(10s);
    }
  }
  EXPECT_GE(routes, 15u);
  // And nothing of B was harmed by trying.
  for (const auto& path :
       {"/v1/sessions/" + b.session, "/v1/webhooks/" + b.webhook, "/v1/messages/" + b.message}) {
    EXPECT_EQ(bench.call("GET", path, "", b.owner).status, 200) << path;
  }
  EXPECT_EQ(json::parse(bench.call("GET", "/v1/sessions", "", a.owner).body)["data"].size(), 1u);
}

class Browser : public ::testing::Test {
 protected:
  Browser() {
    const std::string email = "op@example.org", password = "correct horse";
    auto made =
        bench.wait(bench.people.create_user(email, password, Role::operators, std::nullopt));
    EXPECT_TRUE(made.has_value());
  }
  std::string login() {
    const auto answer =
        bench.call("POST", "/v1/login", R"({"email":"OP@example.org","password":"correct horse"})");
    EXPECT_EQ(answer.status, 200) << answer.body;
    const auto cookie = header_of(answer, "Set-Cookie");
    EXPECT_TRUE(cookie.starts_with("__Host-wab="));
    EXPECT_NE(cookie.find("; Path=/; Secure; HttpOnly; SameSite=Lax"), std::string::npos);
    return cookie.substr(0, cookie.find(';'));
  }
  Bench bench;
};

TEST_F(Browser, CookieStandsForTheUser) {
  const auto cookie = login();
  EXPECT_EQ(bench.call("GET", "/v1/organizations", "", "", {{"Cookie", cookie}}).status, 200);
  EXPECT_EQ(bench.store.everything().find(cookie.substr(11)), std::string::npos);
  bench.clock.advance(30min);
  EXPECT_EQ(bench.call("GET", "/v1/organizations", "", "", {{"Cookie", cookie}}).status, 401);
}

TEST_F(Browser, IdleIsPushedOnButNotTheAbsoluteEnd) {
  const auto cookie = login();
  for (int i = 0; i < 35; ++i) {
    bench.clock.advance(20min);
    ASSERT_EQ(bench.call("GET", "/v1/organizations", "", "", {{"Cookie", cookie}}).status, 200);
  }
  bench.clock.advance(20min);
  EXPECT_EQ(bench.call("GET", "/v1/organizations", "", "", {{"Cookie", cookie}}).status, 401);
}

TEST_F(Browser, CrossSiteRequestsAreRefused) {
  const auto cookie = login();
  auto create = [&](Headers extra) {
    extra.emplace_back("Cookie", cookie);
    extra.emplace_back("Host", "bridge.example.org");
    return bench.call("POST", "/v1/organizations", R"({"name":"x"})", "", extra);
  };
  EXPECT_EQ(code_of(create({})), "cross_site");
  EXPECT_EQ(create({{"Origin", "https://evil.example"}}).status, 403);
  EXPECT_EQ(create({{"Origin", "null"}}).status, 403);
  EXPECT_EQ(create({{"Sec-Fetch-Site", "cross-site"}}).status, 403);
  EXPECT_EQ(create({{"Sec-Fetch-Site", "same-site"}}).status, 403);
  EXPECT_EQ(create({{"Sec-Fetch-Site", "same-origin"}}).status, 201);
  EXPECT_EQ(create({{"Origin", "http://bridge.example.org"}}).status, 201);
  const Headers get{{"Cookie", cookie}, {"Sec-Fetch-Site", "cross-site"}};
  EXPECT_EQ(bench.call("GET", "/v1/organizations", "", "", get).status, 403);
}

TEST_F(Browser, LogoutEndsIt) {
  const auto cookie = login();
  const Headers same{{"Cookie", cookie}, {"Sec-Fetch-Site", "same-origin"}};
  const auto answer = bench.call("POST", "/v1/logout", "", "", same);
  EXPECT_EQ(answer.status, 204);
  EXPECT_NE(header_of(answer, "Clear-Site-Data"), "");
  EXPECT_EQ(bench.call("GET", "/v1/organizations", "", "", same).status, 401);
}

TEST_F(Browser, WrongPasswordAndUnknownUserLookTheSame) {
  auto wrong =
      bench.call("POST", "/v1/login", R"({"email":"op@example.org","password":"incorrect horse"})");
  auto unknown =
      bench.call("POST", "/v1/login", R"({"email":"xx@example.org","password":"incorrect horse"})");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.body, unknown.body);
}

TEST_F(Browser, LoginIsLimitedPerAccount) {
  Answer answer;
  for (int i = 0; i < 6; ++i) {
    answer = bench.call("POST", "/v1/login", R"({"email":"yy@example.org","password":"x"})");
  }
  EXPECT_EQ(answer.status, 429);
  EXPECT_NE(header_of(answer, "Retry-After"), "");
  login();  // another account is not held up
}

}  // namespace
}  // namespace wab::bridge::test
