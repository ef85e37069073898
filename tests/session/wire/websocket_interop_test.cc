// Our WebSocket against Boost.Beast's, on the loopback interface: two readings of RFC 6455.
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <thread>

#include "session/wire/http.h"
#include "session/wire/tcp_stream.h"
#include "session/wire/websocket.h"
#include "tests/support/run.h"

namespace wab::wire {
namespace {

namespace beast = boost::beast;
using boost::asio::ip::tcp;
using BeastSocket = beast::websocket::stream<tcp::socket, false>;
using test::run_on;
using test::soon;

const std::vector<size_t> kSizes = {0, 1, 125, 126, 65535, 65536, 300'000};

Bytes pattern(size_t size) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i * 13 + (i >> 10));
  return out;
}

// Sends back whatever comes, in small fragments, until the peer closes; answers the close code.
uint16_t beast_echo(tcp::acceptor& acceptor) {
  boost::asio::io_context loop;
  BeastSocket socket(acceptor.accept(loop));
  socket.accept();
  socket.auto_fragment(true);
  socket.write_buffer_bytes(1024);
  for (;;) {
    beast::flat_buffer buffer;
    boost::system::error_code error;
    socket.read(buffer, error);
    if (error) return socket.reason().code;
    socket.text(socket.got_text());
    socket.ping({});
    socket.write(buffer.data());
  }
}

awaitable<void> client_of_beast(uint16_t port) {
  Endpoint to;
  to.address = boost::asio::ip::make_address("127.0.0.1");
  to.port = port;
  auto tcp_stream = co_await tcp_connect(to, soon());
  EXPECT_TRUE(tcp_stream.has_value());
  std::string host = "localhost";
  std::string target = "/";
  HttpFields none;
  const WebSocketLimits limits;
  auto socket =
      co_await WebSocket::connect(std::move(*tcp_stream), host, target, none, limits, soon());
  EXPECT_TRUE(socket.has_value());
  if (!socket) co_return;
  for (const size_t size : kSizes) {
    const Bytes message = pattern(size);
    Result<void> sent = co_await (*socket)->write(message, soon());
    Result<Bytes> back = co_await (*socket)->read(soon());
    EXPECT_TRUE(sent && back && *back == message) << size;
    EXPECT_FALSE((*socket)->last_was_text());
  }
  Result<void> said = co_await (*socket)->write_text("text", soon());
  Result<Bytes> heard = co_await (*socket)->read(soon());
  EXPECT_TRUE(said && heard && text(*heard) == "text" && (*socket)->last_was_text());
  co_await (*socket)->close(CloseCode::going_away, soon());
  EXPECT_NE((*socket)->close_code(), 0) << "Beast has answered the close frame";
}

TEST(WebSocketInterop, OurClientAndBeastsServer) {
  boost::asio::io_context other;
  tcp::acceptor acceptor(other, tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0));
  uint16_t code = 0;
  std::thread server([&] { code = beast_echo(acceptor); });
  boost::asio::io_context loop(1);
  run_on(loop, [&] { return client_of_beast(acceptor.local_endpoint().port()); });
  server.join();
  EXPECT_EQ(code, 1001);
}

awaitable<void> server_of_beast(Acceptor& acceptor) {
  auto tcp_stream = co_await acceptor.accept();
  EXPECT_TRUE(tcp_stream.has_value());
  HttpServerConnection connection(std::move(*tcp_stream));
  auto request = co_await connection.read_head(soon());
  EXPECT_TRUE(request && *request && WebSocket::is_upgrade(**request));
  HttpServerConnection::Taken taken = connection.take();
  HttpFields none;
  const WebSocketLimits limits;
  auto socket = co_await WebSocket::accept(std::move(taken.stream), std::move(taken.leftover),
                                           **request, none, limits, soon());
  EXPECT_TRUE(socket.has_value());
  if (!socket) co_return;
  for (;;) {
    Result<Bytes> message = co_await (*socket)->read(soon());
    if (!message) {
      EXPECT_TRUE(message.error().is(WireError::eof)) << message.error().describe();
      break;
    }
    Result<void> ping = co_await (*socket)->ping(soon());
    Result<void> sent = co_await (*socket)->write(*message, soon());
    EXPECT_TRUE(ping && sent);
  }
  EXPECT_EQ((*socket)->close_code(), 1013);
}

TEST(WebSocketInterop, BeastsClientAndOurServer) {
  boost::asio::io_context loop(1);
  Endpoint at;
  at.address = boost::asio::ip::make_address("127.0.0.1");
  auto acceptor = *Acceptor::listen(loop, at);
  std::thread client([port = acceptor->port()] {
    boost::asio::io_context other;
    BeastSocket socket(other);
    socket.next_layer().connect(tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), port));
    socket.handshake("localhost", "/");
    socket.binary(true);
    socket.auto_fragment(true);
    socket.write_buffer_bytes(1000);
    for (const size_t size : kSizes) {
      const Bytes message = pattern(size);
      socket.write(boost::asio::buffer(message));
      beast::flat_buffer buffer;
      socket.read(buffer);
      EXPECT_EQ(buffer.size(), message.size());
      EXPECT_TRUE(std::equal(message.begin(), message.end(),
                             static_cast<const uint8_t*>(buffer.data().data())));
    }
    boost::system::error_code error;
    socket.close(beast::websocket::close_code::try_again_later, error);
    EXPECT_FALSE(error) << error.message();
  });
  run_on(loop, [&] { return server_of_beast(*acceptor); });
  client.join();
}

}  // namespace
}  // namespace wab::wire
