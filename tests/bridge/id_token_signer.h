// An issuer of identity tokens for tests: RSA keys, their JWKS, signatures of any kind and claims.
#pragma once

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "storage/base/bytes.h"

namespace wab::bridge::test {

using nlohmann::json;

class SigningKey {
 public:
  explicit SigningKey(std::string kid, unsigned bits = 2048, unsigned exponent = 65537)
      : kid_(std::move(kid)) {
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
    BIGNUM* e = BN_new();
    BN_set_word(e, exponent);
    EVP_PKEY* made = nullptr;
    EVP_PKEY_keygen_init(context);
    EVP_PKEY_CTX_set_rsa_keygen_bits(context, static_cast<int>(bits));
    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e);
    EVP_PKEY_generate(context, &made);
    key_.reset(made);
    BN_free(e);
    EVP_PKEY_CTX_free(context);
  }

  const std::string& kid() const { return kid_; }
  json jwk() const {
    return {{"kty", "RSA"},
            {"use", "sig"},
            {"alg", "RS256"},
            {"kid", kid_},
            {"n", number(OSSL_PKEY_PARAM_RSA_N)},
            {"e", number(OSSL_PKEY_PARAM_RSA_E)}};
  }
  std::string public_pem() const {
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(out, key_.get());
    char* data = nullptr;
    const auto size = BIO_get_mem_data(out, &data);
    std::string text(data, static_cast<size_t>(size));
    BIO_free(out);
    return text;
  }

  enum class Padding { pkcs1, pss };
  Bytes sign(std::string_view message, const EVP_MD* digest = EVP_sha256(),
             Padding padding = Padding::pkcs1) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_PKEY_CTX* options = nullptr;
    EVP_DigestSignInit(context, &options, digest, nullptr, key_.get());
    EVP_PKEY_CTX_set_rsa_padding(
        options, padding == Padding::pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING);
    size_t size = 0;
    const auto bytes = view(message);
    EVP_DigestSign(context, nullptr, &size, bytes.data(), bytes.size());
    Bytes out(size);
    EVP_DigestSign(context, out.data(), &size, bytes.data(), bytes.size());
    out.resize(size);
    EVP_MD_CTX_free(context);
    return out;
  }
  // header.payload.signature of these very texts.
  std::string token(const std::string& header, const std::string& payload) const {
    const auto message = to_base64url(view(header)) + "." + to_base64url(view(payload));
    return message + "." + to_base64url(sign(message));
  }
  std::string token(const json& claims) const {
    return token(json{{"alg", "RS256"}, {"typ", "JWT"}, {"kid", kid_}}.dump(), claims.dump());
  }

 private:
  std::string number(const char* which) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), which, &value);
    Bytes out(static_cast<size_t>(BN_num_bytes(value)));
    BN_bn2bin(value, out.data());
    BN_free(value);
    return to_base64url(out);
  }
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  std::unique_ptr<EVP_PKEY, Free> key_;
  std::string kid_;
};

inline std::string hmac_sha256(std::string_view key, std::string_view message) {
  Bytes out(32);
  unsigned size = 32;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), view(message).data(), message.size(),
       out.data(), &size);
  return to_base64url(out);
}

}  // namespace wab::bridge::test
