// The flow of Google sign-in against a provider that does what a test tells it to.
#include "bridge/google.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <map>
#include <set>

#include "bridge/request.h"
#include "tests/bridge/id_token_signer.h"
#include "tests/support/log_watcher.h"
#include "tests/support/manual_clock.h"
#include "tests/support/run.h"

namespace wab::bridge::test {
namespace {

using namespace std::chrono_literals;
using wab::test::LogWatcher;
using wab::test::ManualClock;
using wab::test::SeededRandom;

constexpr const char* kIssuer = "https://accounts.example.org";
constexpr const char* kClient = "client-1";

const SigningKey& first_key() {
  static const SigningKey key("first");
  return key;
}
const SigningKey& second_key() {
  static const SigningKey key("second");
  return key;
}

class World final : public GoogleContext {
 public:
  awaitable<Result<WebAnswer>> fetch(WebAsk ask) override {
    ++asked[ask.url];
    forms.push_back(ask.form);
    if (hold) co_await release.wait();
    if (down.contains(ask.url)) co_return fail(GoogleError::unreachable, "test");
    WebAnswer out;
    out.status = statuses.contains(ask.url) ? statuses[ask.url] : 200;
    out.cache_control = cache_control;
    if (ask.url.ends_with("/.well-known/openid-configuration")) out.body = discovery.dump();
    if (ask.url.ends_with("/keys")) out.body = json{{"keys", keys}}.dump();
    if (ask.url.ends_with("/token")) out.body = json{{"id_token", token}}.dump();
    co_return out;
  }
  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  ByteArray<32> keyed_hash(std::string_view purpose, std::string_view data) override {
    ByteArray<32> out;
    unsigned size = 32;
    const auto text = std::string(purpose) + "|" + std::string(data);
    HMAC(EVP_sha256(), "pepper", 6, view(text).data(), text.size(), out.data(), &size);
    return out;
  }

  ManualClock clock_;
  SeededRandom random_;
  json discovery = {{"issuer", kIssuer},
                    {"authorization_endpoint", std::string(kIssuer) + "/auth"},
                    {"token_endpoint", "https://oauth.example.org/token"},
                    {"jwks_uri", "https://www.example.org/keys"},
                    {"id_token_signing_alg_values_supported", {"RS256"}},
                    {"code_challenge_methods_supported", {"plain", "S256"}}};
  json keys = json::array({first_key().jwk()});
  std::string cache_control = "public, max-age=3600";
  std::string token;
  std::map<std::string, int> asked, statuses;
  std::set<std::string> down;
  std::vector<std::string> forms;
  bool hold = false;
  Event release;
};

constexpr const char* kKeys = "https://www.example.org/keys";
constexpr const char* kToken = "https://oauth.example.org/token";
const std::string kDiscovery = std::string(kIssuer) + "/.well-known/openid-configuration";

struct Bench {
  explicit Bench(std::vector<std::string> domains = {}) {
    GoogleSettings settings;
    settings.client_id = kClient;
    settings.client_secret = SecretBytes(to_bytes("s&cret"));
    settings.issuer = kIssuer;
    settings.redirect_uri = "https://bridge.example.org/v1/login/google/callback";
    settings.domains = std::move(domains);
    google.emplace(std::move(settings), world);
  }
  template <class T>
  static awaitable<void> take(awaitable<T> work, std::optional<T>& out) {
    out.emplace(co_await std::move(work));
  }
  template <class T>
  T wait(awaitable<T> work) {
    std::optional<T> out;
    auto held = std::make_shared<awaitable<T>>(std::move(work));
    wab::test::run_on(loop, [&, held] { return take<T>(std::move(*held), out); });
    return std::move(*out);
  }

  struct Asked {
    std::string cookie;
    std::map<std::string, std::string> query;
    std::string endpoint;
  };
  Asked begin(const std::string& link = "") {
    auto begun = wait(google->begin(link));
    EXPECT_TRUE(begun) << (begun ? "" : begun.error().describe());
    Asked out;
    if (!begun) return out;
    out.cookie = begun->cookie;
    const auto mark = begun->location.find('?');
    out.endpoint = begun->location.substr(0, mark);
    Query query;
    EXPECT_TRUE(parse_query(std::string_view(begun->location).substr(mark + 1), query));
    for (auto& [key, value] : query) out.query[key] = value;
    return out;
  }
  json claims(const Asked& asked) {
    const auto now = world.clock_.now_s();
    return {{"iss", kIssuer},
            {"aud", kClient},
            {"sub", "1001"},
            {"email", "dana@example.org"},
            {"email_verified", true},
            {"hd", "example.org"},
            {"nonce", asked.query.at("nonce")},
            {"iat", now},
            {"exp", now + 3600}};
  }
  Result<Google::Proven> finish(const Asked& asked, std::string code = "4/code") {
    Google::Back back;
    back.state = asked.query.at("state");
    back.code = std::move(code);
    return wait(google->finish(std::move(back), asked.cookie));
  }
  // A whole sign-in, with a token signed by this key.
  Result<Google::Proven> sign_in(const SigningKey& key) {
    const auto asked = begin();
    world.token = key.token(claims(asked));
    return finish(asked);
  }

  boost::asio::io_context loop{1};
  World world;
  std::optional<Google> google;
};

template <class T, class E>
void expect_error(const Result<T>& result, E expected, const char* what = "") {
  ASSERT_FALSE(result) << what;
  EXPECT_TRUE(result.error().is(expected)) << what << ": " << result.error().describe();
}

TEST(Google, BeginSendsTheBrowserWithStateNonceAndChallenge) {
  Bench bench({"example.org"});
  const auto asked = bench.begin();
  EXPECT_EQ(asked.endpoint, std::string(kIssuer) + "/auth");
  EXPECT_EQ(asked.query.at("response_type"), "code");
  EXPECT_EQ(asked.query.at("client_id"), kClient);
  EXPECT_EQ(asked.query.at("redirect_uri"), "https://bridge.example.org/v1/login/google/callback");
  EXPECT_EQ(asked.query.at("scope"), "openid email");
  EXPECT_EQ(asked.query.at("code_challenge_method"), "S256");
  EXPECT_EQ(asked.query.at("hd"), "example.org");
  for (const char* each : {"state", "nonce", "code_challenge"}) {
    EXPECT_EQ(asked.query.at(each).size(), 43u) << each;
    EXPECT_EQ(asked.cookie.find(asked.query.at(each)), std::string::npos) << each;
  }
  EXPECT_NE(asked.query.at("state"), asked.query.at("nonce"));
  const auto other = bench.begin();
  EXPECT_NE(asked.query.at("state"), other.query.at("state"));
  EXPECT_NE(asked.query.at("nonce"), other.query.at("nonce"));
  EXPECT_NE(asked.query.at("code_challenge"), other.query.at("code_challenge"));
}

TEST(Google, FinishTellsWhoItIsAndProvesTheVerifier) {
  Bench bench;
  const auto asked = bench.begin();
  bench.world.token = first_key().token(bench.claims(asked));
  const auto proven = bench.finish(asked);
  ASSERT_TRUE(proven) << proven.error().describe();
  EXPECT_EQ(proven->claims.issuer, kIssuer);
  EXPECT_EQ(proven->claims.subject, "1001");
  EXPECT_EQ(proven->claims.email, "dana@example.org");
  EXPECT_EQ(proven->link_user, "");

  Query form;
  for (const auto& sent : bench.world.forms) {
    EXPECT_TRUE(parse_query(sent, form));
  }
  std::map<std::string, std::string> fields(form.begin(), form.end());
  EXPECT_EQ(fields.at("grant_type"), "authorization_code");
  EXPECT_EQ(fields.at("code"), "4/code");
  EXPECT_EQ(fields.at("client_secret"), "s&cret");
  EXPECT_EQ(fields.at("redirect_uri"), asked.query.at("redirect_uri"));
  const auto verifier = fields.at("code_verifier");
  ByteArray<32> digest;
  unsigned size = 32;
  EVP_Digest(verifier.data(), verifier.size(), digest.data(), &size, EVP_sha256(), nullptr);
  EXPECT_EQ(to_base64url(digest), asked.query.at("code_challenge"));
}

TEST(Google, AStateFitsItsOwnBrowserOnlyOnceAndNotForLong) {
  Bench bench;
  const auto mine = bench.begin(), other = bench.begin();
  bench.world.token = first_key().token(bench.claims(mine));
  // Login CSRF: the attacker's answer in the victim's browser.
  auto crossed = mine;
  crossed.cookie = other.cookie;
  expect_error(bench.finish(crossed), GoogleError::state, "another browser");
  for (const std::string& cookie :
       {std::string(), std::string("x"), std::string(".."), mine.cookie + "x", "x" + mine.cookie,
        mine.cookie + "usr_1", std::string(500, '.'), std::string("a.99999999999999999999.b")}) {
    auto changed = mine;
    changed.cookie = cookie;
    expect_error(bench.finish(changed), GoogleError::state, cookie.c_str());
  }
  auto empty = mine;
  empty.query["state"] = "";
  expect_error(bench.finish(empty), GoogleError::state, "no state");
  EXPECT_EQ(bench.world.asked[kToken], 0);

  EXPECT_TRUE(bench.finish(mine));
  expect_error(bench.finish(mine), GoogleError::spent, "again");
  EXPECT_EQ(bench.world.asked[kToken], 1);

  const auto slow = bench.begin();
  bench.world.clock_.advance(601s);
  bench.world.token = first_key().token(bench.claims(slow));
  expect_error(bench.finish(slow), GoogleError::state, "too late");
}

TEST(Google, TheUserToLinkTravelsInTheCookieAndCannotBeChanged) {
  Bench bench;
  const auto asked = bench.begin("usr_dana");
  auto changed = asked;
  changed.cookie.replace(changed.cookie.find("usr_dana"), 8, "usr_evil");
  bench.world.token = first_key().token(bench.claims(asked));
  expect_error(bench.finish(changed), GoogleError::state);
  const auto proven = bench.finish(asked);
  ASSERT_TRUE(proven);
  EXPECT_EQ(proven->link_user, "usr_dana");
}

TEST(Google, ANonceOfAnEarlierSignInIsRefused) {
  Bench bench;
  const auto early = bench.begin();
  bench.world.token = first_key().token(bench.claims(early));
  EXPECT_TRUE(bench.finish(early));
  // The same token again, in a sign-in of its own.
  expect_error(bench.finish(bench.begin()), IdTokenError::nonce);
}

TEST(Google, RefusalsOfTheProviderAreRefusals) {
  Bench bench({"example.org"});
  const auto fresh = [&](Google::Back back) {
    const auto asked = bench.begin();
    back.state = asked.query.at("state");
    bench.world.token = first_key().token(bench.claims(asked));
    return bench.wait(bench.google->finish(std::move(back), asked.cookie));
  };
  Google::Back back;
  back.error = "access_denied";
  back.code = "c";
  expect_error(fresh(back), GoogleError::denied);
  back.error = "";
  back.iss = "https://evil.example";
  expect_error(fresh(back), GoogleError::issuer, "mix-up");
  back.iss = kIssuer;
  EXPECT_TRUE(fresh(back));
  back.code = "";
  expect_error(fresh(back), GoogleError::code);
  back.code = std::string(3000, 'c');
  expect_error(fresh(back), GoogleError::code);

  back.code = "c";
  bench.world.statuses[kToken] = 400;
  expect_error(fresh(back), GoogleError::exchange);
  bench.world.statuses[kToken] = 503;
  expect_error(fresh(back), GoogleError::unreachable);
  bench.world.statuses.clear();
  auto asked = bench.begin();
  auto changed = bench.claims(asked);
  changed["aud"] = "client-2";
  bench.world.token = first_key().token(changed);
  expect_error(bench.finish(asked), IdTokenError::audience);
  asked = bench.begin();
  changed = bench.claims(asked);
  changed["hd"] = "example.com";
  bench.world.token = first_key().token(changed);
  expect_error(bench.finish(asked), IdTokenError::domain);
}

TEST(Google, TheDiscoveryDocumentMustBeTheIssuersOwn) {
  const std::pair<const char*, json> bad[] = {
      {"issuer", "https://evil.example"},
      {"issuer", std::string(kIssuer) + "/"},
      {"issuer", nullptr},
      {"authorization_endpoint", "http://accounts.example.org/auth"},
      {"authorization_endpoint", "https://accounts.example.org/auth\r\nSet-Cookie: a=b"},
      {"token_endpoint", "file:///etc/passwd"},
      {"jwks_uri", "https://www.example.org/keys#x"},
      {"jwks_uri", json::array()},
      {"id_token_signing_alg_values_supported", {"HS256"}},
      {"code_challenge_methods_supported", {"plain"}}};
  for (const auto& [key, value] : bad) {
    LogWatcher log;
    Bench bench;
    bench.world.discovery[key] = value;
    expect_error(bench.wait(bench.google->begin("")), GoogleError::provider, key);
    EXPECT_TRUE(log.saw("signin.document_unreadable"));
  }
}

TEST(Google, KeysAreKeptAsLongAsTheyMayAndReadAgainThen) {
  Bench bench;
  EXPECT_TRUE(bench.sign_in(first_key()));
  EXPECT_TRUE(bench.sign_in(first_key()));
  EXPECT_EQ(bench.world.asked[kKeys], 1);
  EXPECT_EQ(bench.world.asked[kDiscovery], 1);
  bench.world.clock_.advance(3601s);
  EXPECT_TRUE(bench.sign_in(first_key()));
  EXPECT_EQ(bench.world.asked[kKeys], 2);
  EXPECT_EQ(bench.world.asked[kDiscovery], 2);
}

TEST(Google, AnUnknownKeyReadsTheKeysAgainAtMostOnceAMinute) {
  Bench bench;
  EXPECT_TRUE(bench.sign_in(first_key()));
  bench.world.keys = json::array({first_key().jwk(), second_key().jwk()});
  EXPECT_TRUE(bench.sign_in(second_key()));
  EXPECT_EQ(bench.world.asked[kKeys], 2);
  const SigningKey nobody("nobody");
  for (int i = 0; i < 5; ++i) expect_error(bench.sign_in(nobody), IdTokenError::unknown_key);
  EXPECT_EQ(bench.world.asked[kKeys], 2);
  bench.world.clock_.advance(60s);
  for (int i = 0; i < 5; ++i) expect_error(bench.sign_in(nobody), IdTokenError::unknown_key);
  EXPECT_EQ(bench.world.asked[kKeys], 3);
  // A key that was taken away is not used any more.
  bench.world.keys = json::array({second_key().jwk()});
  bench.world.clock_.advance(3601s);
  expect_error(bench.sign_in(first_key()), IdTokenError::unknown_key);
}

TEST(Google, OldKeysServeForADayWhileTheProviderFails) {
  LogWatcher log;
  Bench bench;
  EXPECT_TRUE(bench.sign_in(first_key()));
  bench.world.down = {kKeys, kDiscovery};
  bench.world.clock_.advance(2h);
  EXPECT_TRUE(bench.sign_in(first_key()));
  EXPECT_TRUE(log.saw("signin.document_unreadable"));
  const auto asked = bench.world.asked[kKeys];
  EXPECT_TRUE(bench.sign_in(first_key()));
  EXPECT_EQ(bench.world.asked[kKeys], asked) << "attempts are spaced";
  bench.world.clock_.advance(22h + 59min);
  EXPECT_TRUE(bench.sign_in(first_key()));
  bench.world.clock_.advance(2min);
  expect_error(bench.wait(bench.google->begin("")), GoogleError::unreachable);
  bench.world.down = {kKeys};
  bench.world.clock_.advance(11s);
  expect_error(bench.sign_in(first_key()), GoogleError::unreachable, "keys too old");
  bench.world.down.clear();
  bench.world.clock_.advance(11s);
  EXPECT_TRUE(bench.sign_in(first_key()));
}

awaitable<void> begin_into(Google& google, int& done) {
  const std::string nobody;
  auto begun = co_await google.begin(nobody);
  EXPECT_TRUE(begun);
  ++done;
}

TEST(Google, ManyAtOnceAskTheProviderOnce) {
  Bench bench;
  bench.world.hold = true;
  int done = 0;
  for (int i = 0; i < 50; ++i) {
    boost::asio::co_spawn(bench.loop, begin_into(*bench.google, done), boost::asio::detached);
  }
  bench.loop.poll();
  EXPECT_EQ(done, 0);
  EXPECT_EQ(bench.world.asked[kDiscovery], 1);
  bench.world.hold = false;
  bench.world.release.notify_all();
  bench.loop.restart();
  bench.loop.run();
  EXPECT_EQ(done, 50);
  EXPECT_EQ(bench.world.asked[kDiscovery], 1);
}

TEST(KeptDocument, ReadsCacheControl) {
  EXPECT_EQ(fresh_for(""), 300s);
  EXPECT_EQ(fresh_for("public, max-age=22377, must-revalidate, no-transform"), 22377s);
  EXPECT_EQ(fresh_for("MAX-AGE=60"), 60s);
  EXPECT_EQ(fresh_for("max-age=99999999"), 24h);
  EXPECT_EQ(fresh_for("max-age=99999999999999999999"), 0s);
  EXPECT_EQ(fresh_for("max-age=-1"), 0s);
  EXPECT_EQ(fresh_for("max-age=1x"), 0s);
  EXPECT_EQ(fresh_for("max-age=60, max-age=5"), 5s);
  EXPECT_EQ(fresh_for("no-store, max-age=60"), 0s);
  EXPECT_EQ(fresh_for("no-cache"), 0s);
  EXPECT_EQ(fresh_for(",,"), 300s);
}

}  // namespace
}  // namespace wab::bridge::test
