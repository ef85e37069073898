// The API over real sockets.
#include "bridge/listener.h"

#include "session/wire/http.h"
#include "session/wire/websocket.h"
#include "tests/bridge/bench.h"
#include "tests/support/run.h"

namespace wab::bridge::test {
namespace {

using wab::test::soon;

// The bench's parts behind a listener on a shard of their own thread.
class Loopback : public ::testing::Test {
 protected:
  Loopback() {
    tenant = bench.tenant("A");
    bench.add_event(tenant.org, *SessionId::parse(tenant.session), 1, R"({"seq":1})");
    bench.config.http.listen = "127.0.0.1:0";
    listener.emplace(shards, app);
    const auto open = listener->open();
    EXPECT_TRUE(open) << open.error();
    listener->start();
    shards.run();
  }
  ~Loopback() override {
    events.close();
    wab::test::run_async([this] { return listener->close(soon()); });
    shards.stop();
  }

  static awaitable<void> one(uint16_t port, std::string raw, std::string& out) {
    wire::Endpoint to{boost::asio::ip::make_address("127.0.0.1"), port};
    auto stream = co_await wire::tcp_connect(to, soon());
    if (!stream) co_return;
    auto written = co_await (*stream)->write(view(raw), soon());
    if (!written) co_return;
    Bytes buffer(4096);
    for (;;) {
      auto size = co_await (*stream)->read_some(buffer, soon());
      if (!size || *size == 0) break;
      out += text(ByteView(buffer).first(*size));
    }
  }
  std::string raw(const std::string& request) {
    std::string out;
    wab::test::run_async([&] { return one(listener->port(), request, out); });
    return out;
  }
  static awaitable<void> socket(uint16_t port, std::string token, std::string target,
                                std::vector<std::string>& got, int& refused) {
    wire::Endpoint to{boost::asio::ip::make_address("127.0.0.1"), port};
    auto stream = co_await wire::tcp_connect(to, soon());
    if (!stream) co_return;
    wire::HttpFields headers;
    headers.set("authorization", "Bearer " + token);
    const wire::WebSocketLimits limits;
    std::string host = "localhost";
    std::unique_ptr<wire::ByteStream> plain = std::move(*stream);
    auto ws =
        co_await wire::WebSocket::connect(std::move(plain), std::move(host), std::move(target),
                                          std::move(headers), limits, soon(), &refused);
    if (!ws) co_return;
    auto message = co_await (*ws)->read(soon());
    if (message) got.push_back(to_string(*message));
    co_await (*ws)->close(wire::CloseCode::normal, soon());
  }

  Bench bench;
  Bench::Tenant tenant;
  Shards shards{2};
  EventFeed events{{shards.executor(0), shards.executor(1)}};
  Audit audit{bench.store,
              bench.clock,
              bench.issuer.deployment(),
              {shards.executor(0), shards.executor(1)}};
  App app{bench.config,   bench.store,     bench.clock,  bench.random,
          bench.auth,     bench.people,    bench.limits, bench.idempotency,
          bench.sessions, bench.endpoints, events,       audit};
  std::optional<Listener> listener;
};

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
