#include "bridge/openapi.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "bridge/router.h"
#include "tests/bridge/schema_judge.h"

namespace wab::bridge {
namespace {

using nlohmann::json;
using test::satisfies;

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::tolower(c));
  return out;
}

TEST(OpenApi, EveryRouteIsInItAndNothingElse) {
  const json document = json::parse(openapi_document());
  EXPECT_EQ(document["openapi"], "3.1.0");
  size_t routes = 0;
  std::set<std::string> names;
  for (const auto& table : all_routes()) {
    for (const auto& route : table) {
      ++routes;
      const auto& path = document["paths"][std::string(route.pattern)];
      ASSERT_TRUE(path.contains(lower(route.method))) << route.pattern;
      const auto& one = path[lower(route.method)];
      EXPECT_TRUE(names.insert(one["operationId"]).second) << route.name;
      EXPECT_EQ(one.contains("requestBody"), route.body != nullptr || !route.unjudged.empty());
      EXPECT_FALSE(one["responses"].empty());
      for (const auto& reply : route.replies) {
        EXPECT_TRUE(one["responses"].contains(std::to_string(reply.status)));
      }
    }
  }
  size_t documented = 0;
  for (const auto& [path, methods] : document["paths"].items()) documented += methods.size();
  EXPECT_EQ(documented, routes);
}

void every_reference(const json& value, const json& document) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) {
      if (key == "$ref") {
        const json::json_pointer pointer(inner.get<std::string>().substr(1));
        EXPECT_TRUE(document.contains(pointer)) << inner;
      }
      every_reference(inner, document);
    }
  } else if (value.is_array()) {
    for (const auto& inner : value) every_reference(inner, document);
  }
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  const json document = json::parse(openapi_document());
  every_reference(document, document);
}

// Values that sit on both sides of every rule the shapes know.
const std::vector<json>& values() {
  static const std::vector<json> all = {nullptr,
                                        true,
                                        0,
                                        1,
                                        -1,
                                        59,
                                        60,
                                        1.0,
                                        1.5,
                                        1e300,
                                        99999999999,
                                        "",
                                        " ",
                                        "a",
                                        " a",
                                        "a ",
                                        "a\nb",
                                        "text",
                                        "owner",
                                        "admin",
                                        "operator",
                                        "chat",
                                        "enabled",
                                        "native",
                                        "90d",
                                        "0d",
                                        "90",
                                        "d",
                                        "1w",
                                        "99999999d",
                                        "ana@example.org",
                                        "@",
                                        "a@",
                                        "a@b@c",
                                        "a b@c",
                                        "15550100002",
                                        "+15550100002",
                                        "0155501000",
                                        "123",
                                        "15550100002@s.whatsapp.net",
                                        "123-456@g.us",
                                        "1@elsewhere",
                                        "a b@lid",
                                        "https://example.org/x?y=1",
                                        "http://h",
                                        "https://",
                                        "https://u@h/",
                                        "https://h/#f",
                                        "https://h/a b",
                                        "ftp://h",
                                        "HTTPS://h",
                                        "socks5://u:p@h:1",
                                        "socks4://h",
                                        "message",
                                        "message.*",
                                        "*",
                                        "message.",
                                        ".a",
                                        "a*",
                                        "a.*.b",
                                        "sessions:read",
                                        std::string(100, 'x'),
                                        std::string(101, 'x'),
                                        std::string(600, 'y'),
                                        std::string(70000, 'z'),
                                        "\u00e4\u00f6",
                                        json::array(),
                                        json::array({"message"}),
                                        json::array({"sessions:read", "tokens:write"}),
                                        json::array({1}),
                                        json::array({""}),
                                        json::array({nullptr}),
                                        json::object(),
                                        json{{"body", "Hi"}},
                                        json{{"body", ""}},
                                        json{{"body", "Hi"}, {"more", 1}},
                                        json{{"X-Key", "value"}},
                                        json{{"bad name", "value"}},
                                        json{{"key", "bad\nvalue"}},
                                        json{{"", "v"}},
                                        json{{"key", 1}},
                                        json{{std::string(65, 'k'), "v"}}};
  return all;
}

const json& schema_of_body(const json& document, const Route& route) {
  const auto& reference = document["paths"][std::string(route.pattern)][lower(route.method)]
                                  ["requestBody"]["content"]["application/json"]["schema"]["$ref"];
  return document.at(json::json_pointer(reference.get<std::string>().substr(1)));
}

// A body that passes, field by field from the values.
json smallest(const Shape& shape) {
  json out = json::object();
  for (const auto& field : shape.fields) {
    if (!field.required) continue;
    for (const auto& value : values()) {
      json alone = {{std::string(field.name), value}};
      const Shape one{"one", std::span<const Field>(&field, 1)};
      if (!validate(one, alone).empty()) continue;
      out[std::string(field.name)] = value;
      break;
    }
  }
  return out;
}

TEST(OpenApi, DocumentAndServiceJudgeEveryBodyTheSame) {
  const json document = json::parse(openapi_document());
  size_t judged = 0, accepted = 0;
  for (const auto& table : all_routes()) {
    for (const auto& route : table) {
      if (!route.body) continue;
      const auto& schema = schema_of_body(document, route);
      auto judge = [&](const json& body) {
        const bool ours = validate(*route.body, body).empty();
        ++judged;
        accepted += ours;
        EXPECT_EQ(ours, satisfies(schema, body)) << route.name << " " << body.dump().substr(0, 300);
      };
      for (const auto& value : values()) judge(value);
      const json base = smallest(*route.body);
      judge(base);
      for (const auto& field : route.body->fields) {
        const std::string name(field.name);
        json without = base;
        without.erase(name);
        judge(without);
        for (const auto& value : values()) {
          json with = base;
          with[name] = value;
          judge(with);
        }
      }
      json unknown = base;
      unknown["unknown"] = 1;
      judge(unknown);
    }
  }
  EXPECT_GT(judged, 1500u);
  EXPECT_GT(accepted, 100u);
}

TEST(OpenApi, EveryProblemCodeIsListed) {
  const json document = json::parse(openapi_document());
  const auto& listed = document["components"]["schemas"]["problem"]["properties"]["code"]["enum"];
  EXPECT_EQ(listed.size(), problem_codes().size());
  std::set<std::string_view> names;
  for (const auto& row : problem_codes()) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}

}  // namespace
}  // namespace wab::bridge
