// The library, the document and our shapes say the same of every body and every query.
#include "bridge/schema_check.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bridge/openapi.h"
#include "bridge/router.h"
#include "tests/bridge/bench.h"
#include "tests/bridge/schema_judge.h"
#include "tests/support/log_watcher.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using wab::test::Table;

// Values made by chance, many of them good or nearly so.
class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  json value(const Field& field) {
    if (one_in(9)) return anything();
    switch (field.type) {
      case Type::string:
        return text(field);
      case Type::integer:
        return number(field);
      case Type::boolean:
        return one_in(2);
      case Type::object:
        return object(*field.shape);
      case Type::array: {
        json out = json::array();
        const auto size = random_.below(4);
        Field item = field;
        item.type = field.item;
        item.format = field.item_format;
        item.min = 1;
        item.max = field.item_max;
        for (uint64_t i = 0; i < size; ++i) out.push_back(value(item));
        return out;
      }
      case Type::map: {
        json out = json::object();
        Field item;
        item.format = field.item_format;
        item.max = field.item_max;
        Field key;
        key.format = field.format;
        key.max = 64;
        for (auto i = random_.below(3); i > 0; --i) {
          const auto name = text(key);
          out[name.get<std::string>()] = text(item);
        }
        return out;
      }
      case Type::duration: {
        constexpr const char* kSome[] = {"90d", "1h", "0s", "30m", "d", "90", "9999999d", "1w"};
        if (one_in(2)) return kSome[random_.below(std::size(kSome))];
        return number(field);
      }
      case Type::any:
        break;
    }
    return anything();
  }
  json object(const Shape& shape) {
    json out = json::object();
    for (const auto& field : shape.fields) {
      if (!one_in(field.required ? 12 : 3)) out[std::string(field.name)] = value(field);
    }
    if (one_in(12)) out["unknown"] = anything();
    return out;
  }
  bool one_in(uint64_t n) { return random_.below(n) == 0; }
  uint64_t below(uint64_t n) { return random_.below(n); }

 private:
  json number(const Field& field) {
    const int64_t edges[] = {field.min,
                             field.max,
                             field.min - 1,
                             std::min<int64_t>(field.max, 1LL << 50) + 1,
                             field.min + 1,
                             0,
                             1};
    const int64_t some = edges[random_.below(std::size(edges))];
    if (one_in(4)) return static_cast<double>(some);
    if (one_in(9)) return static_cast<double>(some) + 0.5;
    return some;
  }
  json text(const Field& field) {
    if (!field.one_of.empty() && !one_in(6)) {
      return std::string(field.one_of[random_.below(field.one_of.size())]);
    }
    constexpr const char* kGood[] = {"https://example.org/x?y=1",
                                     "15550100002",
                                     "ana@example.org",
                                     "http://h:1",
                                     "socks5://u:p@h:1",
                                     "X-Key",
                                     "message.*",
                                     "15550100002@s.whatsapp.net",
                                     "a name",
                                     "value"};
    if (!one_in(3)) return kGood[random_.below(std::size(kGood))];
    constexpr const char* kPieces[] = {"a", "Z",  "0",      " ",          "@", ".", ":", "/",
                                       "#", "\n", "\u00e4", "\U0001f600", "*", "~", "-", "%"};
    std::string out;
    if (one_in(6)) out += '\0';
    const auto size = one_in(5) ? std::min<int64_t>(field.max, 300) + 1 : random_.below(12);
    while (out.size() < static_cast<size_t>(size))
      out += kPieces[random_.below(std::size(kPieces))];
    return out;
  }
  json anything() {
    switch (random_.below(8)) {
      case 0:
        return nullptr;
      case 1:
        return true;
      case 2:
        return -1;
      case 3:
        return 1.5;
      case 4:
        return "";
      case 5:
        return json::array({1});
      case 6:
        return json::object();
      default:
        return "text";
    }
  }
  SeededRandom random_;
};

json without_seconds(json schema) {
  if (schema.is_object()) schema.erase("x-seconds");
  if (schema.is_structured()) {
    for (auto& inner : schema) inner = without_seconds(inner);
  }
  return schema;
}

const json& document() {
  static const json parsed = json::parse(openapi_document());
  return parsed;
}

json schema_of_body(const Route& route) {
  std::string method(route.method);
  for (auto& c : method) c = static_cast<char>(std::tolower(c));
  const std::string reference =
      document()["paths"][std::string(route.pattern)][method]["requestBody"]["content"]
                ["application/json"]["schema"]["$ref"];
  return document().at(json::json_pointer(reference.substr(1)));
}

TEST(SchemaCheck, TheDocumentCompiles) {
  const auto compiled = compile_schemas();
  EXPECT_TRUE(compiled) << compiled.error();
}

TEST(SchemaCheck, LibraryDocumentAndShapeAgreeOnBodies) {
  Table table("bodies judged by the library");
  Maker maker(20261124);
  size_t accepted = 0;
  for (const auto& routes : all_routes()) {
    for (const auto& route : routes) {
      if (!route.body) continue;
      const json schema = schema_of_body(route), plain = without_seconds(schema);
      for (int i = 0; i < 40; ++i) {
        json body = maker.object(*route.body);
        const std::string what = std::string(route.name) + " " + body.dump().substr(0, 300);
        const bool ours = validate(*route.body, body).empty();
        const bool whole = satisfies(schema, body), nearly = satisfies(plain, body);
        make_whole(body);
        const auto wrong = refuted_body(route, body);
        // What no keyword of JSON Schema says, the length of a span of time, only shapes refuse.
        table.row(wrong.has_value() != nearly && ours == whole && (!ours || !wrong),
                  what + ": shape " + (ours ? "accepts" : "refuses") + ", library " +
                      (wrong ? "refuses " + wrong->pointer : "accepts"));
        accepted += ours;
      }
    }
  }
  EXPECT_GE(table.rows(), 1000u);
  EXPECT_GT(accepted, 100u);
}

TEST(SchemaCheck, LibraryAndShapeAgreeOnQueries) {
  Table table("queries judged by the library");
  Maker maker(11);
  static constexpr Shape kNone{"none", {}};
  constexpr const char* kValues[] = {"1", "0",   "-1",     "100",     "101",     "1000", "x",
                                     "",  "1.0", "latest", "message", "enabled", "60",   "61"};
  for (const auto& routes : all_routes()) {
    for (const auto& route : routes) {
      const Shape& shape = route.query ? *route.query : kNone;
      for (int i = 0; i < 15; ++i) {
        Query query;
        for (const auto& field : shape.fields) {
          if (maker.one_in(2)) continue;
          const auto value = maker.value(field);
          query.emplace_back(field.name, value.is_string() && maker.one_in(2)
                                             ? value.get<std::string>()
                                             : kValues[maker.below(std::size(kValues))]);
        }
        if (maker.one_in(10)) query.emplace_back("unknown", "1");
        const auto ours = validate_query(shape, query);
        const auto wrong = refuted_query(route, query);
        std::string what = std::string(route.name) + "?";
        for (const auto& [name, value] : query) what += name + "=" + value + "&";
        table.row(ours.empty() != wrong.has_value(), what);
      }
    }
  }
  EXPECT_GE(table.rows(), 500u);
}

const Route& route_of(std::string_view name) {
  for (const auto& routes : all_routes()) {
    for (const auto& route : routes) {
      if (route.name == name) return route;
    }
  }
  ADD_FAILURE() << name;
  return all_routes()[0][0];
}

TEST(SchemaCheck, ARefusalNamesThePlace) {
  const auto& send = route_of("sendMessage");
  const json good = {{"to", "15550100002"}, {"type", "text"}, {"text", {{"body", "Hi"}}}};
  EXPECT_EQ(refuted_body(send, good), std::nullopt);
  auto place = [&](const char* pointer, json value) {
    json body = good;
    body[json::json_pointer(pointer)] = std::move(value);
    const auto wrong = refuted_body(send, body);
    return wrong ? wrong->pointer : "accepted";
  };
  EXPECT_EQ(place("/to", 1), "/to");
  EXPECT_EQ(place("/to", "nobody"), "/to");
  EXPECT_EQ(place("/text/body", ""), "/text/body");
  // A text that begins with U+0000 is not empty.
  EXPECT_EQ(place("/text/body", std::string(1, '\0')), "accepted");
  EXPECT_EQ(place("/text/body", std::string(65537, '\0')), "/text/body");
  EXPECT_EQ(refuted_query(route_of("listSessions"), {{"limit", "0"}})->pointer, "?limit");
  EXPECT_EQ(refuted_query(route_of("listSessions"), {{"limit", "1"}}), std::nullopt);
  // OAuth's parameters that we do not know are ignored.
  EXPECT_EQ(refuted_query(route_of("finishGoogle"), {{"scope", "email"}}), std::nullopt);
}

// std::regex recurses; what the shapes let through must not end the process.
TEST(SchemaCheck, TheLongestTextsAreJudged) {
  size_t judged = 0;
  for (const auto& routes : all_routes()) {
    for (const auto& route : routes) {
      if (!route.body) continue;
      for (const auto& field : route.body->fields) {
        if (field.type != Type::string || field.format == Format::none) continue;
        std::string text = field.format == Format::http_url ? "https://h/" : "a@";
        text.resize(static_cast<size_t>(field.max), 'a');
        json body = json::object();
        body[std::string(field.name)] = text;
        (void)refuted_body(route, body);
        ++judged;
      }
    }
  }
  EXPECT_GT(judged, 5u);
}

TEST(SchemaCheck, WhatOnlyTheLibraryRefusesIsRefusedWithItsPlace) {
  wab::test::LogWatcher log;
  Bench bench;
  const auto a = bench.tenant("A");
  const auto& route = route_of("createSession");
  auto create = [&] {
    return bench.call("POST", "/v1/sessions", R"({"name":"stranger"})", a.owner);
  };
  judge_otherwise_for_tests(
      route, json{{"type", "object"}, {"properties", {{"name", {{"maxLength", 3}}}}}});
  const auto refused = create();
  judge_otherwise_for_tests(route, nullptr);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(code_of(refused), "invalid_body");
  EXPECT_EQ(json::parse(refused.body)["errors"][0]["pointer"], "/name");
  EXPECT_TRUE(log.saw("http.schema_disagrees"));
  EXPECT_EQ(log.text().find("stranger"), std::string::npos);
  EXPECT_EQ(create().status, 201);
}

TEST(SchemaCheck, ThereIsNoDisagreementOnTheWay) {
  wab::test::LogWatcher log;
  Bench bench;
  const auto a = bench.tenant("A");
  EXPECT_EQ(bench.call("GET", "/v1/sessions?limit=5", "", a.owner).status, 200);
  // A whole number in another spelling is one for both, and for the handler.
  const auto made = bench.call("POST", "/v1/sessions/" + a.session + "/pairing-links",
                               R"({"expires_in":3600.0})", a.owner);
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_FALSE(log.saw("http.schema_disagrees"));
}

}  // namespace
}  // namespace wab::bridge::test
