// The sandbox's one port: the chat socket, the admin API and whatever other HTTP paths there are.
//
// One acceptor and all connections on one io_context with one thread.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "session/wire/http.h"
#include "session/wire/tcp_stream.h"
#include "session/wire/tls_stream.h"
#include "tests/sandbox/connection.h"

namespace wab::sandbox {

// Everything that is not the chat socket.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // `request` lives until the answer.
  virtual wire::awaitable<wire::HttpResponse> handle(const wire::HttpRequest& request) = 0;
};

class Listener {
 public:
  struct Options {
    wire::Endpoint at;
    std::optional<wire::TlsContext> tls;              // nothing: plain
    std::string origin = "https://web.whatsapp.com";  // T1
    size_t request_bytes = 64u << 20;
  };
  Listener(boost::asio::io_context& context, World& world, NoiseAuthority& authority,
           HttpHandler& http, Options options);
  ~Listener();

  Result<void> start();
  uint16_t port() const;
  // "https://127.0.0.1:8443"
  std::string url() const;
  // Stops accepting and cuts what is open.
  void stop();

 private:
  struct State;
  static wire::awaitable<void> accept_all(std::shared_ptr<State> state);
  static wire::awaitable<void> serve(std::shared_ptr<State> state,
                                     std::unique_ptr<wire::TcpStream> stream);
  // False: the connection is used up.
  static wire::awaitable<bool> serve_one(State& state, wire::HttpServerConnection& http);
  static wire::awaitable<void> serve_chat(State& state, wire::HttpServerConnection& http,
                                          wire::HttpRequest request);
  std::shared_ptr<State> state_;
};

}  // namespace wab::sandbox
