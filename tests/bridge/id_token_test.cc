// Identity tokens: what a forger, a careless provider or a swapped key could send.
#include "bridge/id_token.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/bridge/id_token_signer.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using wab::test::Table;
using E = IdTokenError;

constexpr UnixSeconds kNow = 1'795'000'000;
constexpr const char* kIssuer = "https://accounts.example.org";
constexpr const char* kClient = "client-1.apps.example.org";
constexpr const char* kNonce = "n-0S6_WzA2Mj";

// Made once: generating RSA keys is slow.
struct Issuer {
  SigningKey a{"a"}, b{"b"}, stranger{"a"}, removed{"removed"};
  SigningKey weak{"weak", 1024}, small_exponent{"three", 2048, 3}, encrypts{"encrypts"},
      other_alg{"other-alg"}, twin{"twin"}, other_twin{"twin"};

  json jwks() const {
    json out = {{"keys", {a.jwk(), b.jwk(), weak.jwk(), small_exponent.jwk(), twin.jwk()}}};
    json enc = encrypts.jwk(), alg = other_alg.jwk(), one = a.jwk(), even = a.jwk();
    enc["use"] = "enc";
    alg["alg"] = "RS512";
    one["kid"] = "one";
    one["e"] = "AQ";
    even["kid"] = "even";
    even["e"] = "AQAA";
    for (const auto& key : {enc, alg, one, even, other_twin.jwk()}) out["keys"].push_back(key);
    out["keys"].push_back({{"kty", "EC"}, {"kid", "curve"}, {"crv", "P-256"}, {"x", "AA"}});
    out["keys"].push_back({{"kty", "oct"}, {"kid", "secret"}, {"k", "c2VjcmV0"}});
    return out;
  }
  KeySet keys() const { return *KeySet::parse(jwks().dump()); }
};
const Issuer& issuer() {
  static const Issuer one;
  return one;
}

json claims() {
  return {{"iss", kIssuer},
          {"aud", kClient},
          {"azp", kClient},
          {"sub", "110248495921238986420"},
          {"email", "dana@example.org"},
          {"email_verified", true},
          {"hd", "example.org"},
          {"nonce", kNonce},
          {"iat", kNow - 5},
          {"exp", kNow + 3595}};
}
json with(const char* key, json value) {
  json out = claims();
  out[key] = std::move(value);
  return out;
}
json without(const char* key) {
  json out = claims();
  out.erase(key);
  return out;
}
std::string header(const json& more = json::object()) {
  json out = {{"alg", "RS256"}, {"typ", "JWT"}, {"kid", "a"}};
  out.update(more);
  return out.dump();
}
std::string b64(std::string_view text) { return to_base64url(view(text)); }

Result<IdClaims> judge(std::string_view token) {
  static const std::vector<std::string> domains{"example.org", "Example.Net"};
  ExpectedToken expected;
  expected.issuer = kIssuer;
  expected.audience = kClient;
  expected.nonce = kNonce;
  expected.domains = domains;
  static const KeySet keys = issuer().keys();
  return verify_id_token(token, keys, expected, kNow);
}

struct Forged {
  const char* name;
  std::string token;
  IdTokenError expected;
};

json hour_old(UnixSeconds expires) {
  json out = with("exp", expires);
  out["iat"] = kNow - 3600;
  return out;
}
std::string headed(const json& more) { return issuer().a.token(header(more), claims().dump()); }
std::string kid(const char* id, const SigningKey& key) {
  return key.token(header({{"kid", id}}), claims().dump());
}
std::string raw(const std::string& payload) { return issuer().a.token(header(), payload); }

// The parts of a good token, to be put together in another way.
struct Parts {
  std::string header, payload, signature;
  explicit Parts(const std::string& token) {
    const auto first = token.find('.'), last = token.rfind('.');
    header = token.substr(0, first);
    payload = token.substr(first + 1, last - first - 1);
    signature = token.substr(last + 1);
  }
};

std::vector<Forged> algorithms_and_headers() {
  const auto& a = issuer().a;
  const std::string good = a.token(claims());
  const Parts part(good);
  const auto none = b64(R"({"alg":"none","typ":"JWT"})");
  const auto hs = b64(header({{"alg", "HS256"}})) + "." + part.payload;
  const auto rs384 = b64(header({{"alg", "RS384"}})) + "." + part.payload;
  const auto ps256 = b64(header({{"alg", "PS256"}})) + "." + part.payload;
  const auto plain = part.header + "." + part.payload;
  std::string no_alg = header(), no_kid = header();
  no_alg.replace(no_alg.find("alg"), 3, "gla");
  no_kid.replace(no_kid.find("kid"), 3, "dik");
  const auto deep = std::string(64, '[') + std::string(64, ']');
  return {
      {"alg none without signature", none + "." + part.payload + ".", E::form},
      {"alg none with a signature", none + "." + part.payload + "." + part.signature, E::algorithm},
      {"alg None in another case", b64(R"({"alg":"nOnE","kid":"a"})") + "." + part.payload + ".AA",
       E::algorithm},
      {"alg HS256 keyed with the public key", hs + "." + hmac_sha256(a.public_pem(), hs),
       E::algorithm},
      {"alg RS384", rs384 + "." + to_base64url(a.sign(rs384, EVP_sha384())), E::algorithm},
      {"alg PS256",
       ps256 + "." + to_base64url(a.sign(ps256, EVP_sha256(), SigningKey::Padding::pss)),
       E::algorithm},
      {"alg RS256 with a PSS signature",
       plain + "." + to_base64url(a.sign(plain, EVP_sha256(), SigningKey::Padding::pss)),
       E::signature},
      {"alg RS256 with SHA-1 inside", plain + "." + to_base64url(a.sign(plain, EVP_sha1())),
       E::signature},
      {"alg rs256 in lower case", headed({{"alg", "rs256"}}), E::algorithm},
      {"alg missing", a.token(no_alg, claims().dump()), E::algorithm},
      {"alg a list", headed({{"alg", {"RS256"}}}), E::algorithm},
      {"typ of another kind", headed({{"typ", "at+jwt"}}), E::type},
      {"crit", headed({{"crit", {"exp"}}}), E::extension},
      {"b64 false", headed({{"b64", false}}), E::extension},
      {"zip", headed({{"zip", "DEF"}}), E::extension},
      {"jwk in the header",
       issuer().stranger.token(header({{"jwk", issuer().stranger.jwk()}}), claims().dump()),
       E::key_in_token},
      {"jku in the header", headed({{"jku", "https://evil.example/keys"}}), E::key_in_token},
      {"x5u in the header", headed({{"x5u", "https://evil.example/c.pem"}}), E::key_in_token},
      {"x5c in the header", headed({{"x5c", {"MIIB"}}}), E::key_in_token},
      {"no kid", a.token(no_kid, claims().dump()), E::no_key_id},
      {"kid empty", headed({{"kid", ""}}), E::no_key_id},
      {"kid a number", headed({{"kid", 1}}), E::no_key_id},
      {"kid that nobody has", kid("nobody", a), E::unknown_key},
      {"kid of a removed key", kid("removed", issuer().removed), E::unknown_key},
      {"kid a path", kid("../../dev/null", a), E::unknown_key},
      {"kid of another good key", kid("b", a), E::signature},
      {"two keys with this kid, the first", kid("twin", issuer().twin), E::unknown_key},
      {"two keys with this kid, the second", kid("twin", issuer().other_twin), E::unknown_key},
      {"RSA key of 1024 bits", kid("weak", issuer().weak), E::unknown_key},
      {"RSA key with exponent 3", kid("three", issuer().small_exponent), E::unknown_key},
      {"RSA key with exponent 1", kid("one", a), E::unknown_key},
      {"RSA key with an even exponent", kid("even", a), E::unknown_key},
      {"key with use enc", kid("encrypts", issuer().encrypts), E::unknown_key},
      {"key with another alg", kid("other-alg", issuer().other_alg), E::unknown_key},
      {"key on a curve", kid("curve", a), E::unknown_key},
      {"symmetric key in the set", kid("secret", a), E::unknown_key},
      {"header with alg twice",
       a.token(R"({"alg":"none","alg":"RS256","kid":"a"})", claims().dump()), E::json},
      {"header a list", a.token(R"(["RS256"])", claims().dump()), E::json},
      {"header nested 65 deep", a.token(R"({"alg":"RS256","kid":"a","x":)" + deep + "}", "{}"),
       E::json}};
}

std::vector<Forged> shapes_and_signatures() {
  const auto& a = issuer().a;
  const std::string good = a.token(claims());
  const Parts part(good);
  const Parts other(a.token(with("sub", "2")));
  auto flipped = *from_base64url(part.signature);
  flipped[17] ^= 1;
  auto cut = *from_base64url(part.signature);
  cut.pop_back();
  auto longer = *from_base64url(part.signature);
  longer.push_back(0);
  // The last character of 256 bytes carries two bits; setting an unused one is another spelling.
  std::string spelled = part.signature;
  ++spelled.back();
  const auto plus = [&](std::string text) {
    return part.header + "." + part.payload + "." + std::move(text);
  };
  const auto deep = std::string(64, '[') + std::string(64, ']');
  auto twice = claims().dump();
  twice.insert(1, R"("sub":"1",)");
  auto escaped = claims().dump();
  escaped.insert(1, R"("s\u0075b":"1",)");
  return {{"empty", "", E::form},
          {"one part", part.header, E::form},
          {"two parts", part.header + "." + part.payload, E::form},
          {"signature empty", plus(""), E::form},
          {"payload empty", part.header + ".." + part.signature, E::form},
          {"header empty", "." + part.payload + "." + part.signature, E::form},
          {"trailing dot", good + ".", E::form},
          {"five parts (JWE)", good + ".AAAA.AAAA", E::form},
          {"padding in the header", part.header + "=" + "." + part.payload + "." + part.signature,
           E::form},
          {"padding in the signature", good + "==", E::form},
          {"standard base64 in the signature", plus("+/" + part.signature.substr(2)), E::form},
          {"signature with unused bits set", plus(spelled), E::form},
          {"space in front", " " + good, E::form},
          {"line end behind", good + "\n", E::form},
          {"NUL behind", good + std::string(1, '\0'), E::form},
          {"100 KB", part.header + "." + std::string(100 * 1024, 'A') + "." + part.signature,
           E::too_large},
          {"signature cut by a byte", plus(to_base64url(cut)), E::signature},
          {"signature longer by a byte", plus(to_base64url(longer)), E::signature},
          {"signature with one bit changed", plus(to_base64url(flipped)), E::signature},
          {"signature all zeros", plus(to_base64url(Bytes(256))), E::signature},
          {"signature of a stranger's key with our kid", issuer().stranger.token(claims()),
           E::signature},
          {"signature of another payload", plus(other.signature), E::signature},
          {"signature of another header",
           b64(header({{"extra", 1}})) + "." + part.payload + "." + part.signature, E::signature},
          {"payload of another token", part.header + "." + other.payload + "." + part.signature,
           E::signature},
          {"payload with sub twice", raw(twice), E::json},
          {"payload with sub twice, once escaped", raw(escaped), E::json},
          {"payload with bad UTF-8", raw("{\"sub\":\"\xc3\x28\"}"), E::json},
          {"payload with an overlong form", raw("{\"sub\":\"\xc0\xae\"}"), E::json},
          {"payload nested 65 deep", raw("{\"x\":" + deep + "}"), E::json},
          {"payload a list", raw("[]"), E::json},
          {"payload text behind the object", raw(claims().dump() + "x"), E::json},
          {"payload with a comment", raw("/**/" + claims().dump()), E::json}};
}

std::vector<Forged> wrong_claims() {
  const auto a = [](const json& changed) { return issuer().a.token(changed); };
  json with_others = without("azp");
  with_others["aud"] = {kClient, "client-2"};
  return {{"iss of another issuer", a(with("iss", "https://evil.example")), E::issuer},
          {"iss with a trailing slash", a(with("iss", std::string(kIssuer) + "/")), E::issuer},
          {"iss without scheme", a(with("iss", "accounts.example.org")), E::issuer},
          {"iss in upper case", a(with("iss", "https://ACCOUNTS.example.org")), E::issuer},
          {"iss a list", a(with("iss", {kIssuer})), E::issuer},
          {"iss missing", a(without("iss")), E::issuer},
          {"aud of another client", a(with("aud", "client-2.apps.example.org")), E::audience},
          {"aud with ours as prefix", a(with("aud", std::string(kClient) + ".evil")), E::audience},
          {"aud a list with others, without azp", a(with_others), E::audience},
          {"aud a list with others, with azp", a(with("aud", {kClient, "client-2"})), E::audience},
          {"aud a list with another", a(with("aud", json::array({"client-2"}))), E::audience},
          {"aud an empty list", a(with("aud", json::array())), E::audience},
          {"aud empty", a(with("aud", "")), E::audience},
          {"aud missing", a(without("aud")), E::audience},
          {"azp of another client", a(with("azp", "client-2.apps.example.org")), E::party},
          {"azp null", a(with("azp", nullptr)), E::party},
          {"exp past", a(hour_old(kNow - 61)), E::expired},
          {"exp past by exactly the skew", a(hour_old(kNow - 60)), E::expired},
          {"exp missing", a(without("exp")), E::time},
          {"exp as text", a(with("exp", std::to_string(kNow + 3600))), E::time},
          {"exp with a fraction", a(with("exp", 1795003600.5)), E::time},
          {"exp negative", a(with("exp", -1)), E::time},
          {"exp beyond any date", a(with("exp", uint64_t{18446744073709551615u})), E::time},
          {"exp before iat", a(with("exp", kNow - 6)), E::time},
          {"iat missing", a(without("iat")), E::time},
          {"iat as text", a(with("iat", "now")), E::time},
          {"iat in the future", a(with("iat", kNow + 61)), E::early},
          {"nbf in the future", a(with("nbf", kNow + 61)), E::early},
          {"nbf as text", a(with("nbf", "later")), E::time},
          {"nonce of another sign-in", a(with("nonce", "other")), E::nonce},
          {"nonce with more behind", a(with("nonce", std::string(kNonce) + "x")), E::nonce},
          {"nonce missing", a(without("nonce")), E::nonce},
          {"nonce empty", a(with("nonce", "")), E::nonce},
          {"nonce a list", a(with("nonce", {kNonce})), E::nonce},
          {"sub missing", a(without("sub")), E::subject},
          {"sub empty", a(with("sub", "")), E::subject},
          {"sub too long", a(with("sub", std::string(256, '1'))), E::subject},
          {"sub a number", a(with("sub", 110248495921238)), E::subject},
          {"sub with a line end", a(with("sub", "1\n2")), E::subject},
          {"sub with NUL", a(with("sub", std::string("1\0002", 3))), E::subject},
          {"sub beyond ASCII",
           a(with("sub",
                  "\xd0\xb0"
                  "1")),
           E::subject},
          {"email not verified", a(with("email_verified", false)), E::email},
          {"email verified as text", a(with("email_verified", "true")), E::email},
          {"email verified as a number", a(with("email_verified", 1)), E::email},
          {"email_verified missing", a(without("email_verified")), E::email},
          {"email missing", a(without("email")), E::email},
          {"email with two signs", a(with("email", "a@b@example.org")), E::email},
          {"hd missing", a(without("hd")), E::domain},
          {"hd empty", a(with("hd", "")), E::domain},
          {"hd of another domain", a(with("hd", "example.com")), E::domain},
          {"hd a homograph", a(with("hd", "ex\xd0\xb0mple.org")), E::domain},
          {"hd with ours as suffix", a(with("hd", "evil-example.org")), E::domain},
          {"hd a subdomain of ours", a(with("hd", "a.example.org")), E::domain},
          {"hd with ours as prefix", a(with("hd", "example.org.evil.example")), E::domain},
          {"hd with a trailing dot", a(with("hd", "example.org.")), E::domain},
          {"hd with NUL", a(with("hd", std::string("example.org\0.evil", 17))), E::domain},
          {"hd a list", a(with("hd", {"example.org"})), E::domain}};
}

TEST(IdToken, ForgedTokensAreRefusedEachForItsReason) {
  Table table("forged tokens");
  for (const auto& rows : {algorithms_and_headers(), shapes_and_signatures(), wrong_claims()}) {
    for (const auto& row : rows) {
      const auto result = judge(row.token);
      const bool held = !result && result.error().is(row.expected);
      table.row(held,
                std::string(row.name) + ": " + (result ? "accepted" : result.error().describe()));
    }
  }
  EXPECT_GE(table.rows(), 40u);
}

TEST(IdToken, GoodTokensAreAccepted) {
  const auto plain = judge(issuer().a.token(claims()));
  ASSERT_TRUE(plain) << plain.error().describe();
  EXPECT_EQ(plain->issuer, kIssuer);
  EXPECT_EQ(plain->subject, "110248495921238986420");
  EXPECT_EQ(plain->email, "dana@example.org");
  EXPECT_EQ(plain->domain, "example.org");

  auto other_domain = with("hd", "EXAMPLE.net"), late = claims();
  late["exp"] = kNow - 59;
  late["iat"] = kNow - 3600;
  auto early_clock = with("iat", kNow + 60);
  early_clock["nbf"] = kNow + 60;
  const std::pair<const char*, std::string> good[] = {
      {"other key", issuer().b.token(claims())},
      {"aud a list of one", issuer().a.token(with("aud", json::array({kClient})))},
      {"no azp", issuer().a.token(without("azp"))},
      {"no typ", issuer().a.token(R"({"alg":"RS256","kid":"a"})", claims().dump())},
      {"domain in another case", issuer().a.token(other_domain)},
      {"within the skew behind", issuer().a.token(late)},
      {"within the skew ahead", issuer().a.token(early_clock)},
      {"unknown claims", issuer().a.token(with("picture", "https://example.org/p.png"))},
      {"longest sub", issuer().a.token(with("sub", std::string(255, '9')))}};
  for (const auto& [name, token] : good) {
    const auto result = judge(token);
    EXPECT_TRUE(result) << name << ": " << (result ? "" : result.error().describe());
  }
}

TEST(IdToken, WithoutAllowedDomainsAnyAccountIsReadAndAnEmptyNonceNeverMatches) {
  const auto keys = issuer().keys();
  ExpectedToken expected;
  expected.issuer = kIssuer;
  expected.audience = kClient;
  expected.nonce = kNonce;
  EXPECT_TRUE(verify_id_token(issuer().a.token(without("hd")), keys, expected, kNow));
  expected.nonce = "";
  const auto none = verify_id_token(issuer().a.token(with("nonce", "")), keys, expected, kNow);
  ASSERT_FALSE(none);
  EXPECT_TRUE(none.error().is(IdTokenError::nonce));
}

TEST(Jwks, KeepsTheUsableKeysOnly) {
  const auto keys = issuer().keys();
  EXPECT_EQ(keys.size(), 2u);
  EXPECT_NE(keys.find("a"), nullptr);
  EXPECT_NE(keys.find("b"), nullptr);
  for (const char* gone : {"weak", "three", "one", "even", "encrypts", "other-alg", "twin", "curve",
                           "secret", "", "A"}) {
    EXPECT_EQ(keys.find(gone), nullptr) << gone;
  }
}

TEST(Jwks, RefusesDocumentsThatAreNone) {
  json many = {{"keys", json::array()}};
  for (int i = 0; i < 33; ++i) many["keys"].push_back(issuer().a.jwk());
  json leaked = issuer().a.jwk();
  leaked["d"] = "AQAB";
  const std::pair<std::string, JwksError> bad[] = {
      {"", JwksError::not_json},
      {"{", JwksError::not_json},
      {R"({"keys":[],"keys":[]})", JwksError::not_json},
      {"[]", JwksError::shape},
      {"{}", JwksError::shape},
      {R"({"keys":{}})", JwksError::shape},
      {R"({"keys":["a"]})", JwksError::shape},
      {R"({"keys":[]})", JwksError::no_keys},
      {json{{"keys", {leaked}}}.dump(), JwksError::no_keys},
      {R"({"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]})", JwksError::no_keys},
      {many.dump(), JwksError::too_large},
      {std::string(65 * 1024, ' '), JwksError::too_large}};
  for (const auto& [text, expected] : bad) {
    const auto result = KeySet::parse(text);
    ASSERT_FALSE(result) << text.substr(0, 60);
    EXPECT_TRUE(result.error().is(expected)) << text.substr(0, 60) << result.error().describe();
  }
}

}  // namespace
}  // namespace wab::bridge::test
