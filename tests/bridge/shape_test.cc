#include "bridge/shape.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bridge/request.h"
#include "bridge/strict_json.h"
#include "tests/support/table.h"

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
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, json::parse(R"({"a":[1,2,{"b":null}],"c":-1.5})"));
  EXPECT_TRUE(parse_strict_json(std::string(64, '[') + std::string(64, ']')));
}

// What parsers disagree on, and the place that the answer names.
TEST(StrictJson, RefusesWhatParsersDisagreeOn) {
  struct Case {
    std::string text, pointer, message;
  };
  std::string deep_objects;
  for (int i = 0; i < 65; ++i) deep_objects += R"({"a":)";
  std::string deep_pointer;
  for (int i = 0; i < 64; ++i) deep_pointer += "/a";
  std::string deep_list;
  for (int i = 0; i < 64; ++i) deep_list += "/0";
  const Case cases[] = {{"", "", "is not valid JSON"},
                        {"{", "", "is not valid JSON"},
                        {"{} {}", "", "is not valid JSON"},
                        {"{'a':1}", "", "is not valid JSON"},
                        {R"({"a":1,})", "/a", "is not valid JSON"},
                        {R"({"a":{"b":[1,tru]}})", "/a/b/1", "is not valid JSON"},
                        {R"({"a":NaN})", "/a", "is not valid JSON"},
                        {R"({"a":01})", "/a", "is not valid JSON"},
                        {"// comment\n{}", "", "is not valid JSON"},
                        {R"({"a":1 /* b */})", "/a", "is not valid JSON"},
                        {R"({"a":"tab	"})", "/a", "is not valid JSON"},
                        {"1e999", "", "is a number out of range"},
                        {R"({"x":{"y":[0,-1e999]}})", "/x/y/1", "is a number out of range"},
                        {R"({"a":1,"a":2})", "/a", "stands twice"},
                        {R"({"x":{"a":1,"b":2,"a":3}})", "/x/a", "stands twice"},
                        {R"({"a":1,"\u0061":2})", "/a", "stands twice"},
                        {R"({"l":[{"k":1},{"k/~":1,"k/~":2}]})", "/l/1/k~1~0", "stands twice"},
                        {R"({"":1,"":2})", "/", "stands twice"},
                        {R"({"a":{"b":1},"b":1,"a":2})", "/a", "stands twice"},
                        {"\"\xff\"", "", "is not valid UTF-8"},
                        {"{\"text\":{\"body\":\"\xff\"}}", "/text/body", "is not valid UTF-8"},
                        {"{\"a\":\"\xed\xa0\x80\"}", "/a", "is not valid UTF-8"},
                        {"{\"a\":\"\xc0\xaf\"}", "/a", "is not valid UTF-8"},
                        {R"({"a":"\ud800"})", "/a", "is not valid JSON"},
                        {deep_objects, deep_pointer, "deeper than 64"},
                        {std::string(65, '[') + std::string(65, ']'), deep_list, "deeper than 64"},
                        {std::string(100'000, '['), deep_list, "deeper than 64"}};
  wab::test::Table table("strict JSON");
  for (const auto& one : cases) {
    const auto parsed = parse_strict_json(one.text);
    const std::string what = one.text.substr(0, 60);
    if (!table.row(!parsed.has_value(), what)) continue;
    EXPECT_EQ(parsed.error().pointer, one.pointer) << what;
    EXPECT_NE(parsed.error().message.find(one.message), std::string::npos)
        << what << ": " << parsed.error().message;
  }
}

}  // namespace
}  // namespace wab::bridge
