// The API behind a real listener, for tests over real sockets.
#pragma once

#include "bridge/listener.h"
#include "session/wire/http.h"
#include "session/wire/websocket.h"
#include "tests/bridge/bench.h"
#include "tests/support/run.h"

namespace wab::bridge::test {

using wab::test::soon;

// The bench's parts behind a listener on a shard of their own thread.
class Loopback : public ::testing::Test {
 protected:
  explicit Loopback(Config config = default_config(), Patience patience = {}, size_t threads = 2)
      : bench(std::move(config)), shards(threads) {
    tenant = bench.tenant("A");
    bench.add_event(tenant.org, *SessionId::parse(tenant.session), 1, R"({"seq":1})");
    bench.config.http.listen = "127.0.0.1:0";
    app.pairing_links = &bench.pairing_links;
    listener.emplace(shards, app, patience);
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

  // Everything that comes until the other side closes.
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
  std::vector<any_io_executor> executors() {
    std::vector<any_io_executor> out;
    for (size_t i = 0; i < shards.size(); ++i) out.push_back(shards.executor(i));
    return out;
  }
  Shards shards;
  EventFeed events{executors()};
  Audit audit{bench.store, bench.clock, bench.issuer.deployment(), executors()};
  App app{bench.config, bench.store,  bench.clock,       bench.random,   bench.auth,
          bench.people, bench.limits, bench.idempotency, bench.sessions, bench.endpoints,
          events,       audit,        bench.quotas};
  std::optional<Listener> listener;
};

}  // namespace wab::bridge::test
