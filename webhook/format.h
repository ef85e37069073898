// The body of a delivery in the dialect that a tenant's program already speaks. Pure functions of
// the stored event: the same bytes on every attempt.
//
// What a dialect has no word for is sent in the native form inside the dialect's frame, so that
// nothing is left out. Fields and spellings are those of the public documentation of WAHA
// (webhooks), Evolution API (webhook events) and Meta's Cloud API (webhook payloads).
#pragma once

#include <string>
#include <vector>

#include "session/wire/http_message.h"
#include "storage/store.h"
#include "webhook/endpoint.h"

namespace wab::webhook {

// Event types that a dialect does not know keep their own name.
Bytes format_body(BodyFormat format, const storage::EventRow& event);
Bytes format_waha(const storage::EventRow& event);
Bytes format_evolution(const storage::EventRow& event);
Bytes format_cloud(const storage::EventRow& event);

// The dialect's own signature over `body`, beside Standard Webhooks: WAHA's X-Webhook-Hmac
// (SHA-512, hex), the Cloud API's X-Hub-Signature-256. The key is the text of the newest secret.
void add_dialect_headers(BodyFormat format, std::string_view secret, std::string_view id,
                         UnixMillis now, ByteView body, wire::HttpFields& headers);

std::string_view format_word(BodyFormat format);  // "native"

}  // namespace wab::webhook
