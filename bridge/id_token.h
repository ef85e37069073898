// Proof of identity from an OpenID provider: one signed token to its claims, or why not.
//
// Pure. Compact JWS with RS256 and nothing else (OpenID Connect Core 3.1.3.7, RFC 8725): the key is
// looked up by "kid" in the provider's own set, keys or addresses of keys in the token are an
// error, and nothing of the payload is read before the signature holds. JSON and base64url are
// strict: one reading each. Bounded: 16 KiB.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "bridge/jwks.h"
#include "storage/base/clock.h"

namespace wab::bridge {

enum class IdTokenError {
  too_large = 1,
  form,          // not three non-empty parts of base64url
  json,          // header or payload is not one strict JSON object
  algorithm,     // not RS256
  type,          // "typ" says that this is something else
  extension,     // "crit", "b64" or a compressed payload: rules that we do not know
  key_in_token,  // jwk, jku, x5c or x5u
  no_key_id,
  unknown_key,  // a fresh set of keys may have it
  signature,
  issuer,
  audience,
  party,  // azp
  time,   // exp or iat missing, not whole numbers, or in the wrong order
  expired,
  early,  // iat or nbf in the future
  nonce,
  subject,
  email,   // missing, or not verified
  domain,  // hd is not one of ours
};
const ErrorDomain& error_domain(IdTokenError);

struct ExpectedToken {
  std::string_view issuer;               // compared byte by byte
  std::string_view audience;             // our client id
  std::string_view nonce;                // of this very sign-in; never empty
  std::span<const std::string> domains;  // values of "hd" that may sign in; empty: any, or none
};

struct IdClaims {
  std::string issuer, subject;  // together the identity
  std::string email;            // verified by the issuer; for people to read, never a key
  std::string domain;           // hd, "" without one
};

inline constexpr UnixSeconds kTokenSkew = 60;

Result<IdClaims> verify_id_token(std::string_view token, const KeySet& keys,
                                 const ExpectedToken& expected, UnixSeconds now);

}  // namespace wab::bridge
