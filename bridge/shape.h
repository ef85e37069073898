// Description of a JSON body or of a query: one constant table that validates and prints its JSON
// Schema, so that document and behaviour cannot part.
//
// Pure. Validation reports every error at once with its JSON pointer; a field that is not in the
// table is refused.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wab::bridge {

enum class Type : uint8_t {
  string,
  integer,
  boolean,
  object,    // `shape`
  array,     // of `item`
  map,       // text to text
  duration,  // whole seconds, or text such as "90d"
  any,       // only in answers
};

// Each has a pattern in the printed schema that accepts the same texts.
enum class Format : uint8_t {
  none,
  http_url,     // http:// or https:// and a host; no blanks, fragment or user
  phone,        // digits of an E.164 number, "+" allowed in front
  recipient,    // a phone, or a JID
  email,        // one @, no blanks
  name,         // not blank at either end, no control characters
  proxy,        // http:// or socks5://
  header_name,  // keys of a map: RFC 9110 tokens
  header_value,
  event_type,  // "message", "message.ack", "message.*"
};

struct Shape;

struct Field {
  std::string_view name;
  Type type = Type::string;
  bool required = false;
  int64_t min = 0;    // characters, value, items or entries
  int64_t max = 255;  // both inclusive
  Format format = Format::none;
  std::span<const std::string_view> one_of = {};
  const Shape* shape = nullptr;
  Type item = Type::string;
  Format item_format = Format::none;
  int64_t item_max = 255;
  bool nullable = false;
  std::string_view about = {};
};

struct Shape {
  std::string_view name;  // under components/schemas
  std::span<const Field> fields;
  int64_t min_fields = 0;  // at least so many must be given: 1 in a PATCH
  bool open = false;       // of a query: unknown parameters are ignored, as OAuth asks of a client
};

struct FieldError {
  std::string pointer;  // RFC 6901; of a query parameter "?limit"
  std::string message;
  bool operator==(const FieldError&) const = default;
};

std::vector<FieldError> validate(const Shape& shape, const nlohmann::json& body);

// A query as decoded pairs. Integers are checked as such; the values stay text. A parameter given
// twice is an error.
using Query = std::vector<std::pair<std::string, std::string>>;
std::vector<FieldError> validate_query(const Shape& shape, const Query& query);

// JSON Schema 2020-12 of the shape (nested shapes inlined), and of one field.
nlohmann::json schema_of(const Shape& shape);
nlohmann::json schema_of(const Field& field);

// The pattern of a format; "" for none.
std::string_view pattern_of(Format format);
bool matches(Format format, std::string_view text);

}  // namespace wab::bridge
