#include "bridge/ops.h"

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "bridge/problem.h"
#include "session/wire/http.h"
#include "storage/base/metrics.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;

// Text as it always was, or JSON for who asks for it.
void say(wire::HttpResponse& response, const wire::HttpRequest& request, const char* good,
         const std::string& trouble) {
  response.status = trouble.empty() ? 200 : 503;
  if (request.headers.get("accept").find("application/json") == std::string_view::npos) {
    response.body = to_bytes((trouble.empty() ? good : trouble) + "\n");
    return;
  }
  const nlohmann::json body = {{"status", trouble.empty() ? good : "unwell"}, {"reason", trouble}};
  response.headers.set("content-type", "application/json; charset=utf-8");
  response.body = to_bytes(body.dump() + "\n");
}

}  // namespace

Ops::Ops(Shards& shards, const Config& config, Answers answers)
    : shards_(shards),
      listen_(config.ops.listen),
      answers_(std::move(answers)),
      certificates_("ops", config.ops.tls_certificate, config.ops.tls_key, config.ops.client_ca) {}
Ops::~Ops() = default;

tl::expected<void, std::string> Ops::open() {
  const auto at = parse_host_port(listen_);
  boost::system::error_code bad;
  const auto address = boost::asio::ip::make_address(at ? at->host : "", bad);
  if (!at || bad)
    return tl::unexpected<std::string>("ops.listen: write IP:PORT, such as 127.0.0.1:9090");
  if (auto loaded = certificates_.load(); !loaded) return loaded;
  const wire::Endpoint endpoint{address, at->port};
  auto acceptor = wire::Acceptor::listen(shards_.at(0), endpoint);
  if (!acceptor) {
    return tl::unexpected("ops.listen: cannot listen on " + listen_ + "; is the port taken?");
  }
  acceptor_ = std::move(*acceptor);
  return {};
}

uint16_t Ops::port() const { return acceptor_->port(); }

void Ops::start() {
  spawn(shards_.executor(0), gate_, accept_loop(), "ops.accept");
  if (certificates_.enabled()) {
    spawn(shards_.executor(0), gate_, certificates_.watch(stop_), "ops.certificates");
  }
}

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

awaitable<void> Ops::serve(std::unique_ptr<wire::TcpStream> plain) {
  std::unique_ptr<wire::ByteStream> stream;
  if (const auto tls = certificates_.current()) {
    const wire::TlsContext context = *tls;
    auto secured =
        co_await wire::tls_accept(std::move(plain), context, std::chrono::steady_clock::now() + 5s);
    if (!secured || stopping_) co_return;
    stream = std::move(*secured);
  } else {
    stream = std::move(plain);
  }
  wire::ByteStream* const raw = stream.get();
  open_.insert(raw);
  wire::HttpServerConnection connection(std::move(stream));
  while (!stopping_) {
    const auto now = std::chrono::steady_clock::now();
    auto request = co_await connection.read_request(now + 30s, now + 40s);
    if (!request || !*request) break;
    wire::HttpResponse response;
    response.headers.set("content-type", "text/plain; charset=utf-8");
    for (const auto& [name, value] : security_headers()) {
      response.headers.set(std::string(name), std::string(value));
    }
    const auto path = (*request)->path();
    if ((*request)->method != "GET") {
      response.status = 405;
    } else if (path == "/healthz") {
      say(response, **request, "ok", answers_.healthy());
    } else if (path == "/readyz") {
      const std::string why = co_await answers_.ready();
      say(response, **request, "ready", why);
    } else if (path == "/metrics") {
      co_await answers_.before_metrics();
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
  stop_.notify_all();
  for (auto* stream : open_) stream->close();
  if (acceptor_) acceptor_->close();
  co_await gate_.close();
}

}  // namespace wab::bridge
