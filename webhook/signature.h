// Standard Webhooks 1.0 signatures: HMAC-SHA256 over "id.timestamp.body". Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/secret.h"

namespace wab::webhook {

// "whsec_" and base64 of 24 to 64 bytes.
std::optional<SecretBytes> parse_secret(std::string_view text);
std::string make_secret(Random& random);  // 32 bytes

// "v1,BASE64" for each secret, separated by spaces. Secrets that do not parse are left out.
// With a signing key ("whsk_...") "v1a,BASE64" by Ed25519 follows them.
std::string signature_header(std::string_view id, UnixSeconds timestamp, ByteView body,
                             const std::vector<std::string>& secrets,
                             std::string_view signing_key = {});

// Ed25519: "whsk_" and base64 of the 64-byte secret key; its public half is "whpk_" and base64 of
// 32 bytes.
std::string make_signing_key(Random& random);
std::optional<std::string> public_key_of(std::string_view signing_key);
bool verify_asymmetric(std::string_view header, std::string_view id, UnixSeconds timestamp,
                       ByteView body, std::string_view public_key);

// For receivers and tests: true when one of the signatures is by `secret`.
bool verify_signature(std::string_view header, std::string_view id, UnixSeconds timestamp,
                      ByteView body, std::string_view secret);

}  // namespace wab::webhook
