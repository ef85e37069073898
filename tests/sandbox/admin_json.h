// Reading JSON bodies without surprises: wrong types read as absent. For the admin_*.cc files.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "storage/base/bytes.h"

namespace wab::sandbox {

using Json = nlohmann::json;

// Nothing unless the body is one JSON value.
inline std::optional<Json> parse_json(ByteView body) {
  Json out = Json::parse(body.begin(), body.end(), nullptr, false);
  if (out.is_discarded()) return std::nullopt;
  return out;
}
inline const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}
inline std::string string_of(const Json& object, const char* key) {
  const Json* found = member(object, key);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}
inline std::optional<int64_t> integer_of(const Json& object, const char* key) {
  const Json* found = member(object, key);
  if (found == nullptr || !found->is_number_integer()) return std::nullopt;
  return found->get<int64_t>();
}
inline bool flag_of(const Json& object, const char* key) {
  const Json* found = member(object, key);
  return found != nullptr && found->is_boolean() && found->get<bool>();
}

}  // namespace wab::sandbox
