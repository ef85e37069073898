// Identity tokens and key sets from anywhere: read without harm, and a token is believed only with
// our signature over what we expect. The first byte chooses what the rest is.
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <string>

#include "bridge/id_token.h"

namespace {

using namespace wab;          // NOLINT
using namespace wab::bridge;  // NOLINT

EVP_PKEY* key() {
  static EVP_PKEY* const made = EVP_RSA_gen(2048);
  return made;
}

std::string number(const char* which) {
  BIGNUM* value = nullptr;
  if (EVP_PKEY_get_bn_param(key(), which, &value) != 1) abort();
  Bytes out(static_cast<size_t>(BN_num_bytes(value)));
  BN_bn2bin(value, out.data());
  BN_free(value);
  return to_base64url(out);
}

const KeySet& keys() {
  static const KeySet set = [] {
    const auto text = R"({"keys":[{"kty":"RSA","kid":"k","n":")" + number(OSSL_PKEY_PARAM_RSA_N) +
                      R"(","e":")" + number(OSSL_PKEY_PARAM_RSA_E) + R"("}]})";
    auto parsed = KeySet::parse(text);
    if (!parsed) abort();
    return std::move(*parsed);
  }();
  return set;
}

std::string sign(std::string_view header, std::string_view payload) {
  const auto message = to_base64url(view(header)) + "." + to_base64url(view(payload));
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Bytes signature(256);
  size_t size = signature.size();
  if (EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key()) != 1 ||
      EVP_DigestSign(context, signature.data(), &size, view(message).data(), message.size()) != 1) {
    abort();
  }
  EVP_MD_CTX_free(context);
  return message + "." + to_base64url(signature);
}

Result<IdClaims> judge(std::string_view token) {
  ExpectedToken expected;
  expected.issuer = "https://i";
  expected.audience = "c";
  expected.nonce = "n";
  return verify_id_token(token, keys(), expected, 1000);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr std::string_view kHeader = R"({"alg":"RS256","kid":"k"})";
  constexpr std::string_view kPayload =
      R"({"iss":"https://i","aud":"c","sub":"1","email":"a@b","email_verified":true,"nonce":"n",)"
      R"("iat":999,"exp":2000})";
  static const std::string good = sign(kHeader, kPayload);
  static const bool accepted = judge(good).has_value();
  if (!accepted) abort();
  switch (data[0] % 4) {
    case 0:
      if (judge(input) && input != good) abort();  // nobody signs without the key
      break;
    case 1:
      (void)KeySet::parse(input);
      break;
    case 2: {
      const auto claims = judge(sign(kHeader, input));
      if (!claims) break;
      if (claims->issuer != "https://i" || claims->subject.empty() ||
          claims->subject.size() > 255 || claims->email.find('@') == std::string::npos) {
        abort();
      }
      break;
    }
    default:
      (void)judge(sign(input, kPayload));
  }
  return 0;
}
