// The public keys of an identity provider (RFC 7517), as far as they sign identity tokens: RSA
// only.
//
// Pure. A key that cannot be used (another type, "use" or "alg", fewer than 2048 bits, a small or
// even exponent, a private part) is left out, and so are all keys that share one "kid": nobody can
// say which of them is meant. Bounds: 64 KiB, 32 keys, 8192 bits.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "storage/base/bytes.h"
#include "storage/base/result.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace wab::bridge {

enum class JwksError {
  too_large = 1,
  not_json,
  shape,    // no "keys", or not a list of objects
  no_keys,  // none that can be used
};
const ErrorDomain& error_domain(JwksError);

class RsaKey {
 public:
  // Big-endian numbers. Nothing when the key is too weak, too large or no RSA key at all.
  static std::optional<RsaKey> from(ByteView modulus, ByteView exponent);
  // RSASSA-PKCS1-v1_5 with SHA-256 (RS256).
  bool verifies(std::string_view message, ByteView signature) const;

 private:
  explicit RsaKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

class KeySet {
 public:
  static Result<KeySet> parse(std::string_view json);
  const RsaKey* find(std::string_view kid) const;
  size_t size() const { return keys_.size(); }

 private:
  std::map<std::string, RsaKey, std::less<>> keys_;
};

}  // namespace wab::bridge
