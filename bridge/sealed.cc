#include "bridge/sealed.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <filesystem>
#include <future>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bridge/certificates.h"
#include "bridge/ops.h"
#include "bridge/problem.h"
#include "bridge/service.h"
#include "bridge/unseal_socket.h"
#include "session/wire/http.h"
#include "session/wire/tcp_stream.h"
#include "storage/base/log.h"
#include "storage/key_file.h"
#include "storage/keyring.h"
#include "storage/root_key.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMostConnections = 256;
constexpr auto kExecLimit = 10s;

std::string sealed_problem(std::string_view request_id) {
  const nlohmann::json body = {
      {"type", "about:blank"},
      {"title", "The store is sealed"},
      {"status", 503},
      {"code", "sealed"},
      {"detail",
       "Nothing can be read or sent until somebody on the machine of the service runs "
       "waslo-bridge unseal --config FILE."},
      {"instance", "urn:request:" + std::string(request_id)}};
  return body.dump();
}

// Listens where the service would, on one loop.
class Door {
 public:
  explicit Door(const Config& config)
      : config_(config),
        certificates_("http", config.http.tls_certificate, config.http.tls_key,
                      config.http.client_ca),
        ops_(loop_, config,
             Ops::Answers{[] { return std::string(); }, &Door::not_ready, &Door::nothing}) {}

  tl::expected<void, std::string> open() {
    const auto at = parse_host_port(config_.http.listen);
    boost::system::error_code bad;
    const auto address = boost::asio::ip::make_address(at ? at->host : "", bad);
    if (!at || bad) {
      return tl::unexpected<std::string>("http.listen: write IP:PORT, such as 127.0.0.1:8080");
    }
    if (auto loaded = certificates_.load(); !loaded) return loaded;
    const wire::Endpoint endpoint{address, at->port};
    auto acceptor = wire::Acceptor::listen(loop_.at(0), endpoint, true);
    if (!acceptor) {
      return tl::unexpected("http.listen: cannot listen on " + config_.http.listen +
                            "; is the port taken?");
    }
    acceptor_ = std::move(*acceptor);
    return ops_.open();
  }

  void start() {
    loop_.run();
    ops_.start();
    spawn(loop_.executor(0), gate_, accept_loop(), "sealed.accept");
    if (certificates_.enabled()) {
      spawn(loop_.executor(0), gate_, certificates_.watch(stop_), "sealed.certificates");
    }
  }
  uint16_t port() const { return acceptor_->port(); }
  uint16_t ops_port() const { return ops_.port(); }
  boost::asio::io_context& loop() { return loop_.at(0); }

  void close() {
    std::promise<void> closed;
    spawn(loop_.executor(0), end(&closed), "sealed.close");
    closed.get_future().wait();
    loop_.stop(1s);
  }

 private:
  static awaitable<std::string> not_ready() { co_return "the store is sealed"; }
  static awaitable<void> nothing() { co_return; }

  awaitable<void> accept_loop() {
    for (;;) {
      auto stream = co_await acceptor_->accept();
      if (!stream) {
        if (stopping_ || stream.error().is(wire::WireError::closed)) co_return;
        continue;
      }
      if (open_.size() >= kMostConnections) {
        (*stream)->close();
        continue;
      }
      spawn(loop_.executor(0), gate_, serve(std::move(*stream)), "sealed.connection");
    }
  }

  awaitable<void> serve(std::unique_ptr<wire::TcpStream> plain) {
    wire::ByteStream* raw = plain.get();
    open_.insert(raw);
    std::unique_ptr<wire::ByteStream> stream;
    if (const auto tls = certificates_.current()) {
      const wire::TlsContext context = *tls;
      const auto deadline = std::chrono::steady_clock::now() + 5s;
      auto secured = co_await wire::tls_accept(std::move(plain), context, deadline);
      open_.erase(raw);
      if (!secured || stopping_) co_return;
      stream = std::move(*secured);
      raw = stream.get();
      open_.insert(raw);
    } else {
      stream = std::move(plain);
    }
    wire::HttpServerConnection connection(std::move(stream));
    while (!stopping_) {
      const auto now = std::chrono::steady_clock::now();
      auto request = co_await connection.read_request(now + 10s, now + 20s);
      if (!request || !*request) break;
      const std::string id = to_hex(system_random().array<8>());
      wire::HttpResponse response;
      response.status = 503;
      response.headers.set("content-type", "application/problem+json; charset=utf-8");
      for (const auto& [name, value] : security_headers()) {
        response.headers.set(std::string(name), std::string(value));
      }
      response.headers.set("x-request-id", id);
      response.headers.set("retry-after", "60");
      if ((*request)->method != "HEAD") response.body = to_bytes(sealed_problem(id));
      auto written = co_await connection.write_response(std::move(response), now + 30s);
      if (!written || !connection.keep_alive()) break;
    }
    connection.close();
    open_.erase(raw);
  }

  awaitable<void> end(std::promise<void>* closed) {
    stopping_ = true;
    stop_.notify_all();
    acceptor_->close();
    for (wire::ByteStream* stream : open_) stream->close();
    co_await gate_.close();
    co_await ops_.close();
    closed->set_value();
  }

  const Config& config_;
  Shards loop_{1};
  Certificates certificates_;
  Ops ops_;
  std::unique_ptr<wire::Acceptor> acceptor_;
  std::set<wire::ByteStream*> open_;
  bool stopping_ = false;
  Event stop_;
  Gate gate_;
};

// Nothing, or what the source gave; "" or a sentence in `wrong`.
std::shared_ptr<const LockedSecret> judge_root(const Config& config, LockedSecret given,
                                               std::string& wrong) {
  storage::KeyringOptions options;
  options.directory = config.storage.path;
  options.root_key = config.storage.root_key;
  options.exec_limit = kExecLimit;
  const auto source = storage::parse_root_key_source(options.root_key, wrong);
  if (!source) return nullptr;
  if (given.reveal().empty()) {
    auto read = storage::read_root_key(*source, kExecLimit, wrong);
    if (!read) return nullptr;
    given = std::move(*read);
  }
  options.given = std::make_shared<const LockedSecret>(std::move(given));
  // A store that was never opened has no keyring to prove it by; opening makes one.
  if (storage::file_exists(config.storage.path + "/keyring") &&
      !storage::Keyring::open(options, false, wrong)) {
    return nullptr;
  }
  return options.given;
}

std::string host_of(const std::string& listen) {
  const auto parsed = parse_host_port(listen);
  return parsed ? parsed->host : listen;
}

}  // namespace

tl::expected<SealedEnd, std::string> run_sealed(const Config& config) {
  if (!storage::make_private_directory(config.storage.path)) {
    return tl::unexpected("storage.path: cannot make " + config.storage.path);
  }
  Door door(config);
  if (auto opened = door.open(); !opened) return tl::unexpected(opened.error());
  std::promise<SealedEnd> ended;
  std::atomic<bool> over{false};
  UnsealSocket socket([&](LockedSecret given) -> std::string {
    if (over) return "unsealed already";
    std::string wrong;
    auto root = judge_root(config, std::move(given), wrong);
    if (!root) {
      log_warn("service.unseal_refused", {{"reason", wrong}});
      return wrong;
    }
    if (!over.exchange(true)) ended.set_value(SealedEnd{true, std::move(root)});
    return "";
  });
  if (auto opened = socket.open(config.storage.path); !opened) {
    return tl::unexpected(opened.error());
  }
  boost::asio::signal_set signals(door.loop(), SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error && !over.exchange(true)) ended.set_value(SealedEnd{});
  });
  door.start();
  log_info("service.sealed");
  std::cout << "waslo-bridge sealed, listening on "
            << (config.http.tls_certificate.empty() ? "http" : "https") << "://"
            << host_of(config.http.listen) << ":" << door.port() << ", ops on "
            << host_of(config.ops.listen) << ":" << door.ops_port() << std::endl;
  SealedEnd end = ended.get_future().get();
  socket.close();
  boost::asio::post(door.loop(), [&signals] {
    boost::system::error_code ignored;
    signals.cancel(ignored);
  });
  door.close();
  log_info(end.unsealed ? "service.unsealed" : "service.stopped");
  return end;
}

int unseal(const Config& config) {
  std::string wrong;
  const auto source = storage::parse_root_key_source(config.storage.root_key, wrong);
  std::optional<LockedSecret> given;
  if (source && source->kind == storage::RootKeySource::Kind::env) {
    auto read = storage::read_root_key(*source, kExecLimit, wrong);
    if (read) given.emplace(std::move(*read));
  }
  if (wrong.empty()) wrong = ask_to_unseal(config.storage.path, given ? &*given : nullptr);
  if (!wrong.empty()) {
    std::cerr << "unseal: " << wrong << std::endl;
    return kExitFailed;
  }
  std::cout << "unsealed" << std::endl;
  return kExitDone;
}

}  // namespace wab::bridge
