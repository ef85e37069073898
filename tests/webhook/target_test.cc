// Which URLs may be targets at all, by scheme, port and the networks that the operator named.
#include "webhook/target.h"

#include <gtest/gtest.h>

#include "tests/support/table.h"

namespace wab::webhook {
namespace {

std::optional<std::string> judge(const TargetRules& rules, const std::string& text) {
  const auto url = wire::parse_url(text);
  if (!url) return "is not a usable URL";
  return rules.refused(*url);
}

TEST(Target, TableOfSchemesPortsAndNetworks) {
  TargetRules plain;
  plain.ports = {443, 8443};
  TargetRules named = plain;
  named.networks = {*Network::parse("10.0.0.0/8"), *Network::parse("127.0.0.1"),
                    *Network::parse("fd00::/8")};
  const struct {
    const char* url;
    const char* plain;  // "" when it may go there
    const char* named;
  } table[] = {
      {"https://example.org/hook", "", ""},
      {"https://example.org:443/", "", ""},
      {"https://example.org:8443/", "", ""},
      {"https://example.org:80/", "must use one of the ports 443, 8443",
       "must use one of the ports 443, 8443"},
      {"https://example.org:22/", "must use one of the ports 443, 8443",
       "must use one of the ports 443, 8443"},
      {"https://example.org:6379/", "must use one of the ports 443, 8443",
       "must use one of the ports 443, 8443"},
      {"https://93.184.216.34/", "", ""},
      {"https://93.184.216.34:9443/", "must use one of the ports 443, 8443",
       "must use one of the ports 443, 8443"},
      {"https://[2606:2800:220:1::1]:25/", "must use one of the ports 443, 8443",
       "must use one of the ports 443, 8443"},
      {"http://example.org/", "must begin with https://", "must begin with https://"},
      {"http://example.org:443/", "must begin with https://", "must begin with https://"},
      {"http://93.184.216.34/", "must begin with https://", "must begin with https://"},
      {"http://10.1.2.3/", "must begin with https://", ""},
      {"http://10.1.2.3:3000/", "must begin with https://", ""},
      {"https://10.1.2.3:3000/", "must use one of the ports 443, 8443", ""},
      {"http://127.0.0.1:9/", "must begin with https://", ""},
      {"http://127.0.0.2:9/", "must begin with https://", "must begin with https://"},
      {"http://localhost:3000/", "must begin with https://", ""},
      {"https://localhost:3000/", "must use one of the ports 443, 8443", ""},
      {"http://[fd00::1]:8080/", "must begin with https://", ""},
      {"http://[::ffff:10.1.2.3]:8080/", "must begin with https://", ""},
      // What a name stands for is not known before it is looked up.
      {"https://inside.example:3000/", "must use one of the ports 443, 8443",
       "must use one of the ports 443, 8443"},
      {"ws://10.1.2.3/", "must begin with https://", "must begin with https://"},
      {"wss://example.org/", "must begin with https://", "must begin with https://"},
  };
  test::Table rows("target rules");
  for (const auto& row : table) {
    rows.row(judge(plain, row.url).value_or("") == row.plain, row.url);
    rows.row(judge(named, row.url).value_or("") == row.named, std::string(row.url) + " named");
  }
}

TEST(Target, AnyPortWhenNoneIsNamed) {
  EXPECT_FALSE(judge(TargetRules(), "https://example.org:9/"));
}

}  // namespace
}  // namespace wab::webhook
