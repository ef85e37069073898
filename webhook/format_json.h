// What the dialects share: the stored event as JSON, read without surprises. For format_*.cc only.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "storage/store.h"

namespace wab::webhook {

using Json = nlohmann::ordered_json;

inline Json parsed(const storage::EventRow& event) {
  Json out = Json::parse(text(event.body), nullptr, false);
  return out.is_object() ? out : Json::object();
}
// Members of objects that may be missing: an empty object, "" or 0 then.
inline const Json& at(const Json& from, const char* key) {
  static const Json none = Json::object();
  if (!from.is_object()) return none;
  const auto found = from.find(key);
  return found == from.end() ? none : *found;
}
inline std::string str(const Json& from, const char* key) {
  const Json& value = at(from, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}
inline bool flag(const Json& from, const char* key) {
  const Json& value = at(from, key);
  return value.is_boolean() && value.get<bool>();
}
inline Bytes printed(const Json& body) {
  return to_bytes(body.dump(-1, ' ', false, Json::error_handler_t::replace));
}
// "2026-11-24T10:00:00.000Z" to seconds; 0 for anything else.
int64_t seconds_of(const std::string& iso8601);
// The text that a message shows: its body, its caption, or "".
std::string shown_text(const Json& data);
bool is_media(const std::string& kind);
// The number of a JID or "": "15550100002@s.whatsapp.net" is "15550100002".
std::string user_of(const std::string& jid);

}  // namespace wab::webhook
