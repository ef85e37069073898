// The file that names a contact: its fields, and that nothing of a request gets into it.
#include "bridge/security_txt.h"

#include <sstream>

#include "tests/bridge/bench.h"

namespace wab::bridge::test {
namespace {

// 2026-11-24T10:00:00Z
constexpr UnixMillis kNow = 1'795'514'400'000;

std::multimap<std::string, std::string> fields_of(const std::string& text) {
  std::multimap<std::string, std::string> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(line.ends_with('\r')) << line;
    line.pop_back();
    const auto colon = line.find(": ");
    EXPECT_NE(colon, std::string::npos) << line;
    out.emplace(line.substr(0, colon), line.substr(colon + 2));
  }
  return out;
}

TEST(SecurityTxt, NamesTheConfiguredContact) {
  auto config = default_config();
  config.http.public_url = "https://bridge.example.org/";
  config.http.security_contact = "https://example.org/report";
  const std::multimap<std::string, std::string> wanted = {
      {"Contact", "https://example.org/report"},
      {"Expires", "2027-05-23T00:00:00.000Z"},
      {"Canonical", "https://bridge.example.org/.well-known/security.txt"},
      {"Preferred-Languages", "en, ar"}};
  EXPECT_EQ(fields_of(security_txt(config, kNow)), wanted);
}

TEST(SecurityTxt, FallsBackToTheMailboxOfTheHost) {
  auto config = default_config();
  EXPECT_EQ(security_contact(config), "mailto:security@localhost");
  EXPECT_EQ(fields_of(security_txt(config, kNow)).count("Canonical"), 0u);
  config.http.public_url = "https://bridge.example.org:8443";
  EXPECT_EQ(security_contact(config), "mailto:security@bridge.example.org");
  config.http.public_url = "https://192.0.2.1";
  EXPECT_EQ(security_contact(config), "mailto:security@localhost");
}

TEST(SecurityTxt, ExpiresInMoreThanAMonthAndLessThanAYear) {
  for (UnixMillis now = kNow; now < kNow + 40LL * 86'400'000; now += 7'654'321) {
    const auto at = fields_of(security_txt(default_config(), now)).find("Expires")->second;
    EXPECT_GT(at, to_iso8601(now + 30LL * 86'400'000));
    EXPECT_LT(at, to_iso8601(now + 364LL * 86'400'000));
  }
}

TEST(SecurityTxt, OnlyAddressesOfContactsAreAccepted) {
  const auto none = [](const std::string&) { return std::nullopt; };
  for (const char* good : {"https://example.org/a", "mailto:a@example.org", "tel:+1-555-0100"}) {
    EXPECT_TRUE(parse_config(std::string("[http]\nsecurity_contact = \"") + good + "\"", none));
  }
  for (const char* bad : {"a@example.org", "http://example.org", "javascript:alert(1)",
                          "mailto:a@example.org\\r\\nContact: mailto:b@example.org"}) {
    const auto config =
        parse_config(std::string("[http]\nsecurity_contact = \"") + bad + "\"", none);
    ASSERT_FALSE(config.has_value()) << bad;
    EXPECT_NE(config.error().find("http.security_contact"), std::string::npos);
  }
}

TEST(SecurityTxt, IsServedToEverybodyAndReflectsNothing) {
  Bench bench;
  bench.operator_token();
  bench.tenant("A");
  const auto answer = bench.call("GET", "/.well-known/security.txt", "", "",
                                 Headers{{"Host", "evil.example"}, {"Referer", "x"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(answer.body, security_txt(bench.config, bench.clock.now_ms()));
  EXPECT_EQ(answer.body.find("evil"), std::string::npos);
  for (const auto& [name, value] : security_headers()) EXPECT_EQ(header_of(answer, name), value);
  EXPECT_EQ(code_of(bench.call("POST", "/.well-known/security.txt")), "method_not_allowed");
}

}  // namespace
}  // namespace wab::bridge::test
