// Reports of browsers about the console's policy: heard, bounded, and never repeated word for word.
#include "bridge/csp_report.h"

#include "bridge/console.h"
#include "tests/bridge/bench.h"
#include "tests/support/log_watcher.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using wab::test::LogWatcher;
using wab::test::Table;

Answer report(Bench& bench, const std::string& body,
              const std::string& type = "application/reports+json",
              const std::string& address = "203.0.113.9") {
  auto request = bench.request("POST", "/v1/csp-reports", "", "", {{"Content-Type", type}});
  request.body = body;
  request.address = address;
  return bench.call(request);
}

json modern(const json& directive, const json& blocked) {
  return json::array({{{"type", "csp-violation"},
                       {"age", 1},
                       {"url", "https://secret.example/#/reset/token"},
                       {"user_agent", "Stranger"},
                       {"body",
                        {{"effectiveDirective", directive},
                         {"blockedURL", blocked},
                         {"sample", "alert('stranger')"}}}}});
}

TEST(CspReport, OnlyOurOwnWordsAreKept) {
  Table table("reports about the policy");
  struct Row {
    json directive, blocked;
    const char *wanted, *what;
  };
  const Row rows[] = {{"script-src-elem", "inline", "script-src-elem", "inline"},
                      {"style-src-attr", "inline", "style-src-attr", "inline"},
                      {"require-trusted-types-for", "trusted-types-sink",
                       "require-trusted-types-for", "trusted-types"},
                      {"script-src", "eval", "script-src", "eval"},
                      {"connect-src", "https://evil.example/?q=secret", "connect-src", "address"},
                      {"img-src", "data", "img-src", "data"},
                      {"img-src", "data:image/png;base64,AAAA", "img-src", "data"},
                      {"script-src 'self' https://x.example", "inline", "script-src", "inline"},
                      {"no-such-directive", "stranger's words", "other", "other"},
                      {"script-src\r\nevent: x", "", "other", "other"},
                      {17, nullptr, "other", "other"},
                      {json::object(), json::array(), "other", "other"}};
  for (const auto& row : rows) {
    const auto found = csp_reports(modern(row.directive, row.blocked));
    const std::vector<CspReport> wanted = {{row.wanted, row.what}};
    table.row(found == wanted, row.directive.dump() + " " + row.blocked.dump());
    if (!row.directive.is_string()) continue;
    const json old = {{"csp-report",
                       {{"document-uri", "https://secret.example/"},
                        {"violated-directive", row.directive},
                        {"blocked-uri", row.blocked}}}};
    table.row(csp_reports(old) == wanted, old.dump());
  }
  for (const json& nothing :
       {json(nullptr), json(1), json("x"), json::object(), json::array(), json::array({1, "x"}),
        json{{"csp-report", 1}}, json::array({{{"type", "deprecation"}, {"body", json::object()}}}),
        json::array({{{"type", "csp-violation"}}})}) {
    table.row(csp_reports(nothing).empty(), nothing.dump());
  }
  json many = json::array();
  for (int i = 0; i < 100; ++i) many.push_back(modern("img-src", "inline")[0]);
  table.row(csp_reports(many).size() == kMostReports, "many at once");
}

TEST(CspReport, IsLoggedWithoutStrangersWordsAndBounded) {
  LogWatcher log;
  Bench bench;
  EXPECT_EQ(report(bench, modern("script-src-elem", "inline").dump()).status, 204);
  ASSERT_TRUE(log.saw("console.policy_refused"));
  EXPECT_NE(log.text().find("script-src-elem"), std::string::npos);
  for (const char* word : {"secret", "stranger", "Stranger", "alert"}) {
    EXPECT_EQ(log.text().find(word), std::string::npos) << word;
  }
  EXPECT_EQ(report(bench, R"({"csp-report":{"violated-directive":"img-src"}})",
                   "application/csp-report; charset=utf-8")
                .status,
            204);
  EXPECT_EQ(report(bench, "[]").status, 204);
  EXPECT_EQ(code_of(report(bench, "[", "application/reports+json")), "invalid_body");
  EXPECT_EQ(code_of(report(bench, "[]", "application/json")), "unsupported_media_type");
  EXPECT_EQ(code_of(report(bench, "[]", "")), "unsupported_media_type");
  EXPECT_EQ(code_of(report(bench, "[\"" + std::string(17000, 'a') + "\"]")), "body_too_large");
  // A flood writes a few lines and is refused then; from many places too.
  auto lines = [&] {
    size_t count = 0;
    for (const auto& line : log.lines()) count += line.find("policy_refused") != std::string::npos;
    return count;
  };
  int heard = 0;
  for (int i = 0; i < 100; ++i) {
    heard += report(bench, modern("img-src", "inline").dump()).status == 204;
  }
  EXPECT_LE(heard, 30);
  EXPECT_LE(lines(), 11u);
  int all = 0;
  for (int i = 0; i < 500; ++i) {
    const auto from = "198.51." + std::to_string(i / 200) + "." + std::to_string(i % 200);
    all += report(bench, modern("img-src", "inline").dump(), "application/reports+json", from)
               .status == 204;
  }
  EXPECT_LE(all, 310);
  EXPECT_LE(lines(), 75u);
}

TEST(CspReport, ThePagesSayWhereAndTheApiDoesNot) {
  Bench bench;
  for (const char* path : {"/", "/pair"}) {
    const auto page = bench.call("GET", path);
    EXPECT_EQ(header_of(page, "Reporting-Endpoints"), R"(csp="/v1/csp-reports")");
    const auto policy = header_of(page, "Content-Security-Policy");
    EXPECT_NE(policy.find("; report-uri /v1/csp-reports; report-to csp"), std::string::npos);
  }
  EXPECT_EQ(header_of(bench.call("GET", "/openapi.json"), "Reporting-Endpoints"), "");
  // Before setup too: the page is there then.
  const auto token = bench.wait(bench.people.prepare_setup());
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(report(bench, "[]").status, 204);
}

}  // namespace
}  // namespace wab::bridge::test
