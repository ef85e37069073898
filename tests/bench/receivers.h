// Tenants' servers of the benches: they answer 200 over TLS and remember when each event came.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <vector>

#include "session/wire/http.h"
#include "session/wire/tls_stream.h"
#include "storage/base/shards.h"

namespace wab::bench {

using Steady = std::chrono::steady_clock;

inline int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(Steady::now().time_since_epoch())
      .count();
}

struct Figures {
  explicit Figures(size_t events) : committed(events), arrived(events) {}
  std::vector<std::atomic<int64_t>> committed, arrived;
  std::atomic<size_t> seen{0}, repeated{0};
};

class Receivers {
 public:
  Receivers(Shards& shards, wire::TlsContext tls, Figures*& figures)
      : shards_(shards), tls_(std::move(tls)), figures_(figures) {
    wire::Endpoint at;
    at.address = boost::asio::ip::make_address("127.0.0.1");
    acceptor_ = *wire::Acceptor::listen(shards.at(0), at);
    spawn(shards.executor(0), gate_, accept(), "bench.accept");
  }
  uint16_t port() const { return acceptor_->port(); }
  void close() { acceptor_->close(); }

 private:
  awaitable<void> accept() {
    for (;;) {
      auto stream = co_await acceptor_->accept();
      if (!stream) co_return;
      std::unique_ptr<wire::TcpStream> plain = std::move(*stream);
      spawn(shards_.executor(0), gate_, serve(std::move(plain)), "bench.serve");
    }
  }
  awaitable<void> serve(std::unique_ptr<wire::TcpStream> plain) {
    wire::TlsContext tls = tls_;
    const auto by = Steady::now() + std::chrono::seconds(10);
    auto secured = co_await wire::tls_accept(std::move(plain), std::move(tls), by);
    if (!secured) co_return;
    wire::HttpServerConnection connection(std::move(*secured));
    for (;;) {
      const auto until = Steady::now() + std::chrono::seconds(60);
      auto request = co_await connection.read_request(until, until);
      if (!request || !*request) co_return;
      const std::string id((*request)->headers.get("webhook-id"));
      const size_t number = std::strtoull(id.c_str() + 4, nullptr, 10);
      Figures& figures = *figures_;
      if (number < figures.arrived.size() && figures.arrived[number].exchange(now_us()) == 0) {
        figures.seen += 1;
      } else {
        figures.repeated += 1;
      }
      wire::HttpResponse response;
      auto written = co_await connection.write_response(std::move(response), until);
      if (!written || !connection.keep_alive()) co_return;
    }
  }
  Shards& shards_;
  wire::TlsContext tls_;
  Figures*& figures_;
  std::unique_ptr<wire::Acceptor> acceptor_;
  Gate gate_;
};

}  // namespace wab::bench
