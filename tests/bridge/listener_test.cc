// The API over real sockets.
#include "tests/bridge/loopback.h"

namespace wab::bridge::test {
namespace {

TEST_F(Loopback, AnswersOverTheWire) {
  const auto answer =
      raw("GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
          "Authorization: Bearer " +
          tenant.owner + "\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  EXPECT_NE(answer.find(tenant.session), std::string::npos);
  EXPECT_NE(answer.find("nosniff"), std::string::npos);
  EXPECT_EQ(answer.find("\nServer:"), std::string::npos);
}

TEST_F(Loopback, ParseErrorsCarryTheHeadersToo) {
  const std::pair<const char*, const char*> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
      {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 40"},
      {"POST /v1/setup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 400"},
      {"POST /v1/setup HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n", "HTTP/1.1 413"}};
  for (const auto& [request, status] : cases) {
    const auto answer = raw(request);
    EXPECT_TRUE(answer.starts_with(status)) << request << answer;
    EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << answer;
    EXPECT_NE(answer.find("frame-ancestors 'none'"), std::string::npos);
    EXPECT_NE(answer.find("X-Request-Id"), std::string::npos);
  }
}

TEST_F(Loopback, EventsOverWebSocket) {
  std::vector<std::string> got;
  int refused = 0;
  wab::test::run_async(
      [&] { return socket(listener->port(), tenant.owner, "/v1/events/stream", got, refused); });
  EXPECT_EQ(got, std::vector<std::string>{R"({"seq":1})"});
  wab::test::run_async(
      [&] { return socket(listener->port(), "nonsense", "/v1/events/stream", got, refused); });
  EXPECT_EQ(refused, 401);
}

TEST(ClientAddress, OnlyTrustedProxiesAreBelieved) {
  Config config = default_config();
  EXPECT_EQ(client_address(config, "10.0.0.1", "203.0.113.1"), "10.0.0.1");
  config.http.trusted_proxies = {"10.0.0.0/8"};
  EXPECT_EQ(client_address(config, "10.0.0.1", "203.0.113.1"), "203.0.113.1");
  EXPECT_EQ(client_address(config, "10.0.0.1", "6.6.6.6, 203.0.113.1, 10.0.0.2"), "203.0.113.1");
  EXPECT_EQ(client_address(config, "192.0.2.1", "203.0.113.1"), "192.0.2.1");
}

}  // namespace
}  // namespace wab::bridge::test
