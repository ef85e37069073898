#include "webhook/format.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdexcept>

namespace wab::webhook {
namespace {

std::string hmac_hex(const EVP_MD* digest, std::string_view key, ByteView data) {
  uint8_t out[EVP_MAX_MD_SIZE];
  unsigned size = sizeof(out);
  if (HMAC(digest, key.data(), static_cast<int>(key.size()), data.data(), data.size(), out,
           &size) == nullptr) {
    throw std::logic_error("HMAC");
  }
  return to_hex(ByteView(out, size));
}

}  // namespace

std::string_view format_word(BodyFormat format) {
  switch (format) {
    case BodyFormat::native:
      return "native";
    case BodyFormat::waha:
      return "waha";
    case BodyFormat::evolution:
      return "evolution";
    case BodyFormat::cloud:
      return "cloud";
  }
  return "native";
}

Bytes format_body(BodyFormat format, const storage::EventRow& event) {
  switch (format) {
    case BodyFormat::native:
      return event.body;
    case BodyFormat::waha:
      return format_waha(event);
    case BodyFormat::evolution:
      return format_evolution(event);
    case BodyFormat::cloud:
      return format_cloud(event);
  }
  return event.body;
}

void add_dialect_headers(BodyFormat format, std::string_view secret, std::string_view id,
                         UnixMillis now, ByteView body, wire::HttpFields& headers) {
  if (format == BodyFormat::waha) {
    headers.set("x-webhook-request-id", std::string(id));
    headers.set("x-webhook-timestamp", std::to_string(now));
    headers.set("x-webhook-hmac", hmac_hex(EVP_sha512(), secret, body));
    headers.set("x-webhook-hmac-algorithm", "sha512");
  } else if (format == BodyFormat::cloud) {
    headers.set("x-hub-signature-256", "sha256=" + hmac_hex(EVP_sha256(), secret, body));
  }
}

}  // namespace wab::webhook
