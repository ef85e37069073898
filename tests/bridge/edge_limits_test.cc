// Every limit of the edge: at the limit passes, one above is refused. Times are short here; that
// the ones in use are those of the design is a test of its own.
#include <unistd.h>

#include <fstream>

#include "tests/bridge/loopback.h"
#include "tests/support/caller.h"
#include "tests/support/table.h"
#include "tests/support/test_certs.h"

namespace wab::bridge::test {
namespace {

using namespace std::chrono_literals;
using wab::test::Table;

TEST(EdgeLimits, TimesInUseAreThoseOfTheDesign) {
  const Patience patience;
  const wire::HttpLimits http;
  Table table("limits in use");
  table.row(patience.handshake == 5s, "TLS handshake 5 s");
  table.row(patience.head == 10s && http.head_time == 10s, "header 10 s");
  table.row(patience.idle == 30s, "idle 30 s");
  table.row(patience.body_grace == 5s && http.body_grace == 5s, "body after 5 s");
  table.row(patience.body_bytes_per_second == 1024 && http.body_bytes_per_second == 1024,
            "body 1 KiB/s");
  table.row(patience.requests == 1000, "1000 requests per connection");
  table.row(http.header_bytes == 16 * 1024, "header 16 KiB");
  table.row(http.fields == 100, "100 fields");
  table.row(http.target_bytes == 8 * 1024, "target 8 KiB");
  table.row(http.body_bytes == 1024 * 1024, "body 1 MiB");
  const auto config = default_config();
  table.row(config.limits.connections == 4096, "4096 connections");
  table.row(config.limits.connections_per_address == 64, "64 connections of an address");
}

Patience short_patience() {
  Patience patience;
  patience.handshake = 40ms;
  patience.idle = 40ms;
  patience.head = 40ms;
  patience.body_grace = 40ms;
  patience.linger = 40ms;
  patience.over_limit = 1ms;
  patience.requests = 3;
  return patience;
}

class FewConnections : public Loopback {
 protected:
  static Config few() {
    Config config = default_config();
    config.limits.address_per_minute = 8;
    return config;
  }
  FewConnections() : Loopback(few()) {}
};

TEST_F(FewConnections, AFloodIsNotEvenAnsweredWhileTheNextAddressIs) {
  const wire::Endpoint to{boost::asio::ip::make_address("127.0.0.1"), listener->port()};
  // Both shards have to learn it: which one takes a connection is the kernel's choice.
  int answered = 0;
  while (answered < 200 && wab::test::Caller("127.6.0.1", to).connects(200)) ++answered;
  EXPECT_GE(answered, 16);
  EXPECT_LT(answered, 200);
  EXPECT_TRUE(wab::test::Caller("127.6.0.2", to).connects());
}

class ShortPatience : public Loopback {
 protected:
  ShortPatience() : Loopback(default_config(), short_patience()) {}
  std::string ask(const std::string& fields = "") {
    return "GET /openapi.json HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
  }
};

size_t answers_in(const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find("HTTP/1.1 "); at != std::string::npos;
       at = text.find("HTTP/1.1 ", at + 1)) {
    ++count;
  }
  return count;
}

// Each of these returns only because the service closed: raw() reads until then.
TEST_F(ShortPatience, EndsWhatIsTooSlow) {
  Table table("limits of time");
  const auto silent = raw("");
  table.row(silent.empty(), "a silent connection is closed without an answer: " + silent);

  const auto idle = raw(ask());
  table.row(answers_in(idle) == 1 && idle.starts_with("HTTP/1.1 200"), "idle after a request");

  const auto head = raw("GET /openapi.json HTTP/1.1\r\nHost: x\r\nX-Slow");
  table.row(head.starts_with("HTTP/1.1 408") && head.find("request_timeout") != std::string::npos,
            "a head that stops: " + head.substr(0, 80));

  const auto body =
      raw("POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
          "Content-Length: 5000\r\n\r\n{\"email\":");
  table.row(body.starts_with("HTTP/1.1 408"), "a body that stops: " + body.substr(0, 80));

  const auto chunks =
      raw("POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
          "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"ema\r\n");
  table.row(chunks.starts_with("HTTP/1.1 408"), "chunks that stop: " + chunks.substr(0, 80));

  const auto many = raw(ask() + ask() + ask() + ask());
  table.row(answers_in(many) == 3, "three requests per connection");
  const size_t last = many.rfind("HTTP/1.1 ");
  table.row(many.find("connection: close", last) != std::string::npos, "the last one says so");
  table.row(many.find("connection: close") > last, "and only the last one");
}

class TlsPatience : public Loopback {
 protected:
  static Config with_certificate() {
    const wab::test::TestCa ca;
    const auto issued = ca.issue();
    const std::string base = ::testing::TempDir() + "edge_limits_" + std::to_string(::getpid());
    std::ofstream(base + ".pem") << issued.chain_pem;
    std::ofstream(base + ".key") << issued.key_pem;
    auto config = default_config();
    config.http.tls_certificate = base + ".pem";
    config.http.tls_key = base + ".key";
    return config;
  }
  TlsPatience() : Loopback(with_certificate(), short_patience()) {}
};

TEST_F(TlsPatience, AHandshakeHasItsTime) {
  Table table("limits of the handshake");
  table.row(raw("").empty(), "silence");
  // The beginning of a ClientHello, and no more.
  table.row(raw(std::string("\x16\x03\x01\x02\x00\x01", 6)).find("HTTP") == std::string::npos,
            "half a ClientHello");
}

// ---- Rates, by a clock that is moved by hand -------------------------------------------------

struct Rates {
  static Config config() {
    auto out = default_config();
    out.limits.token_per_minute = 50;
    out.limits.organization_per_minute = 80;
    out.limits.address_per_minute = 300;
    out.limits.login_per_minute = 5;
    return out;
  }
};

Answer from(Bench& bench, const std::string& address, const std::string& token,
            const std::string& method = "GET", const std::string& path = "/v1/sessions",
            const std::string& body = "") {
  auto request = Bench::request(method, path, body, token);
  request.address = address;
  return bench.call(request);
}

TEST(EdgeLimits, RatesPerTokenOrganizationAddressAndIdentifier) {
  Table table("limits by the clock");
  Bench bench(Rates::config());
  const auto a = bench.tenant("A"), b = bench.tenant("B");
  bench.clock.advance(1min);
  auto refused_well = [&](const Answer& answer, const std::string& policy) {
    const bool states =
        policy.empty() ||
        (header_of(answer, "RateLimit-Policy").find("\"" + policy + "\";q=") != std::string::npos &&
         header_of(answer, "RateLimit").find("\"" + policy + "\";r=0;t=") != std::string::npos);
    return answer.status == 429 && code_of(answer) == "rate_limited" && states &&
           std::atoi(header_of(answer, "Retry-After").c_str()) > 0;
  };
  auto passes = [&](int count, auto call) {
    for (int i = 0; i < count; ++i) {
      const Answer answer = call(i);
      if (answer.status == 429) return false;
    }
    return true;
  };

  table.row(passes(50, [&](int) { return from(bench, "192.0.2.1", a.owner); }), "token: 50 pass");
  table.row(refused_well(from(bench, "192.0.2.1", a.owner), "token"), "token: the next does not");
  table.row(from(bench, "192.0.2.1", b.owner).status == 200, "token: another one passes");

  const auto second = bench.token(bench.issuer.organization(*OrgId::parse(a.org)), Role::owner);
  table.row(passes(30, [&](int) { return from(bench, "192.0.2.2", second); }),
            "organization: its other token has the rest");
  table.row(refused_well(from(bench, "192.0.2.2", second), "org"), "organization: then it has not");
  bench.clock.advance(1min);
  table.row(from(bench, "192.0.2.1", a.owner).status == 200, "both come back with time");

  auto nothing = [&](const std::string& address) {
    return from(bench, address, "", "GET", "/v1/nothing");
  };
  table.row(passes(300, [&](int) { return nothing("198.51.100.7"); }), "address: 300 pass");
  table.row(refused_well(nothing("198.51.100.7"), "address"), "address: the next does not");
  table.row(nothing("198.51.100.8").status == 404, "address: its neighbour passes");
  table.row(passes(300, [&](int i) { return nothing("2001:db8:1:1::" + std::to_string(i + 1)); }),
            "/64: 300 of its addresses pass");
  table.row(refused_well(nothing("2001:db8:1:1:ffff::1"), "address"), "/64: another one does not");
  table.row(nothing("2001:db8:1:2::1").status == 404, "/64: the next network passes");
  table.row(passes(1, [&](int) { return nothing("::ffff:198.51.100.9"); }) &&
                header_of(nothing("198.51.100.9"), "RateLimit").find("r=298") != std::string::npos,
            "mapped IPv4 counts as IPv4");

  auto login = [&](const std::string& address, const std::string& email) {
    const auto body = json{{"email", email}, {"password", "wrong"}}.dump();
    return from(bench, address, "", "POST", "/v1/login", body);
  };
  table.row(passes(5, [&](int i) { return login("203.0.113." + std::to_string(i), "a@x.org"); }),
            "sign-in: 5 a minute per identifier");
  table.row(refused_well(login("203.0.113.99", "a@x.org"), ""), "sign-in: the sixth is refused");
  table.row(login("203.0.113.99", "b@x.org").status == 401, "sign-in: another identifier is not");
  table.row(passes(30, [&](int i) { return login("203.0.113.200", std::to_string(i) + "@y.org"); }),
            "sign-in: 30 a minute per address");
  table.row(refused_well(login("203.0.113.200", "z@y.org"), ""), "sign-in: the 31st is refused");
  int hour = 5;
  for (int minute = 0; minute < 10; ++minute) {
    bench.clock.advance(1min);
    for (int i = 0; i < 5; ++i) {
      if (login("203.0.113." + std::to_string(10 * minute + i), "a@x.org").status != 429) ++hour;
    }
  }
  table.row(hour >= 20 && hour <= 24,
            "sign-in: 20 an hour, and what comes back in ten minutes: " + std::to_string(hour));
}

}  // namespace
}  // namespace wab::bridge::test
