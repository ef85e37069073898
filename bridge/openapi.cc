#include "bridge/openapi.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "bridge/router.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

// Inlined where it is used, or a reference when the shape has a name of its own.
json reference(const Shape& shape, json& schemas) {
  const std::string name(shape.name);
  if (!schemas.contains(name)) schemas[name] = schema_of(shape);
  return {{"$ref", "#/components/schemas/" + name}};
}

// What a route may answer with besides its own problems.
std::vector<Code> problems_of(const Route& route) {
  std::vector<Code> codes = {Code::bad_request, Code::rate_limited, Code::internal};
  if (route.access != Access::setup && route.access != Access::page) {
    codes.push_back(Code::setup_required);
  }
  if (!is_callerless(route.access)) {
    codes.push_back(Code::unauthenticated);
    codes.push_back(Code::forbidden);
    if (route.access != Access::session) codes.push_back(Code::second_factor_required);
  }
  if (route.body) {
    codes.push_back(Code::invalid_body);
    codes.push_back(Code::unsupported_media_type);
    codes.push_back(Code::body_too_large);
  }
  codes.push_back(Code::invalid_query);  // a parameter that the route does not have, at least
  if (!route.unjudged.empty()) {
    codes.push_back(Code::invalid_body);
    codes.push_back(Code::unsupported_media_type);
    codes.push_back(Code::body_too_large);
  } else if (!route.body && route.method != "GET" && route.method != "DELETE") {
    codes.push_back(Code::invalid_body);  // any body
  }
  if (route.pattern.find('{') != std::string_view::npos) codes.push_back(Code::not_found);
  if (route.method != "GET" && !is_callerless(route.access)) {
    codes.push_back(Code::in_flight);
    codes.push_back(Code::key_reused);
  }
  codes.insert(codes.end(), route.problems.begin(), route.problems.end());
  return codes;
}

json responses(const Route& route, json& schemas) {
  json out = json::object();
  for (const auto& reply : route.replies) {
    json one = {{"description", reply.about}};
    if (reply.shape) {
      one["content"]["application/json"]["schema"] = reference(*reply.shape, schemas);
    }
    for (auto media = reply.media; !media.empty();) {
      const auto end = media.find(',');
      const auto type = media.substr(0, end);
      one["content"][std::string(type)]["schema"] = {
          {"type", type == "application/json" ? "object" : "string"}};
      if (end == std::string_view::npos) break;
      media.remove_prefix(end + 1);
    }
    out[std::to_string(reply.status)] = std::move(one);
  }
  std::map<int, std::set<std::string>> by_status;
  for (const auto code : problems_of(route)) {
    by_status[row_of(code).status].emplace(row_of(code).name);
  }
  for (const auto& [status, names] : by_status) {
    std::string list;
    for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
    auto& one = out[std::to_string(status)];
    one["description"] = "Problem; code: " + list;
    one["content"]["application/problem+json"]["schema"] = {
        {"$ref", "#/components/schemas/problem"}};
  }
  // An upgrade or a redirect is no success in the eyes of a generator; it needs something to
  // expect.
  const bool succeeds = std::any_of(route.replies.begin(), route.replies.end(),
                                    [](const Reply& reply) { return reply.status / 100 == 2; });
  if (!succeeds) {
    out["default"]["description"] = "Problem";
    out["default"]["content"]["application/problem+json"]["schema"] = {
        {"$ref", "#/components/schemas/problem"}};
  }
  return out;
}

json parameters(const Route& route) {
  json out = json::array();
  for (auto rest = route.pattern; !rest.empty();) {
    const auto open = rest.find('{');
    if (open == std::string_view::npos) break;
    const auto close = rest.find('}', open);
    out.push_back({{"name", rest.substr(open + 1, close - open - 1)},
                   {"in", "path"},
                   {"required", true},
                   {"schema", {{"type", "string"}, {"minLength", 1}, {"maxLength", 64}}}});
    rest.remove_prefix(close + 1);
  }
  if (route.query) {
    for (const auto& field : route.query->fields) {
      json one = {{"name", field.name},
                  {"in", "query"},
                  {"required", field.required},
                  {"schema", schema_of(field)}};
      if (!field.about.empty()) one["description"] = field.about;
      out.push_back(std::move(one));
    }
  }
  if (route.method != "GET" && !is_callerless(route.access)) {
    out.push_back({{"name", "Idempotency-Key"},
                   {"in", "header"},
                   {"required", false},
                   {"description", "The same key gets the same answer for 24 hours."},
                   {"schema", {{"type", "string"}, {"maxLength", 255}}}});
  }
  return out;
}

json security(const Route& route) {
  if (route.access == Access::visitor) return json::array({{{"visitor", json::array()}}});
  if (is_callerless(route.access)) return json::array();
  return json::array({{{"token", json::array()}}, {{"browser", json::array()}}});
}

std::string about_access(const Route& route) {
  switch (route.access) {
    case Access::setup:
      return "Served only until the first operator exists.";
    case Access::visitor:
      return "For whoever opened a pairing link; anybody else gets 404.";
    case Access::operators:
      return "For operators.";
    case Access::organization:
      return "Needs the permission " + std::string(permission_word(route.permission)) + ".";
    default:
      return "";
  }
}

json problem_schema() {
  json codes = json::array();
  for (const auto& row : problem_codes()) codes.push_back(row.name);
  return {
      {"type", "object"},
      {"required", {"type", "title", "status", "code", "instance"}},
      {"properties",
       {{"type", {{"type", "string"}}},
        {"title", {{"type", "string"}}},
        {"status", {{"type", "integer"}}},
        {"code", {{"type", "string"}, {"enum", codes}}},
        {"detail", {{"type", "string"}}},
        {"instance", {{"type", "string"}}},
        {"oldest_cursor",
         {{"type", "string"}, {"description", "With cursor_expired: where to go on."}}},
        {"gap_from",
         {{"type", "string"}, {"description", "With cursor_expired: the first lost position."}}},
        {"gap_to", {{"type", "string"}, {"description", "And the last."}}},
        {"errors",
         {{"type", "array"},
          {"items",
           {{"type", "object"},
            {"required", {"pointer", "message"}},
            {"properties",
             {{"pointer", {{"type", "string"}}}, {"message", {{"type", "string"}}}}}}}}}}}};
}

std::string print() {
  json schemas = {{"problem", problem_schema()}};
  json paths = json::object();
  for (const auto& table : all_routes()) {
    for (const auto& route : table) {
      json one = {{"operationId", route.name},
                  {"summary", route.summary},
                  {"security", security(route)},
                  {"responses", responses(route, schemas)}};
      if (auto about = about_access(route); !about.empty()) one["description"] = about;
      if (auto list = parameters(route); !list.empty()) one["parameters"] = std::move(list);
      if (route.body) {
        one["requestBody"] = {
            {"required", !body_may_be_absent(*route.body)},
            {"content", {{"application/json", {{"schema", reference(*route.body, schemas)}}}}}};
      }
      for (const auto type : route.unjudged) {
        auto& content = one["requestBody"]["content"][std::string(type)];
        content["schema"]["type"] = json::array({"object", "array"});
      }
      std::string method(route.method);
      for (auto& c : method) c = static_cast<char>(std::tolower(c));
      paths[std::string(route.pattern)][method] = std::move(one);
    }
  }
  const json document = {
      {"openapi", "3.1.0"},
      {"jsonSchemaDialect", "https://json-schema.org/draft/2020-12/schema"},
      {"info",
       {{"title", "Waslo Bridge"},
        {"version", "1"},
        {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}},
        {"description",
         "WhatsApp sessions over HTTP. Times are ISO 8601 in UTC. Errors are RFC 9457 problems "
         "with a stable code. The organization always comes from the token."}}},
      {"servers", json::array({{{"url", "/"}}})},
      {"paths", paths},
      {"components",
       {{"schemas", schemas},
        {"securitySchemes",
         {{"token", {{"type", "http"}, {"scheme", "bearer"}}},
          {"browser", {{"type", "apiKey"}, {"in", "cookie"}, {"name", "__Host-wab"}}},
          {"visitor", {{"type", "apiKey"}, {"in", "cookie"}, {"name", "__Host-wab-pair"}}}}}}}};
  return document.dump();
}

}  // namespace

bool body_may_be_absent(const Shape& shape) {
  for (const auto& field : shape.fields) {
    if (field.required) return false;
  }
  return shape.min_fields == 0;
}

const std::string& openapi_document() {
  static const std::string text = print();
  return text;
}

}  // namespace wab::bridge
