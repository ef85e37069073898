// One tenant's webhook as the delivery side needs it. A value; the bridge makes it from its record.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/scope.h"

namespace wab::webhook {

enum class WebhookError {
  bad_url = 1,
  bad_secret,
  private_target,
};

struct Endpoint {
  EndpointId id;
  std::string url;
  std::vector<std::string> events;   // "message", "message.*"; empty: all
  std::vector<SessionId> sessions;   // empty: all
  std::vector<std::string> secrets;  // whsec_..., the newest first; all of them sign
  std::vector<std::pair<std::string, std::string>> headers;
  bool ordered = true;  // order per chat
  bool enabled = true;

  bool wants(std::string_view type, const SessionId& session) const;
};

}  // namespace wab::webhook
