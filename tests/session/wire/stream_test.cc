// TcpStream, TlsStream and Acceptor against each other on the loopback interface.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "session/wire/tcp_stream.h"
#include "session/wire/tls_stream.h"
#include "storage/base/shards.h"
#include "tests/support/run.h"
#include "tests/support/test_certs.h"

namespace wab::wire {
namespace {

using test::in_ms;
using test::run_on;
using test::soon;
using test::TestCa;

Endpoint loopback(uint16_t port = 0) {
  Endpoint at;
  at.address = boost::asio::ip::make_address("127.0.0.1");
  at.port = port;
  return at;
}

using Stream = std::unique_ptr<ByteStream>;

struct Pair {
  Stream client;
  Stream server;
};

// Both ends of one connection, each handshake running beside the other.
struct Server {
  std::optional<Result<Stream>> accepted;
  Event done;
};

awaitable<void> serve_one(Acceptor& acceptor, std::optional<TlsContext> tls, Server& server) {
  auto plain = co_await acceptor.accept();
  if (!plain) {
    server.accepted.emplace(fail(plain.error()));
  } else if (tls) {
    TlsContext context = *tls;
    server.accepted.emplace(co_await tls_accept(std::move(*plain), std::move(context), soon()));
  } else {
    server.accepted.emplace(std::move(*plain));
  }
  server.done.notify_all();
}

class StreamTest : public ::testing::Test {
 protected:
  StreamTest() : acceptor_(*Acceptor::listen(loop_, loopback())) {}

  void run(std::function<awaitable<void>()> work) { run_on(loop_, std::move(work)); }

  // `client_tls` and `server_tls` both or none.
  awaitable<Result<Pair>> connect(std::optional<TlsContext> client_tls,
                                  std::optional<TlsContext> server_tls, std::string name) {
    Server server;
    auto here = co_await boost::asio::this_coro::executor;
    spawn(here, serve_one(*acceptor_, server_tls, server), "server");
    const Endpoint to = loopback(acceptor_->port());
    auto plain = co_await tcp_connect(to, soon());
    Result<Stream> client = fail(WireError::io, "not connected");
    if (plain && client_tls) {
      TlsContext context = *client_tls;
      client = co_await tls_connect(std::move(*plain), std::move(context), std::move(name), soon());
    } else if (plain) {
      client = std::move(*plain);
    }
    while (!server.accepted) co_await server.done.wait();
    if (!client) co_return fail(client.error());
    if (!*server.accepted) co_return fail(server.accepted->error());
    Pair pair;
    pair.client = std::move(*client);
    pair.server = std::move(**server.accepted);
    co_return pair;
  }

  boost::asio::io_context loop_{1};
  std::unique_ptr<Acceptor> acceptor_;
};

awaitable<Result<Bytes>> read_exactly(ByteStream& stream, size_t size) {
  Bytes out(size);
  MutableBytes rest(out);
  while (!rest.empty()) {
    CO_TRY(const size_t got, co_await stream.read_some(rest, soon()));
    if (got == 0) co_return fail(WireError::eof, "test");
    rest = rest.subspan(got);
  }
  co_return out;
}

awaitable<void> write_all(ByteStream& stream, const Bytes& data, Event& done, bool& ok) {
  Result<void> written = co_await stream.write(data, soon());
  ok = written.has_value();
  done.notify_all();
}

Bytes pattern(size_t size) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i * 31 + (i >> 8));
  return out;
}

// Megabytes one way while small pieces go the other way: partial writes, both directions at once.
awaitable<void> exchange_data(ByteStream& a, ByteStream& b) {
  auto here = co_await boost::asio::this_coro::executor;
  const Bytes large = pattern(5'000'000);
  const Bytes small = pattern(1000);
  Event done;
  bool large_ok = false;
  bool small_ok = false;
  spawn(here, write_all(a, large, done, large_ok), "large");
  spawn(here, write_all(b, small, done, small_ok), "small");
  Result<Bytes> got_small = co_await read_exactly(a, small.size());
  Result<Bytes> got_large = co_await read_exactly(b, large.size());
  EXPECT_TRUE(got_small && *got_small == small);
  EXPECT_TRUE(got_large && *got_large == large);
  while (!large_ok || !small_ok) co_await done.wait();
}

// Reads with a deadline, a clean end, and the errors after a close.
awaitable<void> check_ends(Pair& pair) {
  std::array<uint8_t, 10> buffer;
  Result<size_t> late = co_await pair.client->read_some(buffer, in_ms(1));
  EXPECT_TRUE(!late && late.error().is(WireError::timeout));
  Result<void> still_works = co_await pair.server->write(view("x"), soon());
  EXPECT_TRUE(still_works.has_value());
  Result<size_t> one = co_await pair.client->read_some(buffer, soon());
  EXPECT_TRUE(one && *one == 1 && buffer[0] == 'x');
  pair.server->close();
  pair.server->close();
  Result<size_t> end = co_await pair.client->read_some(buffer, soon());
  EXPECT_TRUE(end && *end == 0) << (end ? "data" : end.error().describe());
  Result<size_t> closed = co_await pair.server->read_some(buffer, soon());
  EXPECT_TRUE(!closed && closed.error().is(WireError::closed));
  Result<void> write_closed = co_await pair.server->write(view("x"), soon());
  EXPECT_TRUE(!write_closed && write_closed.error().is(WireError::closed));
}

awaitable<void> read_until_woken(ByteStream& stream, std::optional<Error>& error, Event& done) {
  std::array<uint8_t, 10> buffer;
  Result<size_t> size = co_await stream.read_some(buffer, kNever);
  if (!size) error.emplace(size.error());
  done.notify_all();
}

// close(), and then destruction, under a suspended reader.
awaitable<void> check_wake(Stream stream) {
  auto here = co_await boost::asio::this_coro::executor;
  std::optional<Error> error;
  Event done;
  spawn(here, read_until_woken(*stream, error, done), "reader");
  co_await yield_shard();
  stream->close();
  stream.reset();
  while (!error) co_await done.wait();
  EXPECT_TRUE(error->is(WireError::closed));
}

// The peer does not read: the write meets its deadline.
awaitable<void> check_write_deadline(Pair& pair) {
  const Bytes large(32'000'000);
  Result<void> written = co_await pair.client->write(large, in_ms(20));
  EXPECT_TRUE(!written && written.error().is(WireError::timeout));
}

#define CONNECT(pair, client, server, name)                           \
  auto connected = co_await test->connect(client, server, name);      \
  EXPECT_TRUE(connected.has_value()) << connected.error().describe(); \
  if (!connected) co_return;                                          \
  Pair pair = std::move(*connected)

class TcpTest : public StreamTest {
 public:
  static awaitable<void> everything(TcpTest* test) {
    const std::optional<TlsContext> none;
    std::string name;
    CONNECT(pair, none, none, name);
    EXPECT_EQ(pair.client->peer(), "127.0.0.1:" + std::to_string(test->acceptor_->port()));
    co_await exchange_data(*pair.client, *pair.server);
    co_await check_ends(pair);
  }
  static awaitable<void> wake(TcpTest* test) {
    const std::optional<TlsContext> none;
    std::string name;
    CONNECT(pair, none, none, name);
    co_await check_write_deadline(pair);
    co_await check_wake(std::move(pair.client));
  }
  static awaitable<void> refused(TcpTest* test) {
    const Endpoint nobody = loopback(test->acceptor_->port());
    test->acceptor_->close();
    auto stream = co_await tcp_connect(nobody, soon());
    EXPECT_TRUE(!stream && stream.error().is(WireError::refused));
    auto closed = co_await test->acceptor_->accept();
    EXPECT_TRUE(!closed && closed.error().is(WireError::closed));
  }
  static awaitable<void> reset(TcpTest* test) {
    const std::optional<TlsContext> none;
    std::string name;
    CONNECT(pair, none, none, name);
    const Bytes unread(1000);
    Result<void> sent = co_await pair.client->write(unread, soon());
    EXPECT_TRUE(sent.has_value());
    std::array<uint8_t, 1> first;
    Result<size_t> arrived = co_await pair.server->read_some(first, soon());
    EXPECT_TRUE(arrived.has_value());
    pair.server->close();  // with unread data: the kernel resets
    Result<size_t> end = co_await pair.client->read_some(first, soon());
    EXPECT_TRUE(!end && end.error().is(WireError::refused));
  }
};
TEST_F(TcpTest, CarriesDataBothWaysAndEndsCleanly) {
  run([this] { return everything(this); });
}
TEST_F(TcpTest, CloseWakesASuspendedReaderEvenWhenTheStreamDies) {
  run([this] { return wake(this); });
}
TEST_F(TcpTest, NobodyListeningIsRefused) {
  run([this] { return refused(this); });
}
TEST_F(TcpTest, AResetIsAnErrorNotAnEnd) {
  run([this] { return reset(this); });
}
TEST_F(TcpTest, AUsedPortIsRefusedUnlessShared) {
  EXPECT_FALSE(Acceptor::listen(loop_, loopback(acceptor_->port())).has_value());
  auto first = Acceptor::listen(loop_, loopback(), true);
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(Acceptor::listen(loop_, loopback((*first)->port()), true).has_value());
}

TEST(EndpointText, BracketsAddressesWithColons) {
  Endpoint at;
  at.address = boost::asio::ip::make_address("2001:db8::1");
  at.port = 443;
  EXPECT_EQ(at.text(), "[2001:db8::1]:443");
}

class TlsTest : public StreamTest {
 public:
  TlsContext server(const TestCa::Request& request = TestCa::Request()) const {
    const TestCa::Issued issued = ca_.issue(request);
    return *TlsContext::server(issued.chain_pem, issued.key_pem);
  }
  std::optional<TlsContext> client() const { return *TlsContext::client(ca_.pem()); }

  static awaitable<void> everything(TlsTest* test, std::string name) {
    const std::optional<TlsContext> client = test->client();
    const std::optional<TlsContext> server = test->server();
    CONNECT(pair, client, server, name);
    co_await exchange_data(*pair.client, *pair.server);
    co_await exchange_data(*pair.server, *pair.client);
    co_await check_ends(pair);
  }
  static awaitable<void> wake(TlsTest* test) {
    const std::optional<TlsContext> client = test->client();
    const std::optional<TlsContext> server = test->server();
    std::string name = "localhost";
    CONNECT(pair, client, server, name);
    co_await check_write_deadline(pair);
    co_await check_wake(std::move(pair.client));
  }
  static awaitable<void> refuses(TlsTest* test, TlsContext client_context,
                                 TlsContext server_context, std::string name, WireError expected) {
    const std::optional<TlsContext> client(client_context);
    const std::optional<TlsContext> server(server_context);
    auto connected = co_await test->connect(client, server, name);
    EXPECT_FALSE(connected.has_value());
    if (connected) co_return;
    EXPECT_TRUE(connected.error().is(expected)) << connected.error().describe();
  }
  static awaitable<void> truncated(TlsTest* test) {
    const std::optional<TlsContext> client = test->client();
    const std::optional<TlsContext> server = test->server();
    std::string name = "localhost";
    CONNECT(pair, client, server, name);
    // What a cut cable looks like: the socket goes without a close_notify.
    const int cut = last_fd();
    shutdown_fd(cut);
    std::array<uint8_t, 10> buffer;
    Result<size_t> end = co_await pair.client->read_some(buffer, soon());
    EXPECT_FALSE(end && *end == 0) << "a cut connection must not look like a clean end";
  }
  static awaitable<void> silent_peer(TlsTest* test) {
    const Endpoint to = loopback(test->acceptor_->port());
    auto plain = co_await tcp_connect(to, soon());
    auto accepted = co_await test->acceptor_->accept();
    TlsContext context = *test->client();
    std::string name = "localhost";
    auto stream = co_await tls_connect(std::move(*plain), std::move(context), name, in_ms(20));
    EXPECT_TRUE(!stream && stream.error().is(WireError::timeout));
  }
  static awaitable<void> plain_text_peer(TlsTest* test) {
    const Endpoint to = loopback(test->acceptor_->port());
    auto plain = co_await tcp_connect(to, soon());
    auto accepted = co_await test->acceptor_->accept();
    Result<void> sent = co_await (*plain)->write(view("GET / HTTP/1.1\r\n\r\n"), soon());
    EXPECT_TRUE(sent.has_value());
    TlsContext context = test->server();
    auto stream = co_await tls_accept(std::move(*accepted), std::move(context), soon());
    EXPECT_TRUE(!stream && stream.error().is(WireError::tls));
  }

  // The newest descriptor is the accepted socket's or the client's: either end will do.
  static int last_fd();
  static void shutdown_fd(int fd);

  TestCa ca_;
};

int TlsTest::last_fd() {
  int last = -1;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    const auto target = std::filesystem::read_symlink(entry.path(), ignored).string();
    if (target.starts_with("socket:")) last = std::max(last, std::stoi(entry.path().filename()));
  }
  return last;
}
void TlsTest::shutdown_fd(int fd) { ::shutdown(fd, SHUT_RDWR); }

TEST_F(TlsTest, CarriesDataBothWaysAndEndsCleanly) {
  run([this] { return everything(this, "localhost"); });
}
TEST_F(TlsTest, VerifiesAnAddressAsName) {
  run([this] { return everything(this, "127.0.0.1"); });
}
TEST_F(TlsTest, CloseWakesASuspendedReaderEvenWhenTheStreamDies) {
  run([this] { return wake(this); });
}
TEST_F(TlsTest, WrongAuthorityIsACertificateError) {
  const TestCa other;
  run([&] {
    return refuses(this, *TlsContext::client(other.pem()), server(), "localhost",
                   WireError::tls_certificate);
  });
}
TEST_F(TlsTest, SystemRootsDoNotKnowOurAuthority) {
  run([&] {
    return refuses(this, *TlsContext::client(), server(), "localhost", WireError::tls_certificate);
  });
}
TEST_F(TlsTest, WrongNameIsACertificateError) {
  run([&] {
    return refuses(this, *client(), server(), "example.org", WireError::tls_certificate);
  });
  run([&] { return refuses(this, *client(), server(), "127.0.0.2", WireError::tls_certificate); });
}
TEST_F(TlsTest, ExpiredIsACertificateError) {
  TestCa::Request request;
  request.from_seconds = -7200;
  request.to_seconds = -3600;
  run([&] {
    return refuses(this, *client(), server(request), "localhost", WireError::tls_certificate);
  });
}
TEST_F(TlsTest, NotYetValidIsACertificateError) {
  TestCa::Request request;
  request.from_seconds = 1800;
  run([&] {
    return refuses(this, *client(), server(request), "localhost", WireError::tls_certificate);
  });
}
TEST_F(TlsTest, AnEmptyNameIsNeverVerified) {
  run([&] { return refuses(this, *client(), server(), "", WireError::tls); });
}
TEST_F(TlsTest, ACutConnectionIsAnError) {
  run([this] { return truncated(this); });
}
TEST_F(TlsTest, ASilentPeerMeetsTheDeadline) {
  run([this] { return silent_peer(this); });
}
TEST_F(TlsTest, PlainTextIsNotTls) {
  run([this] { return plain_text_peer(this); });
}
TEST_F(TlsTest, KeyAndCertificateMustFit) {
  const TestCa::Issued one = ca_.issue();
  const TestCa::Issued two = ca_.issue();
  EXPECT_FALSE(TlsContext::server(one.chain_pem, two.key_pem).has_value());
  EXPECT_FALSE(TlsContext::server("", one.key_pem).has_value());
  EXPECT_FALSE(TlsContext::server_from_files("/nonexistent", "/nonexistent").has_value());
  EXPECT_FALSE(TlsContext::client("not a certificate").has_value());
}

}  // namespace
}  // namespace wab::wire
