#include "bridge/listener.h"

#include <boost/asio/io_context.hpp>
#include <filesystem>

#include "session/wire/tcp_stream.h"
#include "storage/base/log.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;

constexpr auto kHandshake = 5s;
constexpr auto kLookAtCertificates = 5s;

std::filesystem::file_time_type changed_at(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::last_write_time(path, ignored);
}

}  // namespace

struct Listener::PerShard {
  size_t index = 0;
  std::unique_ptr<wire::Acceptor> acceptor;
  Event stop;
  LiveConnections live;
  Gate gate;
};

Listener::Listener(Shards& shards, App& app) : shards_(shards), app_(app) {}
Listener::~Listener() = default;

tl::expected<void, std::string> Listener::open() {
  const auto at = parse_host_port(app_.config.http.listen);
  boost::system::error_code bad;
  const auto address = boost::asio::ip::make_address(at ? at->host : "", bad);
  if (!at || bad) {
    return tl::unexpected<std::string>("http.listen: write IP:PORT, such as 127.0.0.1:8080");
  }
  const auto& http = app_.config.http;
  if (http.tls_certificate.empty() != http.tls_key.empty()) {
    return tl::unexpected<std::string>(
        "http.tls_key: set both http.tls_certificate and http.tls_key, or neither");
  }
  if (!http.tls_certificate.empty()) {
    auto context = wire::TlsContext::server_from_files(http.tls_certificate, http.tls_key);
    if (!context) {
      return tl::unexpected("http.tls_certificate: " + http.tls_certificate +
                            " and http.tls_key do not form a usable pair of PEM files");
    }
    tls_ = std::make_shared<const wire::TlsContext>(std::move(*context));
  }
  wire::Endpoint endpoint{address, at->port};
  for (size_t i = 0; i < shards_.size(); ++i) {
    auto shard = std::make_unique<PerShard>();
    shard->index = i;
    auto acceptor = wire::Acceptor::listen(shards_.at(i), endpoint, true);
    if (!acceptor) {
      return tl::unexpected("http.listen: cannot listen on " + http.listen +
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
  if (tls_.load()) {
    auto* first = per_shard_.front().get();
    spawn(shards_.executor(first->index), first->gate, reload_loop(first), "http.certificates");
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

awaitable<void> Listener::serve(PerShard* shard, std::unique_ptr<wire::TcpStream> stream) {
  const auto peer = parse_host_port(stream->peer());
  const std::string address = peer ? address_group(peer->host) : "";
  const auto& limits = app_.config.limits;
  if (!app_.limits.enter(address, limits.connections_per_address, limits.connections)) {
    stream->close();
    co_return;
  }
  std::unique_ptr<wire::ByteStream> ready;
  const auto tls = tls_.load();
  if (tls) {
    const wire::TlsContext context = *tls;
    const auto deadline = std::chrono::steady_clock::now() + kHandshake;
    auto secured = co_await wire::tls_accept(std::move(stream), context, deadline);
    if (secured) ready = std::move(*secured);
  } else {
    ready = std::move(stream);
  }
  const bool secure = tls != nullptr;
  if (ready) co_await serve_connection(app_, std::move(ready), secure, stopping_, shard->live);
  app_.limits.leave(address);
}

awaitable<void> Listener::reload_loop(PerShard* shard) {
  const auto& http = app_.config.http;
  auto seen = std::make_pair(changed_at(http.tls_certificate), changed_at(http.tls_key));
  while (!stopping_->flag) {
    const SteadyTime until = std::chrono::steady_clock::now() + kLookAtCertificates;
    co_await shard->stop.wait_until(until);
    const auto now = std::make_pair(changed_at(http.tls_certificate), changed_at(http.tls_key));
    if (now == seen) continue;
    auto context = wire::TlsContext::server_from_files(http.tls_certificate, http.tls_key);
    if (!context) {
      // Half written, or wrong: the old pair goes on serving.
      log_warn("http.certificate_unusable", {{"error", context.error()}});
      continue;
    }
    seen = now;
    tls_ = std::make_shared<const wire::TlsContext>(std::move(*context));
    log_info("http.certificate_reloaded");
  }
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
