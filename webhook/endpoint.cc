#include "webhook/endpoint.h"

#include <algorithm>

namespace wab::webhook {
namespace {

bool filter_matches(std::string_view filter, std::string_view type) {
  if (filter == "*") return true;
  if (filter.ends_with(".*")) {
    const auto family = filter.substr(0, filter.size() - 2);
    return type == family || type.starts_with(filter.substr(0, filter.size() - 1));
  }
  return filter == type;
}

}  // namespace

bool Endpoint::wants(std::string_view type, const SessionId& session) const {
  if (!enabled) return false;
  if (!sessions.empty() && std::find(sessions.begin(), sessions.end(), session) == sessions.end()) {
    return false;
  }
  return events.empty() || std::any_of(events.begin(), events.end(), [&](const std::string& one) {
           return filter_matches(one, type);
         });
}

std::vector<std::string> Endpoint::secrets_at(UnixMillis now) const {
  std::vector<std::string> out;
  for (const auto& secret : secrets) {
    if (secret.until == 0 || secret.until > now) out.push_back(secret.text);
  }
  return out;
}

}  // namespace wab::webhook
