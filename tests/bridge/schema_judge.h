// A second opinion on bodies: judges JSON by a printed JSON Schema, knowing nothing of Shape.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

namespace wab::bridge::test {

inline bool is_of_type(const nlohmann::json& value, const std::string& type) {
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "null") return value.is_null();
  if (type == "integer") {
    return value.is_number() && std::trunc(value.get<double>()) == value.get<double>();
  }
  return type == "number" && value.is_number();
}

inline size_t code_points(const std::string& text) {
  size_t count = 0;
  for (const char c : text) count += (c & 0xc0) != 0x80;
  return count;
}

inline bool satisfies(const nlohmann::json& schema, const nlohmann::json& value) {
  using nlohmann::json;
  if (schema.contains("type")) {
    const json types = schema["type"].is_array() ? schema["type"] : json::array({schema["type"]});
    bool any = false;
    for (const auto& type : types) any = any || is_of_type(value, type.get<std::string>());
    if (!any) return false;
  }
  if (schema.contains("enum")) {
    bool any = false;
    for (const auto& one : schema["enum"]) any = any || one == value;
    if (!any) return false;
  }
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    const auto size = code_points(text);
    if (schema.contains("minLength") && size < schema["minLength"].get<size_t>()) return false;
    if (schema.contains("maxLength") && size > schema["maxLength"].get<size_t>()) return false;
    if (schema.contains("pattern") &&
        !std::regex_search(text, std::regex(schema["pattern"].get<std::string>()))) {
      return false;
    }
    if (schema.contains("x-seconds")) {
      // A span of time: digits and s, m, h or d, as the pattern has made sure.
      const int64_t unit = text.back() == 'd'   ? 86400
                           : text.back() == 'h' ? 3600
                           : text.back() == 'm' ? 60
                                                : 1;
      const int64_t seconds = std::stoll(text) * unit;
      if (seconds < schema["x-seconds"]["minimum"] || seconds > schema["x-seconds"]["maximum"]) {
        return false;
      }
    }
  }
  if (value.is_number()) {
    if (schema.contains("minimum") && value < schema["minimum"]) return false;
    if (schema.contains("maximum") && value > schema["maximum"]) return false;
  }
  if (value.is_array()) {
    if (schema.contains("minItems") && value.size() < schema["minItems"].get<size_t>())
      return false;
    if (schema.contains("maxItems") && value.size() > schema["maxItems"].get<size_t>())
      return false;
    if (schema.contains("items")) {
      for (const auto& item : value) {
        if (!satisfies(schema["items"], item)) return false;
      }
    }
  }
  if (value.is_object()) {
    if (schema.contains("minProperties") && value.size() < schema["minProperties"].get<size_t>()) {
      return false;
    }
    if (schema.contains("maxProperties") && value.size() > schema["maxProperties"].get<size_t>()) {
      return false;
    }
    for (const auto& name : schema.value("required", json::array())) {
      if (!value.contains(name.get<std::string>())) return false;
    }
    for (const auto& [name, inner] : value.items()) {
      if (schema.contains("propertyNames") && !satisfies(schema["propertyNames"], json(name))) {
        return false;
      }
      if (schema.contains("properties") && schema["properties"].contains(name)) {
        if (!satisfies(schema["properties"][name], inner)) return false;
      } else if (schema.contains("additionalProperties")) {
        const auto& more = schema["additionalProperties"];
        if (more.is_boolean() ? !more.get<bool>() : !satisfies(more, inner)) return false;
      }
    }
  }
  return true;
}

}  // namespace wab::bridge::test
