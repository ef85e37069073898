#include "bridge/idempotency.h"

#include "storage/base/shards.h"
#include "tests/bridge/bench.h"

namespace wab::bridge::test {
namespace {

using namespace std::chrono_literals;

const Headers kKey{{"Idempotency-Key", "a-key"}};

TEST(Idempotency, TheSameKeyGetsTheSameAnswer) {
  Bench bench;
  const auto a = bench.tenant("A");
  const std::string send = "/v1/sessions/" + a.session + "/messages";
  const std::pair<std::string, std::string> calls[] = {
      {"/v1/sessions", R"({"name":"x"})"},
      {"/v1/tokens", R"({"name":"x","role":"viewer"})"},
      {"/v1/webhooks", R"({"url":"https://example.org/"})"},
      {send, R"({"to":"15550100002","type":"text","text":{"body":"Hi"}})"},
      {"/v1/sessions/" + a.session + "/start", ""}};
  int index = 0;
  for (const auto& [path, body] : calls) {
    const Headers key{{"Idempotency-Key", "key-" + std::to_string(index++)}};
    const auto first = bench.call("POST", path, body, a.owner, key);
    ASSERT_LT(first.status, 300) << path << first.body;
    const auto second = bench.call("POST", path, body, a.owner, key);
    EXPECT_EQ(second.status, first.status);
    EXPECT_EQ(second.body, first.body);
    EXPECT_EQ(header_of(second, "Idempotent-Replayed"), "true") << path;
    bench.clock.advance(24h - 1s);
    EXPECT_EQ(bench.call("POST", path, body, a.owner, key).body, first.body);
    bench.clock.advance(1s);
    if (path != calls[4].first) {
      EXPECT_NE(bench.call("POST", path, body, a.owner, key).body, first.body) << path;
    }
  }
  EXPECT_EQ(bench.sessions.sent, 3);  // the tenant's own, the first, the one after a day
}

TEST(Idempotency, AnotherRequestWithTheKeyIsRefused) {
  Bench bench;
  const auto a = bench.tenant("A");
  EXPECT_EQ(bench.call("POST", "/v1/sessions", R"({"name":"x"})", a.owner, kKey).status, 201);
  auto answer = bench.call("POST", "/v1/sessions", R"({"name":"y"})", a.owner, kKey);
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(code_of(answer), "idempotency_key_reused");
  answer = bench.call("POST", "/v1/webhooks", R"({"url":"https://example.org/"})", a.owner, kKey);
  EXPECT_EQ(answer.status, 422);
}

TEST(Idempotency, KeysBelongToTheirCaller) {
  Bench bench;
  const auto a = bench.tenant("A"), b = bench.tenant("B");
  const auto one = bench.call("POST", "/v1/sessions", R"({"name":"x"})", a.owner, kKey);
  const auto two = bench.call("POST", "/v1/sessions", R"({"name":"x"})", b.owner, kKey);
  EXPECT_EQ(two.status, 201);
  EXPECT_NE(one.body, two.body);
}

TEST(Idempotency, AFailedCallMayBeTriedAgain) {
  Bench bench;
  const auto a = bench.tenant("A");
  const std::string send = "/v1/sessions/" + a.session + "/messages";
  const std::string hi = R"({"to":"15550100002","type":"text","text":{"body":"Hi"}})";
  bench.sessions.show(*SessionId::parse(a.session), session::Status::failed, std::nullopt);
  EXPECT_EQ(bench.call("POST", send, hi, a.owner, kKey).status, 409);
  bench.sessions.show(*SessionId::parse(a.session), session::Status::working, std::nullopt);
  EXPECT_EQ(bench.call("POST", send, hi, a.owner, kKey).status, 202);
}

TEST(Idempotency, WhileTheFirstRunsTheKeyIsInFlight) {
  Bench bench;
  const auto a = bench.tenant("A");
  bench.sessions.hold_sends = true;
  const auto request =
      Bench::request("POST", "/v1/sessions/" + a.session + "/messages",
                     R"({"to":"15550100002","type":"text","text":{"body":"Hi"}})", a.owner, kKey);
  Answer first;
  spawn(bench.loop.get_executor(), Bench::run_handle(bench.app, request, first), "test");
  const auto second = bench.call(request);
  EXPECT_EQ(second.status, 409);
  EXPECT_EQ(code_of(second), "idempotency_in_flight");
  bench.sessions.hold_sends = false;
  bench.sessions.changed.notify_all();
  bench.loop.restart();
  bench.loop.poll();
  EXPECT_EQ(first.status, 202);
  EXPECT_EQ(bench.call(request).body, first.body);
}

TEST(Idempotency, ASecretInAnAnswerCannotBeReadFromTheStore) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto answer =
      bench.call("POST", "/v1/tokens", R"({"name":"x","role":"viewer"})", a.owner, kKey);
  const std::string token = json::parse(answer.body)["token"];
  const auto stored = bench.store.everything();
  EXPECT_EQ(stored.find(token), std::string::npos);
  EXPECT_EQ(stored.find("a-key"), std::string::npos);
  EXPECT_EQ(stored.find(to_base64(view(answer.body)).substr(0, 40)), std::string::npos);
}

TEST(Idempotency, SweepTakesWhatExpired) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto org = bench.issuer.organization(*OrgId::parse(a.org));
  bench.call("POST", "/v1/sessions", R"({"name":"x"})", a.owner, kKey);
  EXPECT_EQ(*bench.wait(bench.idempotency.sweep(org)), 0u);
  bench.clock.advance(24h);
  EXPECT_EQ(*bench.wait(bench.idempotency.sweep(org)), 1u);
  EXPECT_EQ(*bench.wait(bench.idempotency.sweep(org)), 0u);
}

}  // namespace
}  // namespace wab::bridge::test
