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
std::string signature_header(std::string_view id, UnixSeconds timestamp, ByteView body,
                             const std::vector<std::string>& secrets);

// For receivers and tests: true when one of the signatures is by `secret`.
bool verify_signature(std::string_view header, std::string_view id, UnixSeconds timestamp,
                      ByteView body, std::string_view secret);

}  // namespace wab::webhook
