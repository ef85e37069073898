#include "session/wire/url.h"

#include <gtest/gtest.h>

namespace wab::wire {
namespace {

TEST(Url, TakesTheFourSchemesApart) {
  const auto url = parse_url("HTTPS://Example.ORG/a/b?c=d%20e");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "example.org");
  EXPECT_EQ(url->port, 443);
  EXPECT_EQ(url->target, "/a/b?c=d%20e");
  EXPECT_TRUE(url->tls());
  EXPECT_EQ(url->authority(), "example.org");
  EXPECT_EQ(url->text(), "https://example.org/a/b?c=d%20e");
  EXPECT_FALSE(url->host_is_address());

  EXPECT_EQ(parse_url("ws://h")->target, "/");
  EXPECT_EQ(parse_url("ws://h")->port, 80);
  EXPECT_EQ(parse_url("ws://h?q")->target, "/?q");
  EXPECT_EQ(parse_url("wss://h:8443/ws/chat")->authority(), "h:8443");
  EXPECT_EQ(parse_url("http://example.org./x")->host, "example.org");
}

TEST(Url, AddressesAreCanonical) {
  const auto url = parse_url("http://[2001:DB8:0:0::1]:8080/");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->host, "2001:db8::1");
  EXPECT_EQ(url->authority(), "[2001:db8::1]:8080");
  EXPECT_TRUE(url->host_is_address());
  EXPECT_TRUE(parse_url("http://127.0.0.1:1/")->host_is_address());
}

TEST(Url, RefusesWhatHasTwoReadings) {
  for (const char* bad : {"",
                          "example.org",
                          "//example.org/",
                          "ftp://example.org/",
                          "file:///etc/passwd",
                          "https://user@example.org/",
                          "https://user:pw@example.org/",
                          "https://@example.org/",
                          "https://example.org/#frag",
                          "https:///path",
                          "https://exa mple.org/",
                          "https://example.org:0/",
                          "https://example.org:99999/",
                          "https://example.org:x/",
                          "https://ex%61mple.org/",
                          "https://b\xc3\xbc"
                          "cher.example/",
                          "https://a..b/",
                          "https://[::1/",
                          "https://[v1.a]/",
                          "http://2130706433/",
                          "http://1.2.3.4.5/",
                          "http://0x7f.1/",
                          "http://127.1/",
                          "http://0177.0.0.1.1/",
                          "https://example.org/\r\nX: y",
                          "https:example"}) {
    EXPECT_FALSE(parse_url(bad).has_value()) << bad;
  }
  EXPECT_FALSE(parse_url("http://h/" + std::string(9000, 'a')).has_value());
}

}  // namespace
}  // namespace wab::wire
