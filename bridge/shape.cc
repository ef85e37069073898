#include "bridge/shape.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bridge/config.h"
#include "bridge/json_pointer.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_visible(char c) { return c > ' ' && c < 0x7f; }

bool all(std::string_view text, bool (*accept)(char)) {
  return std::all_of(text.begin(), text.end(), accept);
}

// scheme://host[:port][/path][?query]; the schemes are given without "://".
bool is_url(std::string_view text, std::initializer_list<std::string_view> schemes) {
  for (const auto scheme : schemes) {
    if (!text.starts_with(scheme) || text.substr(scheme.size(), 3) != "://") continue;
    const auto rest = text.substr(scheme.size() + 3);
    const auto host = rest.substr(0, rest.find_first_of("/?"));
    return !host.empty() && all(rest, is_visible) && rest.find('#') == std::string_view::npos &&
           host.find_first_of("@\\") == std::string_view::npos;
  }
  return false;
}

bool is_phone(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return text.size() >= 7 && text.size() <= 15 && all(text, is_digit) && text.front() != '0';
}

bool is_jid(std::string_view text) {
  const auto at = text.find('@');
  if (at == std::string_view::npos || at == 0 || at > 64) return false;
  const auto user = text.substr(0, at), server = text.substr(at + 1);
  return all(user,
             [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.' || c == ':'; }) &&
         (server == "s.whatsapp.net" || server == "lid" || server == "g.us");
}

bool is_email(std::string_view text) {
  const auto at = text.find('@');
  return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
         text.find('@', at + 1) == std::string_view::npos && all(text, is_visible);
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool is_event_type(std::string_view text) {
  if (text == "*") return true;
  bool start = true;  // of a dotted part
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (start) return false;
      start = true;
    } else if (c == '*') {
      return start && i > 0 && i + 1 == text.size();
    } else if (c == '_' || is_alnum(c)) {
      start = false;
    } else {
      return false;
    }
  }
  return !start;
}

// What JSON Schema counts: code points.
int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
}

const char* wanted(Format format) {
  switch (format) {
    case Format::none:
      return "";
    case Format::http_url:
      return "must be a URL with http:// or https://, without user or fragment";
    case Format::phone:
      return "must be a phone number in international form, digits only";
    case Format::recipient:
      return "must be a phone number in international form or a WhatsApp address";
    case Format::email:
      return "must be an e-mail address";
    case Format::name:
      return "must not be blank at either end nor hold control characters";
    case Format::proxy:
      return "must be a URL with http:// or socks5://";
    case Format::header_name:
      return "must be a header name";
    case Format::header_value:
      return "must be printable ASCII";
    case Format::event_type:
      return "must be an event type such as message, message.ack or message.*";
  }
  return "";
}

class Judge {
 public:
  std::vector<FieldError> errors;

  void object(const Shape& shape, const json& value, const std::string& at) {
    if (!value.is_object()) return add(at, "must be an object");
    for (const auto& [key, inner] : value.items()) {
      const auto* field = std::find_if(
          shape.fields.data(), shape.fields.data() + shape.fields.size(),
          [&, name = std::string_view(key)](const Field& f) { return f.name == name; });
      const std::string pointer = at + "/" + pointer_part(key);
      if (field == shape.fields.data() + shape.fields.size()) {
        add(pointer, "is not a known field");
      } else {
        one(*field, inner, pointer);
      }
    }
    for (const auto& field : shape.fields) {
      if (field.required && !value.contains(field.name)) {
        add(at + "/" + std::string(field.name), "is required");
      }
    }
    if (static_cast<int64_t>(value.size()) < shape.min_fields) {
      add(at, "must have at least " + std::to_string(shape.min_fields) + " field");
    }
  }

  void one(const Field& field, const json& value, const std::string& at) {
    if (value.is_null() && field.nullable) return;
    switch (field.type) {
      case Type::string:
        return string(value, field.min, field.max, field.format, field.one_of, at);
      case Type::integer:
        return integer(field, value, at);
      case Type::boolean:
        if (!value.is_boolean()) add(at, "must be true or false");
        return;
      case Type::object:
        return object(*field.shape, value, at);
      case Type::array:
        return array(field, value, at);
      case Type::map:
        return map(field, value, at);
      case Type::duration:
        return duration(field, value, at);
      case Type::any:
        return;
    }
  }

  void string(const json& value, int64_t min, int64_t max, Format format,
              std::span<const std::string_view> one_of, const std::string& at) {
    const auto* text = value.get_ptr<const std::string*>();
    if (!text) return add(at, "must be a text");
    const auto size = characters(*text);
    if (size < min || size > max) {
      return add(at,
                 "must have " + std::to_string(min) + " to " + std::to_string(max) + " characters");
    }
    if (!one_of.empty() && std::find(one_of.begin(), one_of.end(), *text) == one_of.end()) {
      std::string list;
      for (const auto option : one_of) list += (list.empty() ? "" : ", ") + std::string(option);
      return add(at, "must be one of: " + list);
    }
    if (!matches(format, *text)) add(at, wanted(format));
  }

 private:
  void add(std::string pointer, std::string message) {
    if (errors.size() < 100) errors.push_back({std::move(pointer), std::move(message)});
  }
  void integer(const Field& field, const json& value, const std::string& at) {
    // 1.0 is a whole number too, as in JSON Schema.
    const bool fits =
        value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
        : value.is_number_float()  ? std::trunc(value.get<double>()) == value.get<double>() &&
                                        std::abs(value.get<double>()) < 9e15
                                  : value.is_number_integer();
    if (!fits) return add(at, "must be a whole number");
    const auto number = value.get<int64_t>();
    if (number < field.min || number > field.max) {
      add(at, "must be from " + std::to_string(field.min) + " to " + std::to_string(field.max));
    }
  }
  void array(const Field& field, const json& value, const std::string& at) {
    if (!value.is_array()) return add(at, "must be a list");
    const auto size = static_cast<int64_t>(value.size());
    if (size < field.min || size > field.max) {
      return add(at, "must have " + std::to_string(field.min) + " to " + std::to_string(field.max) +
                         " items");
    }
    for (size_t i = 0; i < value.size(); ++i) {
      const std::string pointer = at + "/" + std::to_string(i);
      if (field.item == Type::object) {
        object(*field.shape, value[i], pointer);
      } else {
        string(value[i], 1, field.item_max, field.item_format, field.one_of, pointer);
      }
    }
  }
  void map(const Field& field, const json& value, const std::string& at) {
    if (!value.is_object()) return add(at, "must be an object of texts");
    if (static_cast<int64_t>(value.size()) > field.max) {
      return add(at, "must have at most " + std::to_string(field.max) + " entries");
    }
    for (const auto& [key, inner] : value.items()) {
      const std::string pointer = at + "/" + pointer_part(key);
      if (key.empty() || characters(key) > 64 || !matches(field.format, key)) {
        add(pointer, "has a key that is empty, too long or not allowed");
      }
      string(inner, 0, field.item_max, field.item_format, {}, pointer);
    }
  }
  void duration(const Field& field, const json& value, const std::string& at) {
    if (value.is_number()) return integer(field, value, at);
    const auto* text = value.get_ptr<const std::string*>();
    const auto parsed = text && text->size() <= 8 && !text->empty() && !is_digit(text->back())
                            ? parse_duration(*text)
                            : std::nullopt;
    if (!parsed) return add(at, "must be whole seconds or a text such as \"90d\"");
    if (parsed->count() < field.min || parsed->count() > field.max) {
      add(at, "must be from " + std::to_string(field.min) + " to " + std::to_string(field.max) +
                  " seconds");
    }
  }
};

}  // namespace

std::string_view pattern_of(Format format) {
  switch (format) {
    case Format::none:
      return "";
    case Format::http_url:
      return R"(^https?://[!"$-.0-;<->A-\[\]-~]+([/?][!"$-~]*)?$)";
    case Format::phone:
      return R"(^\+?[1-9][0-9]{6,14}$)";
    case Format::recipient:
      return R"(^(\+?[1-9][0-9]{6,14}|[A-Za-z0-9._:-]{1,64}@(s\.whatsapp\.net|lid|g\.us))$)";
    case Format::email:
      return R"(^[!-?A-~]+@[!-?A-~]+$)";
    case Format::name:
      return R"(^[^\u0000-\u0020\u007f]([^\u0000-\u001f\u007f]*[^\u0000-\u0020\u007f])?$)";
    case Format::proxy:
      return R"(^(http|socks5)://[!"$-.0-;<->@-\[\]-~]+([/?][!"$-~]*)?$)";
    case Format::header_name:
      return R"(^[A-Za-z0-9!#$%&'*+.^_`|~-]+$)";
    case Format::header_value:
      return R"(^([!-~]([ -~]*[!-~])?)?$)";
    case Format::event_type:
      return R"(^(\*|[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*(\.\*)?)$)";
  }
  return "";
}

bool matches(Format format, std::string_view text) {
  switch (format) {
    case Format::none:
      return true;
    case Format::http_url:
      return is_url(text, {"https", "http"});
    case Format::phone:
      return is_phone(text);
    case Format::recipient:
      return is_phone(text) || is_jid(text);
    case Format::email:
      return is_email(text);
    case Format::name:
      return !text.empty() && text.front() != ' ' && text.back() != ' ' &&
             std::none_of(text.begin(), text.end(), is_control);
    case Format::proxy: {
      // A proxy may carry a user and a password.
      const auto slashes = text.find("://");
      const auto scheme = text.substr(0, slashes);
      if (slashes == std::string_view::npos || (scheme != "http" && scheme != "socks5"))
        return false;
      const auto rest = text.substr(slashes + 3);
      const auto host = rest.substr(0, rest.find_first_of("/?"));
      return !host.empty() && all(rest, is_visible) && rest.find('#') == std::string_view::npos &&
             host.find('\\') == std::string_view::npos;
    }
    case Format::header_name:
      return !text.empty() && all(text, [](char c) {
        return is_alnum(c) || std::string_view("!#$%&'*+.^_`|~-").find(c) != std::string_view::npos;
      });
    case Format::header_value:
      return text.empty() || (text.front() != ' ' && text.back() != ' ' &&
                              all(text, [](char c) { return c >= ' ' && c < 0x7f; }));
    case Format::event_type:
      return is_event_type(text);
  }
  return false;
}

std::vector<FieldError> validate(const Shape& shape, const json& body) {
  Judge judge;
  judge.object(shape, body, "");
  return std::move(judge.errors);
}

std::vector<FieldError> validate_query(const Shape& shape, const Query& query) {
  Judge judge;
  std::vector<FieldError> out;
  for (size_t i = 0; i < query.size(); ++i) {
    const auto& [key, value] = query[i];
    const std::string pointer = "?" + key;
    if (std::any_of(query.begin(), query.begin() + static_cast<ptrdiff_t>(i),
                    [&, &name = key](const auto& earlier) { return earlier.first == name; })) {
      out.push_back({pointer, "is given twice"});
      continue;
    }
    const Field* field = nullptr;
    for (const auto& candidate : shape.fields) {
      if (candidate.name == key) field = &candidate;
    }
    if (!field) {
      if (!shape.open) out.push_back({pointer, "is not a known parameter"});
      continue;
    }
    json typed = value;
    if (field->type == Type::integer) {
      int64_t number = 0;
      const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (ec == std::errc() && end == value.data() + value.size()) typed = number;
    }
    judge.one(*field, typed, pointer);
  }
  out.insert(out.end(), judge.errors.begin(), judge.errors.end());
  for (const auto& field : shape.fields) {
    if (!field.required) continue;
    if (std::none_of(query.begin(), query.end(),
                     [&](const auto& pair) { return pair.first == field.name; })) {
      out.push_back({"?" + std::string(field.name), "is required"});
    }
  }
  return out;
}

json schema_of(const Field& field) {
  json out = json::object();
  auto text = [](json& to, int64_t min, int64_t max, Format format,
                 std::span<const std::string_view> one_of) {
    to["type"] = "string";
    if (min > 0) to["minLength"] = min;
    to["maxLength"] = max;
    if (format != Format::none) to["pattern"] = pattern_of(format);
    if (!one_of.empty()) to["enum"] = std::vector<std::string>(one_of.begin(), one_of.end());
  };
  switch (field.type) {
    case Type::string:
      text(out, field.min, field.max, field.format, field.one_of);
      break;
    case Type::integer:
      out["type"] = "integer";
      out["minimum"] = field.min;
      out["maximum"] = field.max;
      break;
    case Type::boolean:
      out["type"] = "boolean";
      break;
    case Type::object:
      out = schema_of(*field.shape);
      break;
    case Type::array:
      out["type"] = "array";
      out["minItems"] = field.min;
      out["maxItems"] = field.max;
      if (field.item == Type::object) {
        out["items"] = schema_of(*field.shape);
      } else {
        text(out["items"], 1, field.item_max, field.item_format, field.one_of);
      }
      break;
    case Type::map: {
      out["type"] = "object";
      out["maxProperties"] = field.max;
      json names = {{"minLength", 1}, {"maxLength", 64}};
      if (field.format != Format::none) names["pattern"] = pattern_of(field.format);
      out["propertyNames"] = std::move(names);
      text(out["additionalProperties"], 0, field.item_max, field.item_format, {});
      break;
    }
    case Type::duration:
      out["type"] = json::array({"integer", "string"});
      out["minimum"] = field.min;
      out["maximum"] = field.max;
      out["pattern"] = "^[0-9]{1,7}[smhd]$";
      out["maxLength"] = 8;
      // What the text means, in seconds: no keyword of JSON Schema can say so.
      out["x-seconds"] = {{"minimum", field.min}, {"maximum", field.max}};
      break;
    case Type::any:
      break;
  }
  if (field.nullable && out.contains("type")) {
    if (out["type"].is_string()) out["type"] = json::array({out["type"], "null"});
    if (out.contains("enum")) out["enum"].push_back(nullptr);
  }
  if (!field.about.empty()) out["description"] = field.about;
  return out;
}

json schema_of(const Shape& shape) {
  json properties = json::object();
  json required = json::array();
  for (const auto& field : shape.fields) {
    properties[std::string(field.name)] = schema_of(field);
    if (field.required) required.push_back(field.name);
  }
  json out = {
      {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) out["required"] = std::move(required);
  if (shape.min_fields > 0) out["minProperties"] = shape.min_fields;
  return out;
}

}  // namespace wab::bridge
