// What another site's page may do here: nothing, unless its origin is configured.
#include "bridge/browser.h"

#include "tests/bridge/bench.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using wab::test::Table;

Config with_origins(Texts origins) {
  auto config = default_config();
  config.http.cors_origins = std::move(origins);
  return config;
}

TEST(Cors, ExactOriginsOnly) {
  Table table("CORS");
  const std::string app = "https://app.example.org";
  struct Case {
    std::string what, origin;
    bool allowed;
    Texts configured;
  };
  const Texts one{app}, two{app, "http://localhost:3000"};
  const Case cases[] = {
      {"the configured origin", app, true, one},
      {"the second one", "http://localhost:3000", true, two},
      {"off by default", app, false, {}},
      {"another scheme", "http://app.example.org", false, one},
      {"another port", app + ":8443", false, one},
      {"the default port written out", app + ":443", false, one},
      {"a subdomain", "https://x.app.example.org", false, one},
      {"the parent", "https://example.org", false, one},
      {"a suffix", app + ".evil.example", false, one},
      {"a prefix", "https://evilapp.example.org", false, one},
      {"another case", "https://APP.example.org", false, one},
      {"a trailing slash", app + "/", false, one},
      {"null", "null", false, one},
      {"a star", "*", false, one},
      {"nothing", "", false, one},
      {"a list", app + ", https://evil.example", false, one},
      {"with a user", "https://app.example.org@evil.example", false, one},
  };
  for (const auto& one_case : cases) {
    Bench bench(with_origins(one_case.configured));
    const auto tenant = bench.tenant("A");
    Headers headers{{"Origin", one_case.origin}};
    const auto simple = bench.call("GET", "/v1/sessions", "", tenant.owner, headers);
    headers.emplace_back("Access-Control-Request-Method", "POST");
    headers.emplace_back("Access-Control-Request-Headers", "authorization,content-type");
    const auto preflight = bench.call("OPTIONS", "/v1/sessions", "", "", headers);
    const std::string wanted = one_case.allowed ? one_case.origin : "";
    bool held = simple.status == 200 && preflight.status == (one_case.allowed ? 204 : 405);
    for (const auto* answer : {&simple, &preflight}) {
      held = held && header_of(*answer, "Access-Control-Allow-Origin") == wanted &&
             header_of(*answer, "Access-Control-Allow-Credentials").empty() &&
             header_of(*answer, "Vary") == (one_case.configured.empty() ? "" : "Origin");
    }
    held = held && header_of(preflight, "Access-Control-Allow-Methods").empty() != one_case.allowed;
    table.row(held, one_case.what);
  }
  for (const char* origin : {"*", "https://*.example.org", "null", "app.example.org",
                             "https://app.example.org/", "https://app.example.org/path"}) {
    const auto parsed =
        parse_config("[http]\ncors_origins = [\"" + std::string(origin) + "\"]\n",
                     [](const std::string&) -> std::optional<std::string> { return {}; });
    table.row(!parsed, std::string("cannot be configured: ") + origin);
  }
}

// A cookie rides along with whatever any page asks for; so it counts only for our own pages.
TEST(CrossSite, CookiesOnlyFromOurOwnPages) {
  Table table("cross-site requests");
  struct Case {
    std::string what, method, site, origin;
    bool allowed;
    std::string public_url = {};
    bool secure = true, upgrade = false;
  };
  const std::string ours = "https://bridge.example.org";
  const Case cases[] = {
      {"our page", "POST", "same-origin", ours, true},
      {"our page, without Origin", "POST", "same-origin", "", true},
      {"an older browser on our page", "POST", "", ours, true},
      {"no browser says anything", "POST", "", "", false},
      {"another site", "POST", "cross-site", "https://evil.example", false},
      {"a sister host", "POST", "same-site", "https://www.example.org", false},
      {"the address bar", "POST", "none", "", false},
      {"nonsense", "POST", "Same-Origin", ours, false},
      {"older, another site", "POST", "", "https://evil.example", false},
      {"older, null", "POST", "", "null", false},
      {"older, over http", "POST", "", "http://bridge.example.org", false},
      {"older, a longer name", "POST", "", ours + ".evil.example", false},
      {"older, another port", "POST", "", ours + ":444", false},
      {"PATCH of another site", "PATCH", "cross-site", "https://evil.example", false},
      {"DELETE of another site", "DELETE", "cross-site", "https://evil.example", false},
      {"PUT without a word", "PUT", "", "", false},
      {"reading from our page", "GET", "same-origin", "", true},
      {"reading by a link in the address bar", "GET", "none", "", true},
      {"reading by an older browser", "GET", "", "", true},
      {"reading from another site", "GET", "cross-site", "https://evil.example", false},
      {"reading from a sister host", "GET", "same-site", "", false},
      {"a socket of our page", "GET", "same-origin", ours, true, "", true, true},
      {"a socket by an older browser", "GET", "", ours, true, "", true, true},
      {"a socket of another site", "GET", "cross-site", "https://evil.example", false, "", true,
       true},
      {"a socket by an older browser on another site", "GET", "", "https://evil.example", false, "",
       true, true},
      {"a socket without Origin", "GET", "", "", false, "", true, true},
      {"plain, our page", "POST", "", "http://bridge.example.org", true, "", false},
      {"the public URL is what counts", "POST", "", "https://public.example.org", true,
       "https://public.example.org/base"},
      {"not the Host of the request", "POST", "", ours, false, "https://public.example.org"},
  };
  for (const auto& one : cases) {
    auto config = default_config();
    config.http.public_url = one.public_url;
    Request request;
    request.method = one.method;
    request.secure = one.secure;
    request.upgrade = one.upgrade;
    request.headers = {{"Host", "bridge.example.org"}};
    if (!one.site.empty()) request.headers.emplace_back("Sec-Fetch-Site", one.site);
    if (!one.origin.empty()) request.headers.emplace_back("Origin", one.origin);
    const auto problem = cross_site(request, config);
    table.row(problem.has_value() != one.allowed, one.what);
  }
}

TEST(Cookie, OneAndOnlyOne) {
  Request request;
  request.headers = {{"Cookie", "a=b; __Host-wab=secret; c=d"}};
  EXPECT_EQ(cookie_of(request), "secret");
  request.headers = {{"Cookie", "__Host-wab=one; __Host-wab=two"}};
  EXPECT_EQ(cookie_of(request), "");
  request.headers = {{"Cookie", "x__Host-wab=one; __Host-wabx=two"}};
  EXPECT_EQ(cookie_of(request), "");
}

TEST(RepeatedHeaders, WithOneMeaningAreRefused) {
  Table table("repeated headers");
  Bench bench;
  const auto tenant = bench.tenant("A");
  for (const char* name :
       {"Authorization", "Content-Type", "Idempotency-Key", "Origin", "Sec-Fetch-Site"}) {
    const Headers twice{{name, "Bearer x"}, {name, "Bearer y"}};
    const auto answer = bench.call("GET", "/v1/sessions", "", "", twice);
    table.row(answer.status == 400 && code_of(answer) == "bad_request", name);
  }
}

}  // namespace
}  // namespace wab::bridge::test
