// One tenant's webhook as the delivery side needs it. A value; the bridge makes it from its record.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "session/wire/tls_stream.h"
#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/scope.h"

namespace wab::webhook {

enum class WebhookError {
  bad_url = 1,
  bad_secret,
  private_target,
};

// Which deliveries wait for one another.
enum class Ordering : uint8_t { chat, session, none };
// How the body is written (format.h).
enum class BodyFormat : uint8_t { native, waha, evolution, cloud };

struct LiveSecret {
  LiveSecret() = default;
  LiveSecret(std::string secret, UnixMillis last = 0)  // NOLINT: a secret without an end
      : text(std::move(secret)), until(last) {}
  LiveSecret(const char* secret) : text(secret) {}  // NOLINT
  std::string text;                                 // whsec_...
  UnixMillis until = 0;                             // 0: no end
};

struct Endpoint {
  EndpointId id;
  std::string url;
  std::vector<std::string> events;  // "message", "message.*"; empty: all
  std::vector<SessionId> sessions;  // empty: all
  std::vector<LiveSecret> secrets;  // the newest first; all that live sign
  std::vector<std::pair<std::string, std::string>> headers;
  Ordering ordering = Ordering::chat;
  BodyFormat format = BodyFormat::native;
  uint32_t rate_limit = 0;  // attempts per second; 0: none
  bool enabled = true;
  std::string signing_key;                   // whsk_...: signs v1a too; "" when not wished
  std::optional<wire::TlsContext> identity;  // trust and client certificate; none: the dialer's

  bool wants(std::string_view type, const SessionId& session) const;
  std::vector<std::string> secrets_at(UnixMillis now) const;
};

}  // namespace wab::webhook
