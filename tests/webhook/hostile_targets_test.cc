// Targets that nobody may reach through us: every one is refused before a connection is made.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <map>

#include "session/wire/tcp_stream.h"
#include "storage/base/shards.h"
#include "tests/support/manual_clock.h"
#include "tests/support/run.h"
#include "tests/support/table.h"
#include "webhook/guard.h"
#include "webhook/http_client.h"

namespace wab::webhook {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using boost::asio::ip::make_address;

// First, last and one in the middle of each special-purpose block.
constexpr const char* kSpecial4[] = {
    "0.0.0.0",         "0.1.2.3",         "0.255.255.255",   "10.0.0.0",        "10.20.30.40",
    "10.255.255.255",  "100.64.0.0",      "100.100.100.200", "100.127.255.255", "127.0.0.1",
    "127.1.2.3",       "127.255.255.255", "169.254.0.1",     "169.254.169.254", "169.254.170.2",
    "172.16.0.1",      "172.20.0.1",      "172.31.255.255",  "192.0.0.1",       "192.0.0.192",
    "192.0.2.1",       "192.31.196.1",    "192.52.193.1",    "192.88.99.1",     "192.168.0.1",
    "192.168.255.255", "192.175.48.1",    "198.18.0.1",      "198.19.255.255",  "198.51.100.7",
    "203.0.113.9",     "224.0.0.1",       "239.255.255.255", "240.0.0.1",       "255.255.255.255"};
constexpr const char* kSpecial6[] = {"::",
                                     "::1",
                                     "::7f00:1",
                                     "::a9fe:a9fe",
                                     "64:ff9b:1::1",
                                     "64:ff9b:1:fffe::a00:1",
                                     "100::1",
                                     "100:0:0:1::1",
                                     "2001::1",
                                     "2001:0:a00:1::1",
                                     "2001:2::1",
                                     "2001:10::1",
                                     "2001:20::1",
                                     "2001:1ff:ffff::1",
                                     "2001:db8::1",
                                     "2001:db8:ffff:ffff::1",
                                     "2002:7f00:1::1",
                                     "2002:a9fe:a9fe::1",
                                     "2002:a00:1::",
                                     "3fff::1",
                                     "3fff:fff::1",
                                     "5f00::1",
                                     "5f00:ffff::1",
                                     "fc00::1",
                                     "fd00:ec2::254",
                                     "fdff::1",
                                     "fe80::1",
                                     "febf::1",
                                     "fec0::1",
                                     "feff::1",
                                     "ff02::1",
                                     "ff0e::1"};

// Texts that are no URL of ours at all: schemes, users, ports, other spellings of an address.
constexpr const char* kTexts[] = {
    "file:///etc/passwd",
    "ftp://example.org/",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stats",
    "ldap://127.0.0.1/",
    "jar:https://example.org!/",
    "javascript:alert(1)",
    "data:text/plain,hello",
    "about:blank",
    "unix:///var/run/docker.sock",
    "ws://127.0.0.1/",
    "wss://10.0.0.1/",
    "//127.0.0.1/",
    "/etc/passwd",
    "127.0.0.1",
    "127.0.0.1:80",
    "https:/127.0.0.1/",
    "https:127.0.0.1",
    "https://",
    "https:///path",
    "https://?q",
    "https://#f",
    "https://user@example.org/",
    "https://user:pass@example.org/",
    "https://example.org@127.0.0.1/",
    "https://127.0.0.1@example.org/",
    "https://example.org:443@127.0.0.1/",
    "https://@127.0.0.1/",
    "https://:@127.0.0.1/",
    "https://example.org\\@127.0.0.1/",
    "https://127.0.0.1\\.example.org/",
    "https://example.org#@127.0.0.1/",
    "https://example.org/#fragment",
    "https://example.org:0/",
    "https://example.org:65536/",
    "https://example.org:99999/",
    "https://example.org:-1/",
    "https://example.org:+443/",
    "https://example.org:0x1bb/",
    "https://example.org:443:443/",
    "https://example.org:4 43/",
    "https://example.org:https/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0X7F000001/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0177.0.0.1/",
    "https://0177.0.0.01/",
    "https://0x7f.0.0.1/",
    "https://0x7f.1/",
    "https://127.0x1/",
    "https://127.0.0.0x1/",
    "https://127.0.0.1./",
    "https://127.0.0.1.",
    "https://0000127.0.0.1/",
    "https://127.00.00.01/",
    "https://127.0.0.256/",
    "https://256.0.0.1/",
    "https://1.2.3.4.5/",
    "https://0/",
    "https://0.0/",
    "https://1/",
    "https://00000000/",
    "https://4294967296/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://0xa9.0xfe.0xa9.0xfe/",
    "https://169.254.43518/",
    "https://169.16689662/",
    "https://167772161/",
    "https://0x0a000001/",
    "https://012.0.0.1/",
    "https://10.1/",
    "https://%31%32%37.0.0.1/",
    "https://127.0.0.1%00.example.org/",
    "https://127.0.0.1%2f.example.org/",
    "https://127.0.0.1%20/",
    "https://exa%6dple.org%00/",
    "https://ex ample.org/",
    "https://example.org\t/",
    "https://example.org\r\nhost: 127.0.0.1/",
    "https://example.org\n/",
    " https://example.org/",
    "https://example..org/",
    "https://.example.org/",
    "https://-/\x01",
    "https://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/",  // circled digits
    "https://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/",  // full-width digits
    "https://127\xe3\x80\x82"
    "0\xe3\x80\x82"
    "0\xe3\x80\x82"
    "1/",  // ideographic full stops
    "https://127\xef\xbd\xa1"
    "0\xef\xbd\xa1"
    "0\xef\xbd\xa1"
    "1/",
    "https://l\xc3\xb6"
    "calhost/",
    "https://\xd0\xb5xample.org/",  // Cyrillic e
    "https://ex\xd0\xb0mple.org/",
    "https://\xe2\x93\x94xample.org/",
    "https://loc\xce\xb1lhost/",
    "https://example\xc2\xad.org/",                // soft hyphen
    "https://example\xe2\x80\x8b.org/",            // zero width space
    "https://example.org\xef\xbc\x8f@127.0.0.1/",  // full-width slash
    "https://[::1/",
    "https://::1/",
    "https://[::1]x/",
    "https://[127.0.0.1]/",
    "https://[::ffff:127.0.0.1",
    "https://[v1.fe80::1]/",
    "https://[1:2:3:4:5:6:7:8:9]/",
    "https://[:::1]/",
    "https://[fe80::1%25eth0]:99999/",
    "https://[::1]:0/"};

// Names, and what a resolver that is not ours says about them.
struct Name {
  const char* host;
  std::vector<const char*> answers;
};

class HostileTargets : public testing::Test {
 public:
  boost::asio::io_context loop{1};
  BlockingPool pool{"lookup", 1, 64};
  std::map<std::string, std::vector<const char*>> names;
  size_t lookups = 0;
  wire::Dialer dialer{pool, *wire::TlsContext::client(), [this](const std::string& host) {
                        ++lookups;
                        wire::Dialer::Addresses out;
                        const auto found = names.find(host);
                        if (found == names.end()) return out;
                        for (const char* text : found->second) out.push_back(make_address(text));
                        return out;
                      }};
  Guard guard{{}};
  wire::AddressJudge judge = [this](const address& one) { return guard.allows(one); };
  std::unique_ptr<HttpClient> client;
  test::SeededRandom random;
  OrgId org = OrgId::random(random);
  // Listens where the hostile ones would like to go.
  std::unique_ptr<wire::Acceptor> victim =
      *wire::Acceptor::listen(loop, wire::Endpoint{make_address("127.0.0.1"), 0});
  size_t accepted = 0;

  awaitable<void> count_accepts() {
    for (;;) {
      auto stream = co_await victim->accept();
      if (!stream) co_return;
      ++accepted;
    }
  }
  // True when it was refused without a dial.
  awaitable<bool> refused(std::string text) {
    auto url = wire::parse_url(text);
    if (!url) co_return true;
    if (url->scheme != "http" && url->scheme != "https") co_return true;
    const size_t before = client->dials();
    Post post;
    post.org = org;
    post.url = std::move(*url);
    post.timeout = 2000ms;
    const Exchanges answer = co_await client->post(std::move(post));
    const bool guarded = answer.size() == 1 && answer[0].error &&
                         (answer[0].error->is(wire::WireError::not_allowed) ||
                          answer[0].error->is(wire::WireError::resolve));
    co_return guarded && client->dials() == before;
  }

  awaitable<void> all() {
    spawn(loop.get_executor(), count_accepts(), "test.accept");
    test::Table table("hostile targets");
    std::vector<std::string> targets(std::begin(kTexts), std::end(kTexts));
    const std::string port = std::to_string(victim->port());
    for (const char* v4 : kSpecial4) {
      targets.push_back("https://" + std::string(v4) + "/");
      targets.push_back("http://" + std::string(v4) + ":" + port + "/");
      targets.push_back("https://[::ffff:" + std::string(v4) + "]:" + port + "/");
      targets.push_back("https://[64:ff9b::" + std::string(v4) + "]/");
    }
    for (const char* v6 : kSpecial6) {
      targets.push_back("https://[" + std::string(v6) + "]:" + port + "/");
    }
    // Resolver answers: private, mixed with a public one in either order, spelled inside IPv6,
    // behind an alias, and a private one among a thousand.
    const std::vector<std::pair<std::string, std::vector<const char*>>> answers = {
        {"localhost", {"127.0.0.1"}},
        {"localhost.localdomain", {"127.0.0.1", "::1"}},
        {"metadata.google.internal", {"169.254.169.254"}},
        {"instance-data", {"169.254.169.254"}},
        {"kubernetes.default.svc", {"10.96.0.1"}},
        {"127.0.0.1.nip.io", {"127.0.0.1"}},
        {"loopback.example", {"127.8.8.8"}},
        {"unspecified.example", {"0.0.0.0"}},
        {"unspecified6.example", {"::"}},
        {"mixed-first.example", {"10.0.0.1", "93.184.216.34"}},
        {"mixed-last.example", {"93.184.216.34", "10.0.0.1"}},
        {"mixed-families.example", {"93.184.216.34", "fd00::1"}},
        {"mixed-mapped.example", {"93.184.216.34", "::ffff:127.0.0.1"}},
        {"mixed-nat64.example", {"2606:2800:220:1::1", "64:ff9b::a9fe:a9fe"}},
        {"mixed-6to4.example", {"93.184.216.34", "2002:7f00:1::1"}},
        {"mixed-teredo.example", {"93.184.216.34", "2001:0:7f00:1::1"}},
        {"mixed-multicast.example", {"93.184.216.34", "224.0.0.251"}},
        {"mixed-broadcast.example", {"93.184.216.34", "255.255.255.255"}},
        {"alias-to-internal.example", {"192.168.1.10"}},
        {"alias-to-carrier.example", {"100.64.1.1"}},
        {"alias-to-benchmark.example", {"198.18.5.5"}},
        {"alias-to-documentation.example", {"203.0.113.80"}},
        {"link-local.example", {"fe80::1"}},
        {"site-local.example", {"fec0::1"}},
        {"unique-local.example", {"fc00::53"}},
        {"compatible.example", {"::7f00:1"}},
        {"nothing.example", {}}};
    for (const auto& [host, list] : answers) {
      names[host] = list;
      targets.push_back("https://" + host + "/hook");
      targets.push_back("http://" + host + ":" + port + "/");
    }
    names["thousand.example"] = std::vector<const char*>(1000, "93.184.216.34");
    names["thousand.example"][997] = "10.1.2.3";
    targets.push_back("https://thousand.example/");
    targets.push_back("https://LOCALHOST/");
    targets.push_back("https://LocalHost./");
    for (const auto& target : targets) {
      const bool held = co_await refused(target);
      table.row(held, target);
    }
    EXPECT_GE(table.rows(), 300u);
    EXPECT_EQ(client->dials(), 0u);
    EXPECT_EQ(accepted, 0u);
    client->close_idle();
    victim->close();
  }

  // A server that points elsewhere: nobody goes there.
  awaitable<void> serve() {
    for (;;) {
      auto stream = co_await server->accept();
      if (!stream) co_return;
      std::unique_ptr<wire::ByteStream> one = std::move(*stream);
      spawn(loop.get_executor(), serve_one(std::move(one)), "test.connection");
    }
  }
  awaitable<void> serve_one(std::unique_ptr<wire::ByteStream> stream) {
    wire::HttpServerConnection connection(std::move(stream));
    do {
      auto request = co_await connection.read_request(test::soon(), test::soon());
      if (!request || !*request) co_return;
      wire::HttpResponse response;
      response.status = redirect_status;
      response.headers.set("location", redirect_to);
      auto written = co_await connection.write_response(std::move(response), test::soon());
      if (!written) co_return;
    } while (connection.keep_alive());
  }
  awaitable<void> redirects() {
    spawn(loop.get_executor(), count_accepts(), "test.accept");
    spawn(loop.get_executor(), serve(), "test.serve");
    test::Table table("redirects of receivers");
    const std::string port = std::to_string(victim->port());
    const std::string places[] = {
        "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:" + port + "/",
        "http://metadata.google.internal/",         "//127.0.0.1:" + port + "/",
        "gopher://127.0.0.1:" + port + "/",         "/elsewhere"};
    names["receiver.example"] = {"127.0.0.1"};
    for (const int status : {301, 302, 303, 307, 308}) {
      for (const auto& place : places) {
        redirect_status = status;
        redirect_to = place;
        Post post;
        post.org = org;
        post.url = *wire::parse_url("http://receiver.example:" + std::to_string(server->port()));
        const Exchanges answer = co_await client->post(std::move(post));
        table.row(answer.size() == 1 && answer[0].status == status && accepted == 0,
                  std::to_string(status) + " " + place);
      }
    }
    EXPECT_EQ(client->dials(), 1u) << "one connection to the receiver, kept";
    EXPECT_EQ(lookups, 1u) << "the name is not asked again while its answer is believed";
    client->close_idle();
    server->close();
    victim->close();
  }
  std::unique_ptr<wire::Acceptor> server =
      *wire::Acceptor::listen(loop, wire::Endpoint{make_address("127.0.0.1"), 0});
  int redirect_status = 301;
  std::string redirect_to;

  // One exchange with the receiver by its name; true when it went over a kept connection.
  awaitable<bool> ask(OrgId who) {
    Post post;
    post.org = who;
    post.url = *wire::parse_url("http://receiver.example:" + std::to_string(server->port()));
    const Exchanges answer = co_await client->post(std::move(post));
    EXPECT_EQ(answer.size(), 1u);
    EXPECT_FALSE(answer[0].error);
    co_return answer[0].reused;
  }
  awaitable<void> aging() {
    spawn(loop.get_executor(), serve(), "test.serve");
    names["receiver.example"] = {"127.0.0.1"};
    redirect_status = 204;
    bool reused = co_await ask(org);
    EXPECT_FALSE(reused);
    now += 10s;
    reused = co_await ask(org);
    EXPECT_TRUE(reused) << "ten seconds old";
    EXPECT_EQ(lookups, 1u);
    now += 10s;
    reused = co_await ask(org);
    EXPECT_TRUE(reused);
    EXPECT_EQ(lookups, 2u) << "an answer is believed for fifteen seconds";
    // Another organization, the same receiver.
    reused = co_await ask(OrgId::random(random));
    EXPECT_FALSE(reused);
    EXPECT_EQ(client->dials(), 2u);
    // However often it was used: 45 seconds after it was made it is gone.
    now += 24s;
    reused = co_await ask(org);
    EXPECT_TRUE(reused);
    now += 1s;
    reused = co_await ask(org);
    EXPECT_FALSE(reused);
    EXPECT_EQ(client->dials(), 3u);
    // The name moves: nothing kept for its old address is used for the new one, which is judged.
    names["receiver.example"] = {"127.0.0.3"};
    now += 15s;
    Post post;
    post.org = org;
    post.url = *wire::parse_url("http://receiver.example:" + std::to_string(server->port()));
    const Exchanges moved = co_await client->post(std::move(post));
    EXPECT_TRUE(moved[0].error && moved[0].error->is(wire::WireError::not_allowed));
    EXPECT_EQ(client->dials(), 3u);
    client->close_idle();
    server->close();
    victim->close();
  }
  HttpClient::Time now = std::chrono::steady_clock::now();

  // The resolver changes its mind between two questions: only the first answer is judged, and only
  // that one is dialled.
  awaitable<void> rebinding() {
    spawn(loop.get_executor(), count_accepts(), "test.accept");
    names["rebinding.example"] = {"127.0.0.2"};
    const std::string port = std::to_string(victim->port());
    Post post;
    post.org = org;
    post.url = *wire::parse_url("http://rebinding.example:" + port + "/");
    post.timeout = 2000ms;
    Post again = post;
    const Exchanges first = co_await client->post(std::move(post));
    EXPECT_TRUE(first[0].error);
    names["rebinding.example"] = {"127.0.0.1"};
    const Exchanges second = co_await client->post(std::move(again));
    EXPECT_TRUE(second[0].error);
    EXPECT_EQ(lookups, 1u);
    EXPECT_EQ(accepted, 0u);
    victim->close();
  }
};

TEST_F(HostileTargets, AreRefusedWithoutAConnection) {
  client = std::make_unique<HttpClient>(dialer, judge);
  test::run_on(loop, [this] { return all(); });
}

TEST_F(HostileTargets, RedirectsAreNotFollowed) {
  guard = Guard({*Network::parse("127.0.0.1")});
  client = std::make_unique<HttpClient>(dialer, judge);
  test::run_on(loop, [this] { return redirects(); });
}

TEST_F(HostileTargets, ConnectionsBelongToAnOrganizationAndAnAddressAndDieWithinAMinute) {
  guard = Guard({*Network::parse("127.0.0.1")});
  client = std::make_unique<HttpClient>(dialer, judge, Egress(), [this] { return now; });
  test::run_on(loop, [this] { return aging(); });
}

TEST_F(HostileTargets, ARebindingResolverReachesNothing) {
  guard = Guard({*Network::parse("127.0.0.2")});
  client = std::make_unique<HttpClient>(dialer, judge);
  test::run_on(loop, [this] { return rebinding(); });
}

TEST(Guard, OwnAddressesAreNobodysServer) {
  const auto own = make_address("93.184.216.34");
  EXPECT_TRUE(Guard({}).allows(own));
  EXPECT_FALSE(Guard({}, {own}).allows(own));
  EXPECT_TRUE(Guard({*Network::parse("93.184.216.0/24")}, {own}).allows(own))
      << "the operator says";
  bool loopback = false;
  for (const auto& one : own_addresses()) loopback |= one.is_loopback();
  EXPECT_TRUE(loopback);
}

}  // namespace
}  // namespace wab::webhook
