// Names, judged addresses and proxies, on the loopback interface.
#include "session/wire/dial.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <future>

#include "session/wire/http.h"
#include "session/wire/proxy.h"
#include "storage/base/shards.h"
#include "tests/support/memory_stream.h"
#include "tests/support/run.h"
#include "tests/support/test_certs.h"

namespace wab::wire {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::make_address;
using test::run_on;
using test::soon;
using test::TestCa;

bool is_loopback(const address& a) { return a.is_loopback(); }
bool is_public(const address& a) { return !a.is_loopback(); }

Endpoint loopback() {
  Endpoint at;
  at.address = make_address("127.0.0.1");
  return at;
}

// Says hello to whoever connects, with or without TLS.
awaitable<void> greet(Acceptor& acceptor, std::optional<TlsContext> tls) {
  for (;;) {
    auto plain = co_await acceptor.accept();
    if (!plain) co_return;
    std::unique_ptr<ByteStream> stream;
    if (tls) {
      TlsContext context = *tls;
      auto secure = co_await tls_accept(std::move(*plain), std::move(context), soon());
      if (!secure) continue;
      stream = std::move(*secure);
    } else {
      stream = std::move(*plain);
    }
    Result<void> ignored = co_await stream->write(view("hello"), soon());
    (void)ignored;
  }
}

awaitable<void> pipe(ByteStream& from, ByteStream& to) {
  Bytes piece(4096);
  for (;;) {
    Result<size_t> size = co_await from.read_some(piece, soon());
    if (!size || *size == 0) break;
    Result<void> written = co_await to.write(ByteView(piece).first(*size), soon());
    if (!written) break;
  }
  to.close();
}

struct SeenProxy {
  std::vector<std::string> requests;
};

// A small CONNECT proxy that leads everything to one port.
awaitable<void> http_proxy(Acceptor& acceptor, uint16_t leads_to, SeenProxy& seen) {
  auto here = co_await boost::asio::this_coro::executor;
  for (;;) {
    auto client = co_await acceptor.accept();
    if (!client) co_return;
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      std::array<uint8_t, 1> byte;
      Result<size_t> size = co_await (*client)->read_some(byte, soon());
      if (!size || *size == 0) break;
      head.push_back(static_cast<char>(byte[0]));
    }
    seen.requests.push_back(head);
    if (head.find("Basic dXNlcjpzZWNyZXQ=\r\n") == std::string::npos) {
      [[maybe_unused]] Result<void> no = co_await (*client)->write(
          view("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), soon());
      continue;
    }
    Endpoint to = loopback();
    to.port = leads_to;
    auto server = co_await tcp_connect(to, soon());
    [[maybe_unused]] Result<void> yes =
        co_await (*client)->write(view("HTTP/1.1 200 Yes\r\n\r\n"), soon());
    std::shared_ptr<TcpStream> a = std::move(*client);
    std::shared_ptr<TcpStream> b = std::move(*server);
    struct Both {
      static awaitable<void> run(std::shared_ptr<TcpStream> x, std::shared_ptr<TcpStream> y) {
        co_await pipe(*x, *y);
      }
    };
    spawn(here, Both::run(a, b), "pipe");
    spawn(here, Both::run(b, a), "pipe");
  }
}

class DialTest : public ::testing::Test {
 protected:
  DialTest()
      : plain_(*Acceptor::listen(loop_, loopback())),
        secure_(*Acceptor::listen(loop_, loopback())),
        proxy_(*Acceptor::listen(loop_, loopback())),
        lookup_("lookup", 1, 8),
        dialer_(lookup_, *TlsContext::client(ca_.pem()),
                [this](const std::string& host) { return names_[host]; }) {
    const TestCa::Issued issued = ca_.issue();
    const TlsContext tls = *TlsContext::server(issued.chain_pem, issued.key_pem);
    spawn(loop_.get_executor(), greet(*plain_, std::nullopt), "plain");
    spawn(loop_.get_executor(), greet(*secure_, tls), "secure");
    spawn(loop_.get_executor(), http_proxy(*proxy_, secure_->port(), seen_), "proxy");
    names_["localhost"] = {make_address("127.0.0.1")};
    names_["mixed"] = {make_address("127.0.0.1"), make_address("203.0.113.1")};
    names_["second"] = {make_address("127.0.0.9"), make_address("127.0.0.1")};
  }

  static awaitable<void> dial(DialTest* test, Target target, DialRules rules,
                              std::optional<WireError> expected) {
    auto stream = co_await test->dialer_.dial(std::move(target), std::move(rules), soon());
    EXPECT_EQ(stream.has_value(), !expected) << (stream ? "" : stream.error().describe());
    if (!stream) {
      EXPECT_TRUE(expected && stream.error().is(*expected)) << stream.error().describe();
      co_return;
    }
    Bytes greeting(5);
    Result<size_t> size = co_await (*stream)->read_some(greeting, soon());
    EXPECT_TRUE(size && text(greeting) == "hello");
  }
  void expect(Target target, DialRules rules, std::optional<WireError> error = std::nullopt) {
    run_on(loop_, [&] { return dial(this, target, rules, error); });
  }
  Target target(std::string host, bool tls) {
    Target to;
    to.host = std::move(host);
    to.port = tls ? secure_->port() : plain_->port();
    to.tls = tls;
    return to;
  }
  ProxyConfig proxy(std::string password) {
    ProxyConfig config;
    config.host = "localhost";
    config.port = proxy_->port();
    config.user = "user";
    config.password = std::move(password);
    return config;
  }

  TestCa ca_;
  boost::asio::io_context loop_{1};
  std::unique_ptr<Acceptor> plain_;
  std::unique_ptr<Acceptor> secure_;
  std::unique_ptr<Acceptor> proxy_;
  SeenProxy seen_;
  std::map<std::string, Dialer::Addresses> names_;
  BlockingPool lookup_;
  Dialer dialer_;
};

TEST_F(DialTest, ByNameByAddressPlainAndSecure) {
  expect(target("localhost", false), {});
  expect(target("127.0.0.1", false), {});
  expect(target("localhost", true), {});
  expect(target("127.0.0.1", true), {});
}

TEST_F(DialTest, TheNameIsVerifiedNotTheAddress) {
  Target to = target("second", true);
  expect(to, {}, WireError::tls_certificate);
  to.server_name = "localhost";
  expect(to, {});
}

TEST_F(DialTest, UnknownNamesDoNotResolve) {
  expect(target("nowhere", false), {}, WireError::resolve);
}

TEST_F(DialTest, TheNextAddressIsTriedWhenOneRefuses) { expect(target("second", false), {}); }

TEST_F(DialTest, OneForbiddenAddressAmongManyIsEnough) {
  DialRules rules;
  rules.judge = is_loopback;
  expect(target("localhost", false), rules);
  expect(target("mixed", false), rules, WireError::not_allowed);
  rules.judge = is_public;
  expect(target("mixed", false), rules, WireError::not_allowed);
  expect(target("127.0.0.1", false), rules, WireError::not_allowed);
}

TEST_F(DialTest, AForbiddenAddressBehindTheCutCountsToo) {
  for (int i = 0; i < 200; ++i) names_["many"].push_back(make_address("203.0.113.7"));
  names_["many"].push_back(make_address("127.0.0.1"));
  DialRules rules;
  rules.judge = is_public;
  expect(target("many", false), rules, WireError::not_allowed);
}

TEST_F(DialTest, JudgedAddressesAreDialledAsTheyAre) {
  Target to = target("no such name is asked for", false);
  to.addresses = {make_address("127.0.0.1")};
  expect(to, {});
  DialRules rules;
  rules.judge = is_public;
  expect(to, rules, WireError::not_allowed);
  rules.proxy = proxy("secret");
  expect(to, rules, WireError::not_allowed);
  EXPECT_TRUE(seen_.requests.empty());
}

TEST_F(DialTest, ThroughAProxyWithItsCredentials) {
  DialRules rules;
  rules.proxy = proxy("secret");
  expect(target("localhost", true), rules);
  const std::string port = std::to_string(secure_->port());
  ASSERT_EQ(seen_.requests.size(), 1u);
  EXPECT_TRUE(seen_.requests[0].starts_with("CONNECT localhost:" + port + " HTTP/1.1\r\n"));
  rules.proxy = proxy("wrong");
  expect(target("localhost", true), rules, WireError::proxy);
}

TEST_F(DialTest, WithAJudgeTheProxyIsGivenTheJudgedAddress) {
  DialRules rules;
  rules.proxy = proxy("secret");
  rules.judge = [](const address& a) { return a.to_string() == "203.0.113.9"; };
  names_["public"] = {make_address("203.0.113.9")};
  Target to = target("public", true);
  to.server_name = "localhost";
  expect(to, rules);  // the proxy's own address is exempt
  ASSERT_EQ(seen_.requests.size(), 1u);
  EXPECT_TRUE(seen_.requests[0].starts_with("CONNECT 203.0.113.9:"));
  expect(target("localhost", true), rules, WireError::not_allowed);
  EXPECT_EQ(seen_.requests.size(), 1u) << "the proxy is not even asked";
}

TEST_F(DialTest, AProxyOfSomebodyElseIsJudgedToo) {
  DialRules rules;
  rules.proxy = proxy("secret");
  rules.proxy_judge = is_public;
  expect(target("localhost", true), rules, WireError::not_allowed);
  rules.proxy->host = "127.0.0.1";
  expect(target("localhost", true), rules, WireError::not_allowed);
  rules.proxy->host = "mixed";
  expect(target("localhost", true), rules, WireError::not_allowed);
  EXPECT_TRUE(seen_.requests.empty()) << "nobody was connected to";
  rules.proxy->host = "localhost";
  rules.proxy_judge = is_loopback;
  expect(target("localhost", true), rules);
  EXPECT_EQ(seen_.requests.size(), 1u);
}

TEST_F(DialTest, AHangingLookupMeetsTheDeadline) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  Dialer dialer(lookup_, *TlsContext::client(ca_.pem()), [released](const std::string&) {
    released.wait();
    return Dialer::Addresses();
  });
  struct Case {
    static awaitable<void> run(Dialer& slow) {
      std::string host = "slow";
      AddressJudge none;
      auto found = co_await slow.resolve(host, none, test::in_ms(3));
      EXPECT_TRUE(!found && found.error().is(WireError::resolve));
    }
  };
  run_on(loop_, [&] { return Case::run(dialer); });
  release.set_value();
}

TEST(SystemLookup, FindsLocalhost) {
  boost::asio::io_context loop(1);
  BlockingPool lookup("lookup", 1, 8);
  Dialer dialer(lookup, *TlsContext::client());
  struct Case {
    static awaitable<void> run(Dialer& real) {
      std::string host = "localhost";
      AddressJudge judge = is_loopback;
      auto found = co_await real.resolve(host, judge, soon());
      EXPECT_TRUE(found && !found->empty());
    }
  };
  run_on(loop, [&] { return Case::run(dialer); });
}

struct TunnelCase {
  std::string answer;  // of the proxy, as bytes
  bool ok = false;
  std::string left;  // of the answer; belongs to the tunnel
};

awaitable<void> tunnel(ProxyConfig proxy, std::string host, TunnelCase expected,
                       std::string sent_hex) {
  auto here = co_await boost::asio::this_coro::executor;
  Bytes output;
  auto stream =
      test::scripted_stream(here, to_bytes(std::string_view(expected.answer)), {}, &output);
  Result<void> opened = co_await open_tunnel(*stream, proxy, host, 443, soon());
  EXPECT_EQ(opened.has_value(), expected.ok) << to_hex(view(expected.answer));
  if (!opened) {
    EXPECT_TRUE(opened.error().is(WireError::proxy));
    co_return;
  }
  EXPECT_EQ(to_hex(output), sent_hex);
  Bytes left(100);
  Result<size_t> size = co_await stream->read_some(left, soon());
  left.resize(size.value_or(0));
  EXPECT_EQ(text(left), expected.left);
}

std::string bytes_of(const char* hex) { return to_string(*from_hex(hex)); }

TEST(Socks5, SpeaksTheProtocol) {
  ProxyConfig open;
  open.kind = ProxyConfig::Kind::socks5;
  ProxyConfig login = open;
  login.user = "user";
  login.password = "pw";
  const std::string v4_ok =
      "0500"
      "05000001"
      "7f000001"
      "01bb";
  using test::run_async;
  const auto run = [](ProxyConfig proxy, std::string host, TunnelCase expected, std::string sent) {
    run_async([&] { return tunnel(proxy, host, expected, sent); });
  };
  const std::string by_name =
      "050100"
      "05010003"
      "0b"
      "6578616d706c652e6f7267"
      "01bb";
  run(open, "example.org", {bytes_of(v4_ok.c_str()) + "tls", true, "tls"}, by_name);
  run(open, "example.org",
      {bytes_of("0500"
                "05000003"
                "03"
                "616263"
                "01bb") +
           "x",
       true, "x"},
      by_name);
  run(open, "127.0.0.1", {bytes_of(v4_ok.c_str()), true, ""},
      "050100"
      "05010001"
      "7f000001"
      "01bb");
  run(open, "::1",
      {bytes_of("0500"
                "05000004"
                "00000000000000000000000000000001"
                "01bb"),
       true, ""},
      "050100"
      "05010004"
      "00000000000000000000000000000001"
      "01bb");
  run(login, "127.0.0.1",
      {bytes_of("0502"
                "0100"
                "05000001"
                "7f000001"
                "01bb"),
       true, ""},
      "050102"
      "01"
      "0475736572"
      "027077"
      "05010001"
      "7f000001"
      "01bb");
  for (const char* bad : {"", "05", "05ff", "0400", "0502", "050005050001", "05000500ff017f000001",
                          "0500040000017f00000101bb", "0500050000017f0000"}) {
    run(open, "127.0.0.1", {bytes_of(bad), false, ""}, "");
  }
  run(login, "127.0.0.1", {bytes_of("05020101"), false, ""}, "");
}

TEST(HttpConnect, ReadsNothingBeyondTheAnswer) {
  using test::run_async;
  ProxyConfig proxy;
  const std::string sent =
      to_hex(view("CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"));
  run_async([&] {
    TunnelCase good{"HTTP/1.1 200 OK\r\nX: y\r\n\r\ntls", true, "tls"};
    return tunnel(proxy, "2001:db8::1", good, sent);
  });
  for (const std::string& bad :
       {std::string("HTTP/1.1 502 Bad\r\n\r\n"), std::string("HTTP/1.1 200 OK\r\n"),
        std::string("nonsense\r\n\r\n"), std::string(10'000, 'x')}) {
    run_async([&] { return tunnel(proxy, "h", {bad, false, ""}, ""); });
  }
}

TEST(ParseProxy, BothKindsAndNothingElse) {
  const auto http = parse_proxy("http://us%40er:se%3Acret@proxy.example:3128");
  ASSERT_TRUE(http.has_value());
  EXPECT_EQ(http->kind, ProxyConfig::Kind::http_connect);
  EXPECT_EQ(http->host, "proxy.example");
  EXPECT_EQ(http->port, 3128);
  EXPECT_EQ(http->user, "us@er");
  EXPECT_EQ(http->password, "se:cret");
  EXPECT_EQ(parse_proxy("socks5://[::1]:1080")->host, "::1");
  for (const char* bad :
       {"", "proxy:3128", "https://proxy:3128", "http://proxy", "http://proxy:0",
        "http://proxy:70000", "socks4://proxy:1", "http://proxy:1/path", "http://proxy:1?x"}) {
    EXPECT_FALSE(parse_proxy(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace wab::wire
