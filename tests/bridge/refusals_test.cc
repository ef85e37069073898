// Refused attempts in the log: each kind, without the stranger's words, and not without end.
#include "bridge/refusals.h"

#include "tests/bridge/loopback.h"
#include "tests/support/log_watcher.h"

namespace wab::bridge::test {
namespace {

std::vector<json> refusals(const wab::test::LogWatcher& log) {
  std::vector<json> out;
  for (const auto& line : log.lines()) {
    auto parsed = json::parse(line, nullptr, false);
    if (parsed.is_object() && parsed.value("event", "") == "http.refused") out.push_back(parsed);
  }
  return out;
}

TEST(Refusals, EveryAttemptIsALineWithCodeOperationAndAddress) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto viewer = bench.token(bench.issuer.organization(*OrgId::parse(a.org)), Role::viewer);
  struct Case {
    std::string code, operation;
    Request request;
  };
  const Case cases[] = {
      {"unauthenticated", "listSessions", Bench::request("GET", "/v1/sessions")},
      {"forbidden", "listOrganizations", Bench::request("GET", "/v1/organizations", "", a.owner)},
      {"forbidden", "createSession",
       Bench::request("POST", "/v1/sessions", R"({"name":"x"})", viewer)},
      {"invalid_body", "createSession",
       Bench::request("POST", "/v1/sessions", R"({"evil words":1})", a.owner)},
      {"invalid_query", "listSessions",
       Bench::request("GET", "/v1/sessions?evil=words", "", a.owner)},
  };
  for (const auto& one : cases) {
    wab::test::LogWatcher log;
    const auto answer = bench.call(one.request);
    EXPECT_EQ(code_of(answer), one.code);
    const auto lines = refusals(log);
    ASSERT_EQ(lines.size(), 1u) << one.code;
    EXPECT_EQ(lines[0]["code"], one.code);
    EXPECT_EQ(lines[0]["operation"], one.operation);
    EXPECT_EQ(lines[0]["from"], "203.0.113.9");
    EXPECT_EQ(lines[0]["request"], "test");
    EXPECT_EQ(log.text().find("evil"), std::string::npos);
    EXPECT_EQ(log.text().find(a.owner), std::string::npos);
  }
  wab::test::LogWatcher log;
  bench.call("GET", "/v1/sessions", "", a.owner);
  bench.call("GET", "/v1/sessions/ses_x", "", a.owner);
  bench.call("GET", "/v1/sessions/" + a.session + "/qr", "", a.owner);
  EXPECT_TRUE(refusals(log).empty());
}

// What never became a request is an attempt too.
TEST_F(Loopback, BrokenFramingIsALineOfTheLog) {
  const std::pair<std::string, std::string> cases[] = {
      {"GET /evil HTTP/1.1\r\n\r\n", "bad_request"},
      {"POST /evil HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: evil\r\n\r\n", "bad_request"},
      {"POST /evil HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n", "body_too_large"},
      {"GET /" + std::string(9000, 'e') + "vil HTTP/1.1\r\nHost: x\r\n\r\n", "target_too_long"},
      {"GET / HTTP/1.1\r\nHost: x\r\nX-Evil: " + std::string(17000, 'e') + "\r\n\r\n",
       "headers_too_large"}};
  for (const auto& [request, code] : cases) {
    wab::test::LogWatcher log;
    const auto answer = raw(request);
    const auto lines = refusals(log);
    ASSERT_EQ(lines.size(), 1u) << code << answer.substr(0, 200);
    EXPECT_EQ(lines[0]["code"], code);
    EXPECT_EQ(lines[0]["operation"], "");
    EXPECT_EQ(lines[0]["from"], "127.0.0.1");
    EXPECT_NE(answer.find(lines[0]["request"].get<std::string>()), std::string::npos);
    EXPECT_EQ(log.text().find("evil"), std::string::npos);
  }
}

TEST(Refusals, AFloodOfThemFillsNoDisk) {
  Bench bench;
  bench.operator_token();
  wab::test::LogWatcher log;
  for (int i = 0; i < 500; ++i) {
    log_refusal(bench.app, Code::unauthenticated, "listSessions", "203.0.113.9", "test");
  }
  EXPECT_EQ(refusals(log).size(), static_cast<size_t>(kRefusalsPerAddress));
  for (int i = 0; i < 500; ++i) {
    log_refusal(bench.app, Code::bad_request, "", "198.51.100." + std::to_string(i % 250), "test");
  }
  EXPECT_EQ(refusals(log).size(), static_cast<size_t>(kRefusalsInAll));
}

}  // namespace
}  // namespace wab::bridge::test
