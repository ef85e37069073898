#include "bridge/shape.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bridge/request.h"
#include "bridge/strict_json.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr std::string_view kColours[] = {"red", "green"};
constexpr Field kInner[] = {{.name = "body", .required = true, .min = 1, .max = 5}};
constexpr Shape kInnerShape{"inner", kInner};
constexpr Field kFields[] = {
    {.name = "name", .required = true, .min = 2, .max = 4},
    {.name = "count", .type = Type::integer, .min = 1, .max = 10},
    {.name = "colour", .one_of = kColours},
    {.name = "text", .type = Type::object, .shape = &kInnerShape},
    {.name = "list", .type = Type::array, .max = 2, .item_max = 3},
    {.name = "gone", .nullable = true},
};
constexpr Shape kShape{"thing", kFields};

std::vector<std::string> pointers(const std::vector<FieldError>& errors) {
  std::vector<std::string> out;
  for (const auto& error : errors) out.push_back(error.pointer);
  std::sort(out.begin(), out.end());
  return out;
}

TEST(Shape, AllErrorsAtOnceWithPointers) {
  const json body = {{"count", 11},
                     {"colour", "blue"},
                     {"text", {{"body", ""}, {"x", 1}}},
                     {"list", {"ok", "long!"}},
                     {"a/b~c", 1}};
  EXPECT_EQ(pointers(validate(kShape, body)),
            (std::vector<std::string>{"/a~1b~0c", "/colour", "/count", "/list/1", "/name",
                                      "/text/body", "/text/x"}));
}

TEST(Shape, LengthsCountCharactersNotBytes) {
  EXPECT_TRUE(validate(kShape, {{"name", "\u00e4\u00f6\u00fc\u00df"}}).empty());
  EXPECT_FALSE(validate(kShape, {{"name", "\u00e4\u00f6\u00fc\u00df!"}}).empty());
}

TEST(Shape, NullOnlyWhereAllowed) {
  EXPECT_TRUE(validate(kShape, {{"name", "abc"}, {"gone", nullptr}}).empty());
  EXPECT_FALSE(validate(kShape, {{"name", "abc"}, {"colour", nullptr}}).empty());
}

TEST(Shape, QueryRefusesRepeatsUnknownsAndBadNumbers) {
  EXPECT_TRUE(validate_query(kShape, {{"name", "abc"}, {"count", "3"}}).empty());
  EXPECT_EQ(pointers(validate_query(kShape, {{"name", "abc"}, {"name", "abd"}})),
            std::vector<std::string>{"?name"});
  EXPECT_EQ(pointers(validate_query(kShape, {{"name", "abc"}, {"count", "3x"}, {"zz", "1"}})),
            (std::vector<std::string>{"?count", "?zz"}));
}

TEST(Query, DecodesStrictly) {
  Query query;
  EXPECT_TRUE(parse_query("a=1+2&b=%C3%A4&c", query));
  EXPECT_EQ(query, (Query{{"a", "1 2"}, {"b", "\u00e4"}, {"c", ""}}));
  for (const char* bad : {"a=%", "a=%2", "a=%zz", "a=%C3"}) {
    Query none;
    EXPECT_FALSE(parse_query(bad, none)) << bad;
  }
}

TEST(StrictJson, AcceptsOneDocument) {
  const auto parsed = parse_strict_json(R"({"a":[1,2,{"b":null}],"c":-1.5})");
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(*parsed, json::parse(R"({"a":[1,2,{"b":null}],"c":-1.5})"));
}

TEST(StrictJson, RefusesWhatParsersDisagreeOn) {
  const std::string cases[] = {"",
                               "{",
                               "{} {}",
                               "{'a':1}",
                               "{\"a\":1,}",
                               "NaN",
                               "1e999",
                               "{\"a\":1,\"a\":2}",
                               "{\"x\":{\"a\":1,\"b\":2,\"a\":3}}",
                               "{\"a\":1,\"\\u0061\":2}",
                               "\"\xff\"",
                               "\"\xed\xa0\x80\"",
                               "// comment\n{}",
                               std::string(65, '[') + std::string(65, ']')};
  for (const auto& text : cases) EXPECT_FALSE(parse_strict_json(text)) << text;
  EXPECT_TRUE(parse_strict_json(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(parse_strict_json(std::string(100'000, '[')));
}

}  // namespace
}  // namespace wab::bridge
