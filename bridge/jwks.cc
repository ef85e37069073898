#include "bridge/jwks.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "bridge/strict_json.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr size_t kMaxDocument = 64 * 1024;
constexpr size_t kMaxKeys = 32;
constexpr size_t kMaxKid = 256;
constexpr int kMinBits = 2048, kMaxBits = 8192;
constexpr size_t kMaxExponent = 8;  // bytes
constexpr uint64_t kMinExponent = 65537;

const char* name(int code) {
  switch (static_cast<JwksError>(code)) {
    case JwksError::too_large:
      return "too_large";
    case JwksError::not_json:
      return "not_json";
    case JwksError::shape:
      return "shape";
    case JwksError::no_keys:
      return "no_keys";
  }
  return "unknown";
}

struct Free {
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* params) const { OSSL_PARAM_free(params); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIGNUM> number_of(ByteView bytes) {
  return Owned<BIGNUM>(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// True when the member is absent or has this value: a key made for something else stays out.
bool absent_or(const json& object, const char* key, std::string_view value) {
  return !object.contains(key) || text_of(object, key) == value;
}

bool may_verify(const json& object) {
  const auto found = object.find("key_ops");
  if (found == object.end()) return true;
  return found->is_array() && std::find(found->begin(), found->end(), "verify") != found->end();
}

std::optional<RsaKey> read_key(const json& object) {
  if (text_of(object, "kty") != "RSA" || !absent_or(object, "use", "sig") ||
      !absent_or(object, "alg", "RS256") || !may_verify(object) || object.contains("d")) {
    return std::nullopt;
  }
  const auto modulus = from_base64url(text_of(object, "n"));
  const auto exponent = from_base64url(text_of(object, "e"));
  if (!modulus || !exponent) return std::nullopt;
  return RsaKey::from(*modulus, *exponent);
}

}  // namespace

const ErrorDomain& error_domain(JwksError) {
  static constexpr ErrorDomain domain{"jwks", name};
  return domain;
}

std::optional<RsaKey> RsaKey::from(ByteView modulus, ByteView exponent) {
  if (modulus.size() > kMaxBits / 8 || exponent.empty() || exponent.size() > kMaxExponent) {
    return std::nullopt;
  }
  uint64_t small = 0;
  for (const uint8_t byte : exponent) small = small << 8 | byte;
  const auto n = number_of(modulus), e = number_of(exponent);
  if (!n || !e || BN_num_bits(n.get()) < kMinBits || !BN_is_odd(n.get()) || small < kMinExponent ||
      small % 2 == 0) {
    return std::nullopt;
  }
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!builder || !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) ||
      !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get())) {
    return std::nullopt;
  }
  const Owned<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(builder.get()));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return std::nullopt;
  }
  return RsaKey(std::shared_ptr<EVP_PKEY>(made, EVP_PKEY_free));
}

bool RsaKey::verifies(std::string_view message, ByteView signature) const {
  if (signature.size() != static_cast<size_t>(EVP_PKEY_get_size(key_.get()))) return false;
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* padding = nullptr;
  if (!context ||
      EVP_DigestVerifyInit(context.get(), &padding, EVP_sha256(), nullptr, key_.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PADDING) != 1) {
    return false;
  }
  const auto bytes = view(message);
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes.data(),
                          bytes.size()) == 1;
}

Result<KeySet> KeySet::parse(std::string_view text) {
  if (text.size() > kMaxDocument) return fail(JwksError::too_large, "document");
  const auto document = parse_strict_json(text);
  if (!document) return fail(JwksError::not_json, "document");
  if (!document->is_object()) return fail(JwksError::shape, "document");
  const auto keys = document->find("keys");
  if (keys == document->end() || !keys->is_array()) return fail(JwksError::shape, "keys");
  if (keys->size() > kMaxKeys) return fail(JwksError::too_large, "keys");

  KeySet out;
  std::set<std::string> seen;
  for (const auto& object : *keys) {
    if (!object.is_object()) return fail(JwksError::shape, "key");
    std::string kid = text_of(object, "kid");
    if (kid.empty() || kid.size() > kMaxKid) continue;
    if (!seen.insert(kid).second) {
      out.keys_.erase(kid);
      continue;
    }
    if (auto key = read_key(object)) out.keys_.emplace(std::move(kid), std::move(*key));
  }
  if (out.keys_.empty()) return fail(JwksError::no_keys, "keys");
  return out;
}

const RsaKey* KeySet::find(std::string_view kid) const {
  const auto found = keys_.find(kid);
  return found == keys_.end() ? nullptr : &found->second;
}

}  // namespace wab::bridge
