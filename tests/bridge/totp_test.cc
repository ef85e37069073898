// One-time codes: the vectors of RFC 6238, each code once, and recovery codes.
#include "bridge/totp.h"

#include "tests/bridge/people_bench.h"

namespace wab::bridge::test {
namespace {

using namespace std::chrono_literals;

TEST(Totp, VectorsOfTheStandard) {
  // RFC 6238 appendix B, SHA-1; the last 6 of its 8 digits.
  const Bytes secret = to_bytes("12345678901234567890");
  const std::pair<int64_t, const char*> vectors[] = {
      {59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
      {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
  for (const auto& [at, code] : vectors) EXPECT_EQ(totp_code(secret, at / kTotpStepS), code) << at;
  EXPECT_EQ(totp_secret_text(secret), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
  EXPECT_EQ(parse_totp_secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), secret);
  EXPECT_FALSE(parse_totp_secret(""));
  EXPECT_FALSE(parse_totp_secret("gezd"));
}

TEST(Totp, OneStepOfSkewAndNoStepTwice) {
  const Bytes secret = to_bytes("12345678901234567890");
  const UnixSeconds now = 1'000'000 * kTotpStepS + 7;
  for (int64_t off = -3; off <= 3; ++off) {
    const auto found = match_totp(secret, totp_code(secret, 1'000'000 + off), now, 0);
    EXPECT_EQ(found.has_value(), off >= -1 && off <= 1) << off;
    EXPECT_EQ(found.value_or(1'000'000 + off), 1'000'000 + off);
  }
  EXPECT_FALSE(match_totp(secret, totp_code(secret, 1'000'000), now, 1'000'000));
  EXPECT_FALSE(match_totp(secret, totp_code(secret, 999'999), now, 1'000'000));
  EXPECT_TRUE(match_totp(secret, totp_code(secret, 1'000'001), now, 1'000'000));
  EXPECT_FALSE(match_totp(secret, "", now, 0));
  EXPECT_FALSE(match_totp(secret, "000000000000", now, 0));
}

class SecondFactor : public ::testing::Test {
 protected:
  SecondFactor() {
    bench.user("ana+x@example.org", Role::operators);
    cookie = bench.browser("ana+x@example.org");
  }
  std::vector<std::string> turn_on() {
    const auto made = bench.with(cookie, "POST", "/v1/me/totp");
    EXPECT_EQ(made.status, 201) << made.body;
    secret = json::parse(made.body)["secret"];
    const auto on = confirm(bench.code_now(secret));
    EXPECT_EQ(on.status, 200) << on.body;
    return json::parse(on.body)["recovery_codes"];
  }
  Answer confirm(const std::string& code) {
    bench.clock.advance(15s);
    return bench.with(cookie, "POST", "/v1/me/totp/confirm", json{{"code", code}}.dump());
  }
  Answer enter(const std::string& code) { return bench.sign_in("ana+x@example.org", kGood, code); }
  PeopleBench bench;
  std::string cookie, secret;
};

TEST_F(SecondFactor, IsOnOnceConfirmed) {
  const auto made = json::parse(bench.with(cookie, "POST", "/v1/me/totp").body);
  EXPECT_EQ(made["secret"].get<std::string>().size(), 32u);
  EXPECT_EQ(made["uri"], "otpauth://totp/Waslo%20Bridge:ana%2Bx%40example.org?secret=" +
                             made["secret"].get<std::string>() +
                             "&issuer=Waslo%20Bridge&algorithm=SHA1&digits=6&period=30");
  EXPECT_EQ(enter("").status, 200);  // not yet
  secret = made["secret"];
  EXPECT_EQ(code_of(confirm("000000")), "code_refused");
  const auto on = confirm(bench.code_now(secret, 0));
  ASSERT_EQ(on.status, 200) << on.body;
  EXPECT_EQ(json::parse(on.body)["recovery_codes"].size(), 10u);
  EXPECT_EQ(bench.ask(cookie, "/v1/me")["user"]["totp_enabled"], true);
  EXPECT_EQ(code_of(bench.with(cookie, "POST", "/v1/me/totp")), "conflict");
  EXPECT_EQ(code_of(confirm(bench.code_now(secret, 1))), "conflict");
  EXPECT_EQ(code_of(enter("")), "code_required");
}

TEST_F(SecondFactor, EachCodeWorksOnce) {
  turn_on();
  EXPECT_EQ(code_of(enter("")), "code_required");
  EXPECT_EQ(code_of(enter("123456")), "code_refused");
  // A wrong password says nothing of the code, right or not.
  bench.clock.advance(3min);
  EXPECT_EQ(
      code_of(bench.sign_in("ana+x@example.org", "wrong password", bench.code_now(secret, 6))),
      "bad_credentials");
  const auto code = bench.code_now(secret, 6);  // sign_in() lets 3 minutes go by
  EXPECT_EQ(enter(code).status, 200);
  const json again = {{"email", "ana+x@example.org"}, {"password", kGood}, {"code", code}};
  EXPECT_EQ(code_of(bench.call("POST", "/v1/login", again.dump())), "code_refused");
  EXPECT_EQ(enter(bench.code_now(secret, 6 + 2)).status, 401);  // not of now
  EXPECT_EQ(enter(bench.code_now(secret, 6 + 1)).status, 200);  // a clock that is ahead
}

TEST_F(SecondFactor, RecoveryCodesWorkOnceAndAreNotStored) {
  const auto codes = turn_on();
  for (const auto& code : codes) {
    EXPECT_EQ(folded_recovery_code(code).size() * 5, 120u);  // bits, in base32
    EXPECT_EQ(bench.store.everything().find(code), std::string::npos);
    EXPECT_EQ(bench.store.everything().find(folded_recovery_code(code)), std::string::npos);
  }
  EXPECT_EQ(std::set<std::string>(codes.begin(), codes.end()).size(), kRecoveryCodes);
  EXPECT_EQ(enter(codes[3]).status, 200);
  EXPECT_EQ(code_of(enter(codes[3])), "code_refused");
  std::string shouted = codes[4];
  for (auto& c : shouted) c = c == '-' ? ' ' : static_cast<char>(std::toupper(c));
  EXPECT_EQ(enter(shouted).status, 200);
}

TEST_F(SecondFactor, GoesOffWithACodeOnly) {
  const auto codes = turn_on();
  bench.clock.advance(2min);
  auto off = [&](const std::string& code) {
    bench.clock.advance(15s);
    return bench.with(cookie, "POST", "/v1/me/totp/off", json{{"code", code}}.dump());
  };
  EXPECT_EQ(code_of(off("000000")), "code_refused");
  EXPECT_EQ(off(codes[0]).status, 204);
  EXPECT_EQ(code_of(off(codes[1])), "conflict");
  EXPECT_EQ(enter("").status, 200);
  EXPECT_EQ(bench.ask(cookie, "/v1/me")["user"]["totp_enabled"], false);
}

TEST_F(SecondFactor, GuessesAreLimited) {
  turn_on();
  bench.clock.advance(2min);
  int tried = 0;
  for (int i = 0; i < 8; ++i) {
    const auto answer = bench.with(cookie, "POST", "/v1/me/totp/off",
                                   json{{"code", "11111" + std::to_string(i)}}.dump());
    tried += answer.status == 401;
  }
  EXPECT_LE(tried, 5);
}

}  // namespace
}  // namespace wab::bridge::test
