// The dialects against golden files: for each stored event of tests/golden/webhook/events.jsonl one
// line in waha.jsonl, evolution.jsonl and cloud.jsonl. WAB_WRITE_GOLDEN=1 writes them anew.
#include "webhook/format.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/manual_clock.h"

namespace wab::webhook {
namespace {

constexpr const char* kFolder = WAB_SOURCE_DIR "/tests/golden/webhook/";

std::vector<std::string> lines_of(const std::string& name) {
  std::ifstream file(kFolder + name);
  std::vector<std::string> out;
  for (std::string line; std::getline(file, line);) out.push_back(line);
  return out;
}

std::vector<storage::EventRow> events() {
  std::vector<storage::EventRow> out;
  for (const auto& line : lines_of("events.jsonl")) {
    const auto body = nlohmann::json::parse(line);
    storage::EventRow row;
    row.id = body["id"];
    row.type = body["type"];
    row.seq = body["seq"];
    row.at = 1'795'514'400'000 + static_cast<UnixMillis>(row.seq) * 1000;
    row.body = to_bytes(view(line));
    out.push_back(std::move(row));
  }
  return out;
}

class Dialect : public testing::TestWithParam<BodyFormat> {};

TEST_P(Dialect, IsWhatTheGoldenFileSays) {
  const std::string name = std::string(format_word(GetParam())) + ".jsonl";
  const auto stored = events();
  ASSERT_GE(stored.size(), 12u);
  std::vector<std::string> made;
  for (const auto& event : stored) made.push_back(to_string(format_body(GetParam(), event)));
  if (std::getenv("WAB_WRITE_GOLDEN") != nullptr) {
    std::ofstream file(kFolder + name);
    for (const auto& line : made) file << line << '\n';
  }
  EXPECT_EQ(made, lines_of(name));
}

TEST_P(Dialect, IsTheSameOnEveryAttemptAndAlwaysJson) {
  for (const auto& event : events()) {
    const Bytes first = format_body(GetParam(), event);
    EXPECT_EQ(first, format_body(GetParam(), event));
    EXPECT_TRUE(nlohmann::json::accept(text(first))) << event.type;
  }
}

TEST_P(Dialect, TakesAnyBodyWithoutComplaint) {
  const char* bodies[] = {"",
                          "null",
                          "[]",
                          "{}",
                          R"({"data":null})",
                          R"({"data":[]})",
                          R"({"data":{"kind":7,"chat":"x","sender":[]}})",
                          R"({"data":{"kind":"text","text":"not an object"}})",
                          R"({"data":{"kind":"contacts","contacts":{}}})",
                          R"({"session_id":5,"data":{"kind":"location","location":[1]}})",
                          R"({"data":{"timestamp":"yesterday","kind":"image","image":null}})"};
  for (const char* type : {"message", "message.ack", "message.edited", "session.status", "other"}) {
    for (const char* body : bodies) {
      storage::EventRow event;
      event.id = "evt_x";
      event.type = type;
      event.body = to_bytes(view(body));
      const Bytes made = format_body(GetParam(), event);
      if (GetParam() != BodyFormat::native) {
        EXPECT_TRUE(nlohmann::json::accept(text(made))) << type << " " << body;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Dialect,
                         testing::Values(BodyFormat::native, BodyFormat::waha,
                                         BodyFormat::evolution, BodyFormat::cloud),
                         [](const auto& format) { return std::string(format_word(format.param)); });

TEST(DialectHeaders, CarryTheDialectsOwnSignature) {
  const std::string body = R"({"event":"message"})";
  wire::HttpFields waha, cloud, native;
  add_dialect_headers(BodyFormat::waha, "key", "evt_1", 1234, view(body), waha);
  add_dialect_headers(BodyFormat::cloud, "key", "evt_1", 1234, view(body), cloud);
  add_dialect_headers(BodyFormat::native, "key", "evt_1", 1234, view(body), native);
  EXPECT_EQ(waha.get("x-webhook-hmac-algorithm"), "sha512");
  EXPECT_EQ(waha.get("x-webhook-request-id"), "evt_1");
  EXPECT_EQ(waha.get("x-webhook-timestamp"), "1234");
  EXPECT_EQ(waha.get("x-webhook-hmac"),
            "72ab684d4ecabb6149cf3756ca5cec74210d731a58f5995d02df5ea7537b5435a0ba64836003384d54dd78"
            "d4f82e98ecec3f52453e7e6e1cfbb96bf4a44eb850");
  EXPECT_EQ(cloud.get("x-hub-signature-256"),
            "sha256=4718254b5e5d6d6d2472e9241c945a8252d492dfcb74285f321938c84206c3f6");
  EXPECT_EQ(native.size(), 0u);
}

}  // namespace
}  // namespace wab::webhook
