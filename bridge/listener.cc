#include "bridge/listener.h"

#include <boost/asio/io_context.hpp>

#include "bridge/barred.h"
#include "session/wire/tcp_stream.h"

namespace wab::bridge {
namespace {

// Of the connections that a minute allows, so many may come at once, or the share of four seconds.
constexpr int64_t kBurst = 400, kShare = 15;

}  // namespace

struct Listener::PerShard {
  size_t index = 0;
  std::unique_ptr<wire::Acceptor> acceptor;
  Event stop;
  LiveConnections live;
  Barred barred;
  bool lifting = false;
  Gate gate;
};

Listener::Listener(Shards& shards, App& app, Patience patience)
    : shards_(shards),
      app_(app),
      patience_(patience),
      certificates_("http", app.config.http.tls_certificate, app.config.http.tls_key,
                    app.config.http.client_ca) {}
Listener::~Listener() = default;

tl::expected<void, std::string> Listener::open() {
  const auto at = parse_host_port(app_.config.http.listen);
  boost::system::error_code bad;
  const auto address = boost::asio::ip::make_address(at ? at->host : "", bad);
  if (!at || bad) {
    return tl::unexpected<std::string>("http.listen: write IP:PORT, such as 127.0.0.1:8080");
  }
  if (auto loaded = certificates_.load(); !loaded) return loaded;
  wire::Endpoint endpoint{address, at->port};
  for (size_t i = 0; i < shards_.size(); ++i) {
    auto shard = std::make_unique<PerShard>();
    shard->index = i;
    auto acceptor = wire::Acceptor::listen(shards_.at(i), endpoint, true);
    if (!acceptor) {
      return tl::unexpected("http.listen: cannot listen on " + app_.config.http.listen +
                            "; is the port taken, or the address not of this machine?");
    }
    shard->acceptor = std::move(*acceptor);
    endpoint.port = shard->acceptor->port();
    per_shard_.push_back(std::move(shard));
  }
  port_ = endpoint.port;
  return {};
}

void Listener::start() {
  for (auto& shard : per_shard_) {
    spawn(shards_.executor(shard->index), shard->gate, accept_loop(shard.get()), "http.accept");
  }
  if (certificates_.enabled()) {
    auto* first = per_shard_.front().get();
    spawn(shards_.executor(first->index), first->gate, certificates_.watch(first->stop),
          "http.certificates");
  }
}

awaitable<void> Listener::accept_loop(PerShard* shard) {
  for (;;) {
    auto stream = co_await shard->acceptor->accept();
    if (!stream) {
      if (stopping_->flag || stream.error().is(wire::WireError::closed)) co_return;
      continue;
    }
    spawn(shards_.executor(shard->index), shard->gate, serve(shard, std::move(*stream)),
          "http.connection");
  }
}

// A proxy of ours speaks for many: its clients are counted by what they ask (router), and of its
// connections only the sum is limited. Whoever reconnects more often than twice its requests would
// allow is over that limit already and learns nothing new from an answer.
Listener::Door Listener::knock(const std::string& address) {
  const auto& limits = app_.config.limits;
  if (in_networks(app_.config.http.trusted_proxies, address)) {
    return app_.limits.enter(address, limits.connections, limits.connections) ? Door::open
                                                                              : Door::shut;
  }
  const int64_t per_minute = limits.address_per_minute * 2;
  const int64_t at_once = std::min(per_minute, std::max(kBurst, per_minute / kShare));
  const std::chrono::seconds window(at_once * 60 / per_minute);
  const auto verdict = app_.limits.take("connects", address_group(address), at_once, window);
  if (!verdict.allowed) return Door::flooded;
  return app_.limits.enter(address, limits.connections_per_address, limits.connections)
             ? Door::open
             : Door::shut;
}

void Listener::bar(PerShard* shard, const std::string& address) {
  if (!shard->barred.add(address, std::chrono::steady_clock::now())) return;
  if (!shard->acceptor->drop_from(shard->barred.list()) || shard->lifting) return;
  shard->lifting = true;
  spawn(shards_.executor(shard->index), shard->gate, lift_bars(shard), "http.lift_bars");
}

awaitable<void> Listener::lift_bars(PerShard* shard) {
  bool stopped = false;
  while (!stopped && !shard->barred.empty()) {
    const SteadyTime next = shard->barred.next();
    stopped = co_await shard->stop.wait_until(next);
    if (shard->barred.expire(std::chrono::steady_clock::now())) {
      shard->acceptor->drop_from(shard->barred.list());
    }
  }
  shard->lifting = false;
}

awaitable<void> Listener::serve(PerShard* shard, std::unique_ptr<wire::TcpStream> stream) {
  const auto peer = parse_host_port(stream->peer());
  const std::string address = peer ? peer->host : "";
  const Door door = knock(address);
  if (door != Door::open) {
    stream->close();
    if (door == Door::flooded) bar(shard, address);
    co_return;
  }
  std::unique_ptr<wire::ByteStream> ready;
  const auto tls = certificates_.current();
  if (tls) {
    const wire::TlsContext context = *tls;
    const auto deadline = std::chrono::steady_clock::now() + patience_.handshake;
    auto secured = co_await wire::tls_accept(std::move(stream), context, deadline);
    if (secured) ready = std::move(*secured);
  } else {
    ready = std::move(stream);
  }
  const bool secure = tls != nullptr;
  if (ready) {
    co_await serve_connection(app_, std::move(ready), secure, stopping_, shard->live, patience_);
  }
  app_.limits.leave(address);
}

awaitable<void> Listener::close(SteadyTime deadline) {
  stopping_->flag = true;
  (void)deadline;  // requests have shorter deadlines of their own
  for (auto& shard : per_shard_) {
    PerShard* one = shard.get();
    std::function<awaitable<void>()> work = [one] {
      one->acceptor->close();
      one->stop.notify_all();
      one->live.close_idle();
      return one->gate.close();
    };
    co_await on<void>(shards_.executor(one->index), std::move(work));
  }
}

}  // namespace wab::bridge
