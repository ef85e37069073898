#include "bridge/routes/session_json.h"

#include <nlohmann/json.hpp>

namespace wab::bridge {

using nlohmann::json;

namespace {

json time_or_null(UnixMillis at) { return at == 0 ? json(nullptr) : json(to_iso8601(at)); }

// "socks5://user:secret@host:1" without the secret.
std::string without_password(const std::string& proxy) {
  const auto slashes = proxy.find("://");
  const auto at = proxy.rfind('@');
  if (slashes == std::string::npos || at == std::string::npos || at < slashes) return proxy;
  const auto colon = proxy.find(':', slashes + 3);
  if (colon == std::string::npos || colon > at) return proxy;
  return proxy.substr(0, colon) + ":***" + proxy.substr(at);
}

}  // namespace

json status_json(const session::StatusView& status) {
  json out = {{"status", session::status_word(status.status)},
              {"reason", nullptr},
              {"since", time_or_null(status.since)},
              {"me", nullptr},
              {"last_seen_at", time_or_null(status.last_frame)}};
  if (!status.reason.code.empty()) {
    out["reason"] = {{"code", status.reason.code},
                     {"message", status.reason.message},
                     {"next", status.reason.next}};
  }
  if (!status.pn.empty()) {
    out["me"] = {{"id", status.pn + "@s.whatsapp.net"},
                 {"pn", status.pn},
                 {"lid", status.lid},
                 {"push_name", status.push_name}};
  }
  return out;
}

json session_json(const SessionView& view) {
  json out = status_json(view.status);
  out["id"] = view.id.text();
  out["name"] = view.settings.name;
  out["started"] = view.wanted;
  out["metadata"] = json::object();
  for (const auto& [name, value] : view.settings.metadata) out["metadata"][name] = value;
  out["proxy"] = nullptr;
  if (!view.settings.proxy.empty()) out["proxy"] = without_password(view.settings.proxy);
  out["created_at"] = to_iso8601(view.created_at);
  out["updated_at"] = to_iso8601(view.updated_at);
  return out;
}

}  // namespace wab::bridge
