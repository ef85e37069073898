#include "tests/sandbox/listener.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace wab::sandbox {
namespace {

constexpr auto kHandshake = std::chrono::seconds(10);
constexpr auto kIdle = std::chrono::minutes(2);
constexpr auto kRequest = std::chrono::minutes(2);
constexpr std::string_view kChatPath = "/ws/chat";

wire::Deadline in(std::chrono::steady_clock::duration time) {
  return std::chrono::steady_clock::now() + time;
}

wire::HttpResponse plain_answer(int status, std::string_view words) {
  wire::HttpResponse out;
  out.status = status;
  out.headers.set("content-type", "text/plain; charset=utf-8");
  out.body = to_bytes(words);
  return out;
}

}  // namespace

struct Listener::State {
  State(boost::asio::io_context& io, World& the_world, NoiseAuthority& noise, HttpHandler& handler,
        Options given)
      : context(io), world(the_world), authority(noise), http(handler), options(std::move(given)) {}

  boost::asio::io_context& context;
  World& world;
  NoiseAuthority& authority;
  HttpHandler& http;
  Options options;
  std::unique_ptr<wire::Acceptor> acceptor;
  SeenKeys seen;
  std::set<ClientConnection*> open;
  bool stopped = false;
};

Listener::Listener(boost::asio::io_context& context, World& world, NoiseAuthority& authority,
                   HttpHandler& http, Options options)
    : state_(std::make_shared<State>(context, world, authority, http, std::move(options))) {}

Listener::~Listener() { stop(); }

Result<void> Listener::start() {
  TRY(state_->acceptor, wire::Acceptor::listen(state_->context, state_->options.at));
  boost::asio::co_spawn(state_->context, accept_all(state_), boost::asio::detached);
  return ok();
}

uint16_t Listener::port() const { return state_->acceptor->port(); }

std::string Listener::url() const {
  return (state_->options.tls ? "https://" : "http://") + state_->acceptor->local().text();
}

void Listener::stop() {
  if (state_->stopped) return;
  state_->stopped = true;
  if (state_->acceptor) state_->acceptor->close();
  for (ClientConnection* connection : state_->open) connection->abort();
}

wire::awaitable<void> Listener::accept_all(std::shared_ptr<State> state) {
  while (!state->stopped) {
    auto stream = co_await state->acceptor->accept();
    if (!stream) co_return;
    boost::asio::co_spawn(state->context, serve(state, std::move(*stream)), boost::asio::detached);
  }
}

wire::awaitable<void> Listener::serve(std::shared_ptr<State> state,
                                      std::unique_ptr<wire::TcpStream> tcp) {
  std::unique_ptr<wire::ByteStream> stream;
  if (state->options.tls) {
    wire::TlsContext tls = *state->options.tls;
    auto secured = co_await wire::tls_accept(std::move(tcp), std::move(tls), in(kHandshake));
    if (!secured) co_return;
    stream = std::move(*secured);
  } else {
    stream = std::move(tcp);
  }
  wire::HttpServerConnection http(std::move(stream));
  bool more = true;
  while (more) more = co_await serve_one(*state, http);
}

wire::awaitable<bool> Listener::serve_one(State& state, wire::HttpServerConnection& http) {
  auto head = co_await http.read_head(in(kIdle));
  if (!head) {
    if (http.refusal() != 0) {
      wire::HttpResponse refused = plain_answer(http.refusal(), "bad request\n");
      (void)co_await http.write_response(std::move(refused), in(kHandshake));
    }
    co_return false;
  }
  if (!*head || state.stopped) co_return false;
  wire::HttpRequest request = std::move(**head);
  if (request.path() == kChatPath) {
    co_await serve_chat(state, http, std::move(request));
    co_return false;
  }
  auto body = co_await http.read_body(state.options.request_bytes, in(kRequest));
  if (!body) co_return false;
  request.body = std::move(*body);
  wire::HttpResponse response = co_await state.http.handle(request);
  const auto written = co_await http.write_response(std::move(response), in(kRequest));
  co_return written&& http.keep_alive();
}

wire::awaitable<void> Listener::serve_chat(State& state, wire::HttpServerConnection& http,
                                           wire::HttpRequest request) {
  const bool upgrade = wire::WebSocket::is_upgrade(request);
  if (!upgrade || request.headers.get("origin") != state.options.origin) {
    const std::string origin(request.headers.get("origin"));
    state.world.record("T1", ConnectionId{0},
                       upgrade ? "Origin is '" + origin + "'" : "no WebSocket upgrade");
    http.stop_keep_alive();
    wire::HttpResponse refused = plain_answer(upgrade ? 403 : 426, "not a chat client\n");
    (void)co_await http.write_response(std::move(refused), in(kHandshake));
    co_return;
  }
  wire::HttpServerConnection::Taken taken = http.take();
  wire::HttpFields none;
  wire::WebSocketLimits limits;
  limits.message_bytes = kMaxClientFrame + 1024;
  auto socket =
      co_await wire::WebSocket::accept(std::move(taken.stream), std::move(taken.leftover),
                                       std::move(request), std::move(none), limits, in(kHandshake));
  if (!socket) co_return;
  auto connection = std::make_shared<ClientConnection>(std::move(*socket), state.world,
                                                       state.authority, state.seen);
  state.open.insert(connection.get());
  co_await ClientConnection::run(connection);
  state.open.erase(connection.get());
}

}  // namespace wab::sandbox
