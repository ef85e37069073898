// The way of a request: routes, problems, headers, limits, setup.
#include "bridge/router.h"

#include "tests/bridge/bench.h"
#include "tests/bridge/schema_judge.h"
#include "tests/support/log_watcher.h"

namespace wab::bridge::test {
namespace {

void expect_dressed(const Answer& answer) {
  for (const auto& [name, value] : security_headers()) {
    EXPECT_EQ(header_of(answer, name), value) << answer.status << " " << name;
  }
  EXPECT_EQ(header_of(answer, "X-Request-Id"), "test");
  EXPECT_EQ(header_of(answer, "Server"), "");
  if (answer.status >= 400) {
    EXPECT_EQ(answer.content_type, "application/problem+json; charset=utf-8");
    const auto problem = json::parse(answer.body);
    EXPECT_EQ(problem["status"], answer.status);
    EXPECT_FALSE(problem["code"].get<std::string>().empty());
    EXPECT_EQ(problem["instance"], "urn:request:test");
  } else if (!answer.body.empty()) {
    EXPECT_EQ(answer.content_type, "application/json; charset=utf-8");
  }
}

TEST(Router, EveryStatusCarriesTheHeaders) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto& op = bench.operator_token();
  struct Case {
    int status;
    std::string code;
    Request request;
  };
  auto request = [](auto... parts) { return Bench::request(parts...); };
  const std::string none, session = "/v1/sessions/" + a.session;
  auto plain = request("POST", "/v1/sessions", "{}", a.owner);
  for (auto& header : plain.headers) {
    if (header.first == "Content-Type") header.second = "text/plain";
  }
  const Case cases[] = {
      {200, "", request("GET", "/openapi.json")},
      {200, "", request("GET", "/v1/sessions", none, a.owner)},
      {201, "", request("POST", "/v1/sessions", R"({"name":"x"})", a.owner)},
      {204, "", request("DELETE", "/v1/webhooks/" + a.webhook, none, a.owner)},
      {400, "invalid_body", request("POST", "/v1/sessions", R"({"nam":1})", a.owner)},
      {400, "invalid_body", request("POST", "/v1/sessions", R"({"name":"a","name":"b"})", a.owner)},
      {400, "invalid_body", request("POST", session + "/start", R"({"x":1})", a.owner)},
      {400, "invalid_query", request("GET", "/v1/sessions?limit=0", none, a.owner)},
      {400, "invalid_query", request("GET", "/v1/sessions?limit=1&limit=1", none, a.owner)},
      {400, "invalid_query", request("GET", "/v1/sessions?limit=%zz", none, a.owner)},
      {400, "invalid_cursor", request("GET", "/v1/sessions?cursor=AAAA", none, a.owner)},
      {401, "unauthenticated", request("GET", "/v1/sessions")},
      {403, "forbidden", request("GET", "/v1/organizations", none, a.owner)},
      {403, "forbidden", request("GET", "/v1/sessions", none, op)},
      {404, "not_found", request("GET", "/v1/nothing", none, a.owner)},
      {404, "not_found", request("GET", "/v1/sessions/ses_x", none, a.owner)},
      {404, "not_found", request("GET", "/v1/sessions/", none, a.owner)},
      {405, "method_not_allowed", request("PUT", "/v1/sessions", none, a.owner)},
      {405, "method_not_allowed", request("OPTIONS", "/v1/sessions", none, a.owner)},
      {406, "not_acceptable",
       request("GET", session + "/qr", none, a.owner, Headers{{"Accept", "audio/ogg"}})},
      {409, "not_pairing", request("GET", session + "/qr", none, a.owner)},
      {415, "unsupported_media_type", plain},
      {426, "upgrade_required", request("GET", "/v1/events/stream", none, a.owner)},
  };
  for (const auto& one : cases) {
    const auto answer = bench.call(one.request);
    EXPECT_EQ(answer.status, one.status) << one.request.path << " " << answer.body;
    EXPECT_EQ(code_of(answer), one.code);
    expect_dressed(answer);
  }
  EXPECT_EQ(header_of(bench.call("PUT", "/v1/sessions"), "Allow"), "POST, GET");
  EXPECT_EQ(header_of(bench.call("GET", "/v1/sessions"), "WWW-Authenticate"), "Bearer");
}

TEST(Router, EveryProblemCodePrintsItsStatus) {
  for (const auto& row : problem_codes()) {
    Problem problem;
    problem.code = row.code;
    Request request;
    request.id = "test";
    auto answer = problem_answer(problem, request.id);
    dress(answer, request, default_config());
    EXPECT_EQ(answer.status, row.status);
    EXPECT_EQ(code_of(answer), row.name);
    expect_dressed(answer);
  }
}

TEST(Router, StoreFailureIsAProblemWithoutInnerWords) {
  wab::test::LogWatcher log;
  log.expect_error("http.failed");
  Bench bench;
  const auto a = bench.tenant("A");
  bench.store.failure = Error(storage::StoreError::io, "secret place");
  auto answer = bench.call("GET", "/v1/webhooks", "", a.owner);
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  bench.store.failure = Error(storage::StoreError::busy, "queue");
  EXPECT_EQ(bench.call("GET", "/v1/webhooks", "", a.owner).status, 503);
}

TEST(Router, LimitsPerTokenOrganizationAndAddress) {
  auto config = default_config();
  config.limits.token_per_minute = 20;
  config.limits.organization_per_minute = 30;
  config.limits.address_per_minute = 100;
  Bench bench(config);
  const auto a = bench.tenant("A"), b = bench.tenant("B");
  Answer answer;
  for (int i = 0; i < 40; ++i) {
    answer = bench.call("GET", "/v1/sessions", "", a.owner);
    if (answer.status != 200) break;
  }
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(code_of(answer), "rate_limited");
  EXPECT_EQ(header_of(answer, "Retry-After"), "3");
  EXPECT_NE(header_of(answer, "RateLimit-Policy").find("\"token\";q=20;w=60"), std::string::npos);
  EXPECT_NE(header_of(answer, "RateLimit").find("\"token\";r=0"), std::string::npos);
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", b.owner).status, 200);
  for (int i = 0; i < 100; ++i) answer = bench.call("GET", "/v1/nothing");
  EXPECT_EQ(answer.status, 429);
  bench.clock.advance(std::chrono::minutes(1));
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", a.owner).status, 200);
}

TEST(Router, MatchesWholePathsOnly) {
  EXPECT_EQ(match("/v1/sessions/{id}/qr", "/v1/sessions/x/qr"), std::vector<std::string>{"x"});
  for (const char* path : {"/v1/sessions/x/qr/", "/v1/sessions//qr", "/v1/sessions/x", "v1", "",
                           "/v1/sessions/x/qr/y", "/v1/sessions/%78/qr2"}) {
    EXPECT_FALSE(match("/v1/sessions/{id}/qr", path)) << path;
  }
}

TEST(Router, CorsOnlyForConfiguredOrigins) {
  auto config = default_config();
  config.http.cors_origins = {"https://app.example.org"};
  Bench bench(config);
  const Headers good{{"Origin", "https://app.example.org"},
                     {"Access-Control-Request-Method", "POST"}};
  auto answer = bench.call("OPTIONS", "/v1/sessions", "", "", good);
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(header_of(answer, "Access-Control-Allow-Origin"), "https://app.example.org");
  EXPECT_EQ(header_of(answer, "Access-Control-Allow-Credentials"), "");
  const Headers bad{{"Origin", "https://app.example.org.evil"},
                    {"Access-Control-Request-Method", "POST"}};
  answer = bench.call("OPTIONS", "/v1/sessions", "", "", bad);
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(header_of(answer, "Access-Control-Allow-Origin"), "");
  EXPECT_EQ(header_of(answer, "Vary"), "Origin");
}

TEST(Setup, OnlySetupIsServedUntilAnOperatorExists) {
  Bench bench;
  auto printed = bench.wait(bench.people.prepare_setup());
  ASSERT_TRUE(printed && *printed);
  const std::string token = **printed;
  EXPECT_EQ(bench.store.everything().find(token), std::string::npos);
  for (const char* path : {"/v1/sessions", "/openapi.json", "/v1/login"}) {
    const auto answer = bench.call("GET", path);
    EXPECT_EQ(answer.status, 503) << path;
    EXPECT_EQ(code_of(answer), "setup_required");
  }
  auto body = [&](const std::string& with) {
    return json{
        {"setup_token", with}, {"email", "Op@Example.org"}, {"password", "long enough for all"}}
        .dump();
  };
  EXPECT_EQ(bench.call("POST", "/v1/setup", body("wab_setup_nonsense")).status, 401);
  auto answer = bench.call("POST", "/v1/setup", body(token));
  ASSERT_EQ(answer.status, 201) << answer.body;
  const std::string op = json::parse(answer.body)["token"];
  EXPECT_TRUE(op.starts_with("wab_op_"));
  EXPECT_EQ(bench.call("GET", "/v1/organizations", "", op).status, 200);
  EXPECT_EQ(code_of(bench.call("POST", "/v1/setup", body(token))), "setup_done");
  auto again = bench.wait(bench.people.prepare_setup());
  ASSERT_TRUE(again);
  EXPECT_FALSE(*again);
  EXPECT_EQ(bench.store.everything().find("long enough for all"), std::string::npos);
  EXPECT_NE(bench.store.everything().find("$argon2id$v=19$m=65536,t=3,p=1$"), std::string::npos);
}

TEST(Setup, TokenExpiresAndARestartReplacesIt) {
  Bench bench;
  auto first = bench.wait(bench.people.prepare_setup());
  auto second = bench.wait(bench.people.prepare_setup());
  auto body = [&](const std::string& with) {
    return json{
        {"setup_token", with}, {"email", "op@example.org"}, {"password", "long enough for all"}}
        .dump();
  };
  EXPECT_EQ(bench.call("POST", "/v1/setup", body(**first)).status, 401);
  bench.clock.advance(std::chrono::minutes(30));
  EXPECT_EQ(bench.call("POST", "/v1/setup", body(**second)).status, 401);
}

TEST(Answers, FitTheirDocumentedShapes) {
  Bench bench;
  const auto a = bench.tenant("A");
  struct Case {
    std::string_view method, pattern;
    std::string path;
  };
  const Case cases[] = {{"GET", "/v1/sessions/{id}", "/v1/sessions/" + a.session},
                        {"GET", "/v1/sessions", "/v1/sessions"},
                        {"GET", "/v1/webhooks/{id}", "/v1/webhooks/" + a.webhook},
                        {"GET", "/v1/webhooks", "/v1/webhooks"},
                        {"GET", "/v1/messages/{id}", "/v1/messages/" + a.message},
                        {"GET", "/v1/tokens", "/v1/tokens"},
                        {"GET", "/v1/events", "/v1/events"}};
  for (const auto& one : cases) {
    const auto answer = bench.call(std::string(one.method), one.path, "", a.owner);
    ASSERT_EQ(answer.status, 200) << one.path << answer.body;
    for (const auto& table : all_routes()) {
      for (const auto& route : table) {
        if (route.pattern != one.pattern || route.method != one.method) continue;
        const auto body = json::parse(answer.body);
        EXPECT_TRUE(satisfies(schema_of(*route.replies[0].shape), body)) << answer.body;
        EXPECT_TRUE(validate(*route.replies[0].shape, body).empty()) << answer.body;
      }
    }
  }
}

TEST(Organizations, LifeOfOne) {
  Bench bench;
  const auto& op = bench.operator_token();
  const auto a = bench.tenant("A"), b = bench.tenant("B");
  const std::string path = "/v1/organizations/" + a.org;
  auto answer = bench.call("PATCH", path, R"({"name":"A2","metadata":{"k":"v"}})", op);
  EXPECT_EQ(json::parse(answer.body)["name"], "A2");
  EXPECT_EQ(json::parse(bench.call("GET", path, "", op).body)["metadata"]["k"], "v");
  answer = bench.call("GET", "/v1/organizations?limit=1", "", op);
  const auto page = json::parse(answer.body);
  ASSERT_EQ(page["data"].size(), 1u);
  answer = bench.call(
      "GET", "/v1/organizations?limit=1&cursor=" + page["next_cursor"].get<std::string>(), "", op);
  EXPECT_EQ(json::parse(answer.body)["data"].size(), 1u);
  EXPECT_TRUE(json::parse(answer.body)["next_cursor"].is_null());
  // A cursor of one list opens no other.
  EXPECT_EQ(
      code_of(bench.call("GET", "/v1/sessions?cursor=" + page["next_cursor"].get<std::string>(), "",
                         a.owner)),
      "invalid_cursor");

  bench.told.clear();
  EXPECT_EQ(bench.call("DELETE", path, "", op).status, 204);
  EXPECT_EQ(bench.call("GET", path, "", op).status, 404);
  EXPECT_EQ(bench.call("DELETE", path, "", op).status, 404);
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", a.owner).status, 401);
  EXPECT_EQ(bench.call("GET", "/v1/sessions", "", b.owner).status, 200);
  ASSERT_EQ(bench.told.size(), 1u);
  EXPECT_FALSE(bench.told[0].second);
}

TEST(Webhooks, LifeOfOne) {
  Bench bench;
  const auto a = bench.tenant("A");
  auto answer = bench.call("POST", "/v1/webhooks",
                           R"({"url":"http://127.0.0.1:9/h","events":["message.*"],
                               "ordering":"none","headers":{"X-Key":"v"}})",
                           a.owner);
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto made = json::parse(answer.body);
  const std::string secret = made["secret"], path = "/v1/webhooks/" + made["id"].get<std::string>();
  EXPECT_TRUE(secret.starts_with("whsec_"));
  EXPECT_EQ(from_base64(secret.substr(6))->size(), 32u);
  answer = bench.call("GET", path, "", a.owner);
  EXPECT_FALSE(json::parse(answer.body).contains("secret"));
  EXPECT_EQ(json::parse(answer.body)["headers"]["X-Key"], "v");
  answer = bench.call("PATCH", path, R"({"state":"disabled","events":[]})", a.owner);
  EXPECT_EQ(json::parse(answer.body)["state"], "disabled");
  EXPECT_EQ(bench.call("DELETE", path, "", a.owner).status, 204);
  EXPECT_EQ(bench.call("GET", path, "", a.owner).status, 404);

  const std::pair<const char*, const char*> bad[] = {
      {R"({"url":"http://example.org/"})", "/url"},
      {R"({"url":"http://10.0.0.1/"})", "/url"},
      {R"({"url":"https://x/","headers":{"Webhook-Id":"1"}})", "/headers/Webhook-Id"},
      {R"({"url":"https://x/","headers":{"host":"y"}})", "/headers/host"},
      {R"({"url":"https://x/","sessions":["nope"]})", "/sessions/0"}};
  for (const auto& [body, pointer] : bad) {
    answer = bench.call("POST", "/v1/webhooks", body, a.owner);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(json::parse(answer.body)["errors"][0]["pointer"], pointer);
  }
}

TEST(Webhooks, RotationKeepsTenOldSecretsAlive) {
  Bench bench;
  const auto a = bench.tenant("A");
  const std::string path = "/v1/webhooks/" + a.webhook;
  for (int i = 0; i < 10; ++i) {
    const auto answer = bench.call("POST", path + "/rotate-secret", "{}", a.owner);
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_TRUE(json::parse(answer.body)["secret"].get<std::string>().starts_with("whsec_"));
  }
  auto answer = bench.call("GET", path, "", a.owner);
  EXPECT_EQ(json::parse(answer.body)["live_secrets"], 11);
  answer = bench.call("POST", path + "/rotate-secret", "{}", a.owner);
  EXPECT_EQ(json::parse(answer.body)["code"], "limit_reached");
  bench.clock.advance(std::chrono::hours(25));
  const std::string own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  answer = bench.call("POST", path + "/rotate-secret", json{{"secret", own}}.dump(), a.owner);
  EXPECT_EQ(json::parse(answer.body)["secret"], own);
  answer = bench.call("GET", path, "", a.owner);
  EXPECT_EQ(json::parse(answer.body)["live_secrets"], 2) << "those of yesterday have ended";
  answer = bench.call("POST", path + "/rotate-secret",
                      R"({"secret":"whsec_c2hvcnQgc2VjcmV0IHRoYXQgaXMgc2hvcnQh!!"})", a.owner);
  EXPECT_EQ(answer.status, 400);
}

TEST(Webhooks, SettingsOfDeliveryAreShownWithoutTheirSecrets) {
  Bench bench;
  const auto a = bench.tenant("A");
  auto answer = bench.call("POST", "/v1/webhooks",
                           R"({"url":"https://example.org/h","format":"cloud","ordering":"session",
                               "rate_limit":50,"asymmetric":true,
                               "secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})",
                           a.owner);
  ASSERT_EQ(answer.status, 201) << answer.body;
  const auto made = json::parse(answer.body);
  EXPECT_EQ(made["secret"], "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  EXPECT_EQ(made["format"], "cloud");
  EXPECT_EQ(made["ordering"], "session");
  EXPECT_EQ(made["rate_limit"], 50);
  EXPECT_TRUE(made["public_key"].get<std::string>().starts_with("whpk_"));
  const std::string path = "/v1/webhooks/" + made["id"].get<std::string>();
  answer = bench.call("GET", path, "", a.owner);
  EXPECT_EQ(json::parse(answer.body)["public_key"], made["public_key"]);
  EXPECT_EQ(answer.body.find("whsk_"), std::string::npos);
  EXPECT_EQ(answer.body.find("whsec_"), std::string::npos);
  answer = bench.call("PATCH", path, R"({"asymmetric":false,"rate_limit":0})", a.owner);
  EXPECT_TRUE(json::parse(answer.body)["public_key"].is_null());
  const char* bad[] = {
      R"({"url":"https://example.org/","client_certificate":"x"})",
      R"({"url":"https://example.org/","client_certificate":"x","client_key":"y"})",
      R"({"url":"https://example.org/","secret":"whsec_tooshort"})",
      R"({"url":"https://example.org/","format":"standard"})",
      R"({"url":"https://example.org/","rate_limit":-1})",
      R"({"url":"https://example.org/","headers":{"X-Hub-Signature-256":"forged"}})"};
  for (const char* body : bad) {
    EXPECT_EQ(bench.call("POST", "/v1/webhooks", body, a.owner).status, 400) << body;
  }
}

TEST(Webhooks, LogsOfAnEndpointWithoutAnyAreEmpty) {
  Bench bench;
  const auto a = bench.tenant("A");
  const std::string path = "/v1/webhooks/" + a.webhook;
  for (const char* list : {"/attempts", "/dead-letters", "/attempts?outcome=failed&status=500"}) {
    const auto answer = bench.call("GET", path + list, "", a.owner);
    ASSERT_EQ(answer.status, 200) << list << answer.body;
    EXPECT_TRUE(json::parse(answer.body)["data"].empty());
    EXPECT_TRUE(json::parse(answer.body)["next_cursor"].is_null());
  }
  EXPECT_EQ(bench.call("GET", path + "/attempts?outcome=perhaps", "", a.owner).status, 400);
  EXPECT_EQ(bench.call("GET", "/v1/events/evt_unknown/attempts", "", a.owner).status, 404);
  for (const char* body :
       {"{}", R"({"failed":false})", R"({"failed":true,"chat":"x"})", R"({"since":"yesterday"})",
        R"({"since":"2026-11-24T10:00:00Z","until":"2026-11-24T09:00:00Z"})"}) {
    EXPECT_EQ(bench.call("POST", path + "/replay", body, a.owner).status, 400) << body;
  }
}

TEST(Messages, AreIndexedInTheSameCommit) {
  Bench bench;
  const auto a = bench.tenant("A");
  size_t rows = 0;
  bench.store.on_commit = [&](const storage::Commit& commit) { rows += commit.put_org.size(); };
  auto answer = bench.call("POST", "/v1/sessions/" + a.session + "/messages",
                           R"({"to":"+15550100002","type":"text","text":{"body":"Hi"},
                               "mentions":["15550100003"],"reply_to":"3EB0"})",
                           a.owner, {{"Idempotency-Key", "k"}});
  ASSERT_EQ(answer.status, 202) << answer.body;
  EXPECT_EQ(rows, 3u);  // the index, the answer to the key, the count for the quota
  EXPECT_EQ(bench.sessions.last_text.to, "15550100002");
  EXPECT_EQ(bench.sessions.last_text.mentions, std::vector<std::string>{"15550100003"});
  const auto made = json::parse(answer.body);
  EXPECT_EQ(made["status"], "pending");
  answer = bench.call("GET", "/v1/messages/" + made["id"].get<std::string>(), "", a.owner);
  EXPECT_EQ(json::parse(answer.body)["status"], "unknown");
  EXPECT_EQ(json::parse(answer.body)["message_id"], made["message_id"]);
}

}  // namespace
}  // namespace wab::bridge::test
