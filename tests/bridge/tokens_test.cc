// Tokens over the real router: limits to sessions and networks, rotation, last use, revocation.
#include <regex>

#include "bridge/cursor.h"
#include "tests/bridge/bench.h"

namespace wab::bridge::test {
namespace {

struct Made {
  std::string id, token;
  json body;
};
Made make(Bench& bench, const std::string& with, json body) {
  const auto answer = bench.call("POST", "/v1/tokens", body.dump(), with);
  EXPECT_EQ(answer.status, 201) << answer.body;
  Made out;
  out.body = json::parse(answer.body);
  out.id = out.body.value("id", "");
  out.token = out.body.value("token", "");
  return out;
}
int status(Bench& bench, const std::string& token, const std::string& address = "203.0.113.9") {
  auto request = Bench::request("GET", "/v1/sessions", "", token);
  request.address = address;
  return bench.call(request).status;
}

TEST(Tokens, ALimitedTokenSeesItsSessionsAlone) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto other = bench.call("POST", "/v1/sessions", R"({"name":"other"})", a.owner);
  const std::string hidden = json::parse(other.body)["id"];
  const auto sent =
      bench.call("POST", "/v1/sessions/" + hidden + "/messages",
                 R"({"to":"15550100002","type":"text","text":{"body":"x"}})", a.owner);
  const std::string hidden_message = json::parse(sent.body)["id"];
  bench.add_event(a.org, *SessionId::parse(hidden), 1, R"({"seq":1,"of":"hidden"})");
  bench.add_event(a.org, *SessionId::parse(a.session), 1, R"({"seq":1,"of":"seen"})");
  const auto limited =
      make(bench, a.owner, {{"name", "x"}, {"role", "owner"}, {"sessions", {a.session}}});
  EXPECT_EQ(limited.body["sessions"], json::array({a.session}));

  const auto get = [&](const std::string& path) {
    return bench.call("GET", path, "", limited.token);
  };
  EXPECT_EQ(get("/v1/sessions/" + a.session).status, 200);
  EXPECT_EQ(get("/v1/messages/" + a.message).status, 200);
  EXPECT_EQ(get("/v1/sessions/" + hidden).status, 404);
  EXPECT_EQ(get("/v1/messages/" + hidden_message).status, 404);
  EXPECT_EQ(bench.call("POST", "/v1/sessions/" + hidden + "/start", "", limited.token).status, 404);
  EXPECT_EQ(get("/v1/sessions").body.find(hidden), std::string::npos);
  EXPECT_NE(get("/v1/sessions").body.find(a.session), std::string::npos);
  const auto events = get("/v1/events");
  EXPECT_NE(events.body.find("seen"), std::string::npos);
  EXPECT_EQ(events.body.find("hidden"), std::string::npos);
  EXPECT_EQ(json::parse(events.body)["data"].size(), 1u);
  EXPECT_EQ(code_of(get("/v1/events?after=" + hidden + ":1")), "invalid_cursor");
  // Nothing that reaches beyond sessions, whatever the role says.
  for (const char* path :
       {"/v1/tokens", "/v1/webhooks", "/v1/audit", "/v1/usage", "/v1/overview"}) {
    EXPECT_EQ(get(path).status, 403) << path;
  }
  EXPECT_EQ(bench.call("POST", "/v1/sessions", R"({"name":"new"})", limited.token).status, 403);
  // A session that is not of the organization is named as the mistake it is.
  const auto b = bench.tenant("B");
  const auto wrong = bench.call(
      "POST", "/v1/tokens",
      json{{"name", "x"}, {"role", "viewer"}, {"sessions", {a.session, b.session}}}.dump(),
      a.owner);
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(json::parse(wrong.body)["errors"][0]["pointer"], "/sessions/1");
}

TEST(Tokens, ANetworkThatIsNotListedIsRefusedAndNoted) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto limited =
      make(bench, a.owner,
           {{"name", "x"}, {"role", "viewer"}, {"ip_allow", {"203.0.113.0/24", "2001:db8::/32"}}});
  struct Case {
    const char* address;
    int status;
  };
  const Case cases[] = {{"203.0.113.9", 200},         {"203.0.113.255", 200},
                        {"203.0.114.1", 401},         {"2001:db8:1::5", 200},
                        {"2001:db9::1", 401},         {"::ffff:203.0.113.7", 200},
                        {"::ffff:198.51.100.1", 401}, {"", 401}};
  for (const auto& one : cases) {
    EXPECT_EQ(status(bench, limited.token, one.address), one.status) << one.address;
  }
  // Told to the organization, once an hour; not to whoever tried.
  auto noted = [&] {
    const auto log = json::parse(bench.call("GET", "/v1/audit?limit=1000", "", a.owner).body);
    size_t count = 0;
    for (const auto& entry : log["data"]) {
      if (entry["action"] != "token.use") continue;
      EXPECT_EQ(entry["detail"], "address");
      EXPECT_EQ(entry["target"], limited.id);
      ++count;
    }
    return count;
  };
  EXPECT_EQ(noted(), 1u);
  bench.clock.advance(std::chrono::hours(2));
  EXPECT_EQ(status(bench, limited.token, "198.51.100.1"), 401);
  EXPECT_EQ(noted(), 2u);
  for (const char* bad : {"203.0.113.0/33", "everywhere", "10.0.0.0/-1", ""}) {
    const auto answer =
        bench.call("POST", "/v1/tokens",
                   json{{"name", "x"}, {"role", "viewer"}, {"ip_allow", {bad}}}.dump(), a.owner);
    EXPECT_EQ(answer.status, 400) << bad;
  }
}

TEST(Tokens, RotationKeepsTheOldOneForTheOverlap) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto first = make(bench, a.owner,
                          {{"name", "backend"},
                           {"role", "agent"},
                           {"scopes", {"sessions:read"}},
                           {"sessions", {a.session}},
                           {"ip_allow", {"203.0.113.0/24"}},
                           {"expires_in", "30d"}});
  const auto answer =
      bench.call("POST", "/v1/tokens/" + first.id + "/rotate", R"({"overlap":"1h"})", a.owner);
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto second = json::parse(answer.body);
  EXPECT_NE(second["id"], first.id);
  for (const char* kept : {"name", "role", "scopes", "sessions", "ip_allow", "expires_at"}) {
    EXPECT_EQ(second[kept], first.body[kept]) << kept;
  }
  const std::string fresh = second["token"];
  EXPECT_EQ(status(bench, first.token), 200);
  EXPECT_EQ(status(bench, fresh), 200);
  bench.clock.advance(std::chrono::minutes(59));
  EXPECT_EQ(status(bench, first.token), 200);
  bench.clock.advance(std::chrono::minutes(1));
  EXPECT_EQ(status(bench, first.token), 401);
  EXPECT_EQ(status(bench, fresh), 200);

  // A day without a wish, at once with zero, never more than a week, never longer than it had.
  const std::string id = second["id"];
  const auto third = bench.call("POST", "/v1/tokens/" + id + "/rotate", "", a.owner);
  ASSERT_EQ(third.status, 201) << third.body;
  bench.clock.advance(std::chrono::hours(23));
  EXPECT_EQ(status(bench, fresh), 200);
  bench.clock.advance(std::chrono::hours(1));
  EXPECT_EQ(status(bench, fresh), 401);
  const std::string last = json::parse(third.body)["id"];
  EXPECT_EQ(
      bench.call("POST", "/v1/tokens/" + last + "/rotate", R"({"overlap":"8d"})", a.owner).status,
      400);
  EXPECT_EQ(
      bench.call("POST", "/v1/tokens/" + last + "/rotate", R"({"overlap":0})", a.owner).status,
      201);
  EXPECT_EQ(status(bench, json::parse(third.body)["token"]), 401);
  EXPECT_EQ(bench.call("POST", "/v1/tokens/" + last + "/rotate", "", a.owner).status, 409);
  // Nobody rotates up: an admin who rotated an owner's token would hold an owner's.
  const auto admin = make(bench, a.owner, {{"name", "admin"}, {"role", "admin"}});
  EXPECT_EQ(bench.call("POST", "/v1/tokens/" + a.token_id + "/rotate", "", admin.token).status,
            403);
}

TEST(Tokens, RotationIsRepeatable) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto first = make(bench, a.owner, {{"name", "x"}, {"role", "viewer"}});
  auto again = [&] {
    return bench.call("POST", "/v1/tokens/" + first.id + "/rotate", "", a.owner,
                      {{"Idempotency-Key", "rotate-1"}});
  };
  const auto once = again(), twice = again();
  ASSERT_EQ(once.status, 201);
  EXPECT_EQ(once.body, twice.body);
  EXPECT_EQ(status(bench, json::parse(twice.body)["token"]), 200);
}

TEST(Tokens, TheNextRequestAfterARevocationIsRefused) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto token = make(bench, a.owner, {{"name", "x"}, {"role", "viewer"}});
  EXPECT_EQ(status(bench, token.token), 200);
  EXPECT_EQ(bench.call("DELETE", "/v1/tokens/" + token.id, "", a.owner).status, 204);
  EXPECT_EQ(status(bench, token.token), 401);
  // Its last use does not bring it back.
  bench.clock.advance(std::chrono::hours(2));
  EXPECT_EQ(status(bench, token.token), 401);
  EXPECT_EQ(bench.call("GET", "/v1/tokens", "", a.owner).body.find(token.id), std::string::npos);
}

TEST(Tokens, LastUseIsWrittenOncePerHour) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto token = make(bench, a.owner, {{"name", "x"}, {"role", "viewer"}});
  const std::string put = "put " + std::to_string(static_cast<int>(storage::Kind::token_use));
  auto last = [&]() -> json {
    const auto list = json::parse(bench.call("GET", "/v1/tokens", "", a.owner).body)["data"];
    for (const auto& one : list) {
      if (one["id"] == token.id) return one["last_used_at"];
    }
    return "gone";
  };
  EXPECT_TRUE(last().is_null());
  const auto before = bench.store.operations()[put];
  for (int i = 0; i < 20; ++i) status(bench, token.token);
  EXPECT_EQ(bench.store.operations()[put], before + 1);
  const std::string first = last();
  EXPECT_EQ(first, to_iso8601(bench.clock.now_ms()));
  bench.clock.advance(std::chrono::minutes(59));
  status(bench, token.token);
  EXPECT_EQ(last(), first);
  bench.clock.advance(std::chrono::minutes(1));
  status(bench, token.token);
  EXPECT_EQ(last(), to_iso8601(bench.clock.now_ms()));
}

TEST(Tokens, AWrongChecksumIsRefusedBeforeAnyLookup) {
  Bench bench;
  const auto a = bench.tenant("A");
  std::string wrong = a.owner;
  wrong.back() = wrong.back() == 'a' ? 'b' : 'a';
  const auto before = bench.store.operations();
  for (const std::string& token : {wrong, a.owner.substr(1), a.owner + "x",
                                   std::string("wab_live_"), std::string(2000, 'x')}) {
    EXPECT_EQ(status(bench, token), 401);
  }
  EXPECT_EQ(bench.store.operations(), before) << "the store was asked";
}

TEST(Tokens, ScannersFindThemByThePublishedExpression) {
  SeededRandom random;
  const std::regex published(R"(\bwab_(op|live|setup|invite|reset)_[0-9A-Za-z]{36}\b)");
  for (const auto kind : {TokenKind::operators, TokenKind::organization, TokenKind::setup,
                          TokenKind::invitation, TokenKind::reset}) {
    for (int i = 0; i < 50; ++i) {
      const std::string text = "key = \"" + make_token(kind, random) + "\"";
      EXPECT_TRUE(std::regex_search(text, published)) << text;
    }
  }
}

TEST(Tokens, AnOperatorsRepeatableAnswerAndItsTokenAreOneCommit) {
  Bench bench;
  const auto a = bench.tenant("A");
  // In the commit that makes the token work stands the answer as well.
  bool together = false;
  bench.store.on_commit = [&](const storage::Commit& commit) {
    bool lookup = false, answer = false;
    for (const auto& row : commit.put) {
      lookup = lookup || row.key.kind == storage::Kind::token_lookup;
      answer = answer || row.key.kind == storage::Kind::idempotency;
    }
    if (lookup) together = answer;
  };
  auto again = [&] {
    return bench.call("POST", "/v1/organizations/" + a.org + "/tokens",
                      R"({"name":"x","role":"viewer"})", bench.operator_token(),
                      {{"Idempotency-Key", "one"}});
  };
  bench.operator_token();
  const auto once = again();
  ASSERT_EQ(once.status, 201) << once.body;
  EXPECT_TRUE(together);
  EXPECT_EQ(again().body, once.body);
}

}  // namespace
}  // namespace wab::bridge::test
