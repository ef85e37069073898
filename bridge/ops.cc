#include "bridge/ops.h"

#include <boost/asio/io_context.hpp>

#include "bridge/config.h"
#include "session/wire/http.h"
#include "storage/base/metrics.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;

}  // namespace

Ops::Ops(Shards& shards, std::string listen, std::function<std::string()> ready)
    : shards_(shards), listen_(std::move(listen)), ready_(std::move(ready)) {}
Ops::~Ops() = default;

tl::expected<void, std::string> Ops::open() {
  const auto at = parse_host_port(listen_);
  boost::system::error_code bad;
  const auto address = boost::asio::ip::make_address(at ? at->host : "", bad);
  if (!at || bad)
    return tl::unexpected<std::string>("ops.listen: write IP:PORT, such as 127.0.0.1:9090");
  const wire::Endpoint endpoint{address, at->port};
  auto acceptor = wire::Acceptor::listen(shards_.at(0), endpoint);
  if (!acceptor) {
    return tl::unexpected("ops.listen: cannot listen on " + listen_ + "; is the port taken?");
  }
  acceptor_ = std::move(*acceptor);
  return {};
}

uint16_t Ops::port() const { return acceptor_->port(); }

void Ops::start() { spawn(shards_.executor(0), gate_, accept_loop(), "ops.accept"); }

awaitable<void> Ops::accept_loop() {
  for (;;) {
    auto stream = co_await acceptor_->accept();
    if (!stream) {
      if (stopping_ || stream.error().is(wire::WireError::closed)) co_return;
      continue;
    }
    spawn(shards_.executor(0), gate_, serve(std::move(*stream)), "ops.connection");
  }
}

awaitable<void> Ops::serve(std::unique_ptr<wire::TcpStream> stream) {
  wire::TcpStream* const raw = stream.get();
  open_.insert(raw);
  wire::HttpServerConnection connection(std::move(stream));
  while (!stopping_) {
    const auto now = std::chrono::steady_clock::now();
    auto request = co_await connection.read_request(now + 30s, now + 40s);
    if (!request || !*request) break;
    wire::HttpResponse response;
    response.headers.set("content-type", "text/plain; charset=utf-8");
    response.headers.set("cache-control", "no-store");
    const auto path = (*request)->path();
    if ((*request)->method != "GET") {
      response.status = 405;
    } else if (path == "/healthz") {
      response.body = to_bytes("ok\n");
    } else if (path == "/readyz") {
      const std::string why = ready_();
      response.status = why.empty() ? 200 : 503;
      response.body = to_bytes(why.empty() ? "ready\n" : why + "\n");
    } else if (path == "/metrics") {
      response.headers.set("content-type", "text/plain; version=0.0.4; charset=utf-8");
      response.body = to_bytes(metrics_text());
    } else {
      response.status = 404;
    }
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    auto written = co_await connection.write_response(std::move(response), deadline);
    if (!written || !connection.keep_alive()) break;
  }
  connection.close();
  open_.erase(raw);
}

awaitable<void> Ops::close() {
  stopping_ = true;
  for (auto* stream : open_) stream->close();
  if (acceptor_) acceptor_->close();
  co_await gate_.close();
}

}  // namespace wab::bridge
