// The console's static files: who gets them, with which headers, and the numbers of the overview.
#include "bridge/console.h"

#include "tests/bridge/bench.h"

namespace wab::bridge::test {
namespace {

TEST(Console, PagesComeBeforeSetupAndNothingElseDoes) {
  Bench bench;
  const auto token = bench.wait(bench.people.prepare_setup());
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(bench.call("GET", "/").status, 200);
  EXPECT_EQ(bench.call("GET", "/pair").status, 200);
  EXPECT_EQ(bench.call("GET", "/console/" + console_version() + "/app.js").status, 200);
  EXPECT_EQ(code_of(bench.call("GET", "/v1/pairing", "", "", {{"Sec-Fetch-Site", "same-origin"}})),
            "setup_required");
  EXPECT_EQ(code_of(bench.call("GET", "/v1/sessions")), "setup_required");
}

TEST(Console, EveryFileHasItsTypeAndThePagesPolicy) {
  Bench bench;
  ASSERT_GT(console_sources().size(), 20u);
  for (const auto& source : console_sources()) {
    const std::string name(source.name);
    const bool page = name.ends_with(".html");
    const std::string path = name == "index.html"  ? "/"
                             : name == "pair.html" ? "/pair"
                                                   : "/console/" + console_version() + "/" + name;
    const auto answer = bench.call("GET", path);
    ASSERT_EQ(answer.status, 200) << path;
    EXPECT_EQ(header_of(answer, "Content-Security-Policy"), kConsolePolicy);
    EXPECT_EQ(header_of(answer, "Cross-Origin-Embedder-Policy"), "require-corp");
    EXPECT_EQ(header_of(answer, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(header_of(answer, "Cache-Control"),
              page ? "no-cache" : "public, max-age=31536000, immutable");
    int policies = 0;
    for (const auto& [key, value] : answer.headers) policies += key == "Content-Security-Policy";
    EXPECT_EQ(policies, 1);
    EXPECT_EQ(answer.body.find("{{"), page ? std::string::npos : answer.body.find("{{"));
    const auto again =
        bench.call("GET", path, "", "", {{"If-None-Match", header_of(answer, "ETag")}});
    EXPECT_EQ(again.status, 304);
    EXPECT_TRUE(again.body.empty());
  }
}

TEST(Console, NoScriptOrStyleStandsInAPage) {
  for (const auto& source : console_sources()) {
    if (!source.name.ends_with(".html")) continue;
    const auto* file = console_file(source.name);
    EXPECT_EQ(file->text.find("style="), std::string::npos);
    EXPECT_EQ(file->text.find("<style"), std::string::npos);
    EXPECT_EQ(file->text.find(" on"), file->text.find(" only"));
    EXPECT_NE(file->text.find("integrity=\"sha384-"), std::string::npos);
    EXPECT_NE(file->text.find("></script>"), std::string::npos);
  }
}

TEST(Console, UnknownAddressesStayUnknown) {
  Bench bench;
  for (const std::string path :
       {"/index.html", "/console", "/console/", "/console/0000000000000000/app.js", "/pair/",
        "/favicon.ico", "/console/../app.js"}) {
    const auto answer = bench.call("GET", path);
    EXPECT_EQ(code_of(answer), "not_found") << path;
    EXPECT_EQ(header_of(answer, "Content-Security-Policy").find("script-src"), std::string::npos);
  }
  const std::string own = "/console/" + console_version() + "/";
  EXPECT_EQ(bench.call("GET", own + "nothing.js").status, 404);
  EXPECT_EQ(bench.call("GET", own + "index.html").status, 404);
  EXPECT_EQ(bench.call("POST", "/").status, 405);
}

TEST(Console, AnotherSiteMayOpenItButNotReadIt) {
  Bench bench;
  const Headers embeds = {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "no-cors"}};
  EXPECT_EQ(code_of(bench.call("GET", "/", "", "", embeds)), "cross_site");
  const Headers follows = {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "navigate"}};
  EXPECT_EQ(bench.call("GET", "/", "", "", follows).status, 200);
}

TEST(Overview, CountsWhatTheCallerMaySee) {
  Bench bench;
  const auto a = bench.tenant("A");
  const auto b = bench.tenant("B");
  const auto session = *SessionId::parse(a.session);
  for (uint64_t i = 1; i <= 3; ++i) bench.add_event(a.org, session, i, "{}");
  bench.sessions.show(session, session::Status::working, std::nullopt);
  auto shown = json::parse(bench.call("GET", "/v1/overview", "", a.owner).body);
  EXPECT_EQ(shown["sessions"]["total"], 1);
  EXPECT_EQ(shown["sessions"]["by_status"][0]["status"], "WORKING");
  EXPECT_EQ(shown["webhooks"]["enabled"], 1);
  EXPECT_EQ(shown["events"]["steps"].size(), 24u);
  EXPECT_TRUE(shown["events"]["complete"]);
  const auto minted =
      bench.call("POST", "/v1/tokens",
                 R"({"name":"few","role":"viewer","scopes":["sessions:read"]})", a.owner);
  const std::string few = json::parse(minted.body)["token"];
  shown = json::parse(bench.call("GET", "/v1/overview", "", few).body);
  EXPECT_TRUE(shown["events"].is_null());
  EXPECT_TRUE(shown["webhooks"].is_null());
  shown = json::parse(bench.call("GET", "/v1/overview", "", b.owner).body);
  EXPECT_EQ(shown["sessions"]["total"], 1);
  EXPECT_EQ(bench.call("GET", "/v1/overview", "", bench.operator_token()).status, 403);
  // A token of some sessions is told nothing of the whole.
  const json wish = {{"name", "one"}, {"role", "agent"}, {"sessions", {a.session}}};
  const std::string one =
      json::parse(bench.call("POST", "/v1/tokens", wish.dump(), a.owner).body)["token"];
  EXPECT_EQ(bench.call("GET", "/v1/overview", "", one).status, 403);
}

}  // namespace
}  // namespace wab::bridge::test
