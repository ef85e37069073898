#include "bridge/schema_check.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "bridge/json_pointer.h"
#include "bridge/openapi.h"
#include "bridge/router.h"
#include "storage/base/log.h"

namespace wab::bridge {
namespace {

using nlohmann::json;
using valijson::adapters::NlohmannJsonAdapter;
using Compiled = std::unique_ptr<valijson::Schema>;

// std::regex recurses once and more per character.
constexpr int64_t kLongestMatched = 4096;

bool patterns_are_bounded(const json& schema) {
  if (schema.is_object() && schema.contains("pattern") && schema["pattern"].is_string() &&
      schema.value("maxLength", kLongestMatched + 1) > kLongestMatched) {
    return false;
  }
  if (!schema.is_structured()) return true;
  for (const auto& inner : schema) {
    if (!patterns_are_bounded(inner)) return false;
  }
  return true;
}

Compiled compiled(const json& schema, const std::string& what) {
  if (!patterns_are_bounded(schema)) throw std::runtime_error(what + ": a pattern without bound");
  auto out = std::make_unique<valijson::Schema>();
  valijson::SchemaParser parser;
  parser.populateSchema(NlohmannJsonAdapter(schema), *out);
  return out;
}

// The parameters of a query as one object, and their names with a number for a value.
json query_schema(const json& operation, bool open) {
  json properties = json::object(), required = json::array();
  for (const auto& one : operation.value("parameters", json::array())) {
    if (one["in"] != "query") continue;
    properties[one["name"].get<std::string>()] = one["schema"];
    if (one["required"] == true) required.push_back(one["name"]);
  }
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"additionalProperties", open},
          {"required", std::move(required)}};
}

struct Judged {
  Compiled body, query;
  std::vector<std::string> numbers;  // parameters of the query
};
using Table = std::unordered_map<const Route*, Judged>;

Table build() {
  const json document = json::parse(openapi_document());
  Table out;
  for (const auto& table : all_routes()) {
    for (const auto& route : table) {
      std::string method(route.method);
      for (auto& c : method) c = static_cast<char>(std::tolower(c));
      const json& operation = document["paths"][std::string(route.pattern)][method];
      const std::string name(route.name);
      Judged judged;
      if (route.body) {
        const auto reference =
            operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                .get<std::string>();
        judged.body = compiled(document.at(json::json_pointer(reference.substr(1))), name);
      }
      const json query = query_schema(operation, route.query && route.query->open);
      judged.query = compiled(query, name + "?");
      for (const auto& [key, schema] : query["properties"].items()) {
        if (schema["type"] == "integer") judged.numbers.push_back(key);
      }
      out.emplace(&route, std::move(judged));
    }
  }
  return out;
}

Table& table() {
  static Table instance = build();
  return instance;
}

// "<root>", "[text]", "[body]" to "/text/body".
std::string pointer_of(const std::vector<std::string>& context) {
  std::string out;
  for (size_t i = 1; i < context.size(); ++i) {
    std::string_view part = context[i];
    if (part.size() >= 2 && part.front() == '[') part = part.substr(1, part.size() - 2);
    out += "/" + pointer_part(part);
  }
  return out;
}

bool holds_nul(const json& value) {
  if (const auto* text = value.get_ptr<const std::string*>()) return text->find('\0') != text->npos;
  if (!value.is_structured()) return false;
  for (const auto& [key, inner] : value.items()) {
    if (key.find('\0') != key.npos || holds_nul(inner)) return true;
  }
  return false;
}

// The library takes U+0000 for the end of a text when it counts; U+0001 is as good to every pattern
// of ours.
json without_nul(const json& value) {
  auto plain = [](std::string text) {
    std::replace(text.begin(), text.end(), '\0', '\1');
    return text;
  };
  if (value.is_string()) return plain(value.get<std::string>());
  if (!value.is_structured()) return value;
  json out = value.is_array() ? json::array() : json::object();
  for (const auto& [key, inner] : value.items()) {
    if (value.is_array()) {
      out.push_back(without_nul(inner));
    } else {
      out[plain(key)] = without_nul(inner);
    }
  }
  return out;
}

std::optional<FieldError> refuted(const valijson::Schema& schema, const json& value) {
  if (holds_nul(value)) return refuted(schema, without_nul(value));
  // It keeps the regular expressions that it has met.
  thread_local valijson::Validator validator;
  try {
    valijson::ValidationResults results;
    if (validator.validate(schema, NlohmannJsonAdapter(value), &results)) return std::nullopt;
    valijson::ValidationResults::Error first;
    // Without a word it refuses names of properties.
    if (!results.popError(first)) return FieldError{"", "is not what the document says"};
    return FieldError{pointer_of(first.context), "is not what the document says"};
  } catch (const std::exception&) {
    return FieldError{"", "cannot be judged"};
  }
}

}  // namespace

tl::expected<void, std::string> compile_schemas() {
  try {
    (void)table();
    return {};
  } catch (const std::exception& error) {
    return tl::unexpected(std::string("openapi: ") + error.what());
  }
}

std::optional<FieldError> refuted_body(const Route& route, const json& body) {
  return refuted(*table().at(&route).body, body);
}

std::optional<FieldError> refuted_query(const Route& route, const Query& query) {
  const auto& judged = table().at(&route);
  json object = json::object();
  for (const auto& [name, value] : query) {
    json typed = value;
    if (std::find(judged.numbers.begin(), judged.numbers.end(), name) != judged.numbers.end()) {
      int64_t number = 0;
      const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (ec == std::errc() && end == value.data() + value.size()) typed = number;
    }
    object[name] = std::move(typed);
  }
  auto wrong = refuted(*judged.query, object);
  if (wrong)
    wrong->pointer = "?" + wrong->pointer.substr(std::min<size_t>(1, wrong->pointer.size()));
  return wrong;
}

void judge_otherwise_for_tests(const Route& route, const json& schema) {
  auto& body = table().at(&route).body;
  body = schema.is_null() ? std::move(build().at(&route).body) : compiled(schema, "for tests");
}

void make_whole(json& value) {
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::trunc(number) == number && std::abs(number) < 9e15) {
      value = static_cast<int64_t>(number);
    }
  } else if (value.is_structured()) {
    for (auto& inner : value) make_whole(inner);
  }
}

}  // namespace wab::bridge
