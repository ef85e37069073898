#include "storage/base/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "storage/base/ids.h"
#include "storage/base/secret.h"
#include "tests/support/log_watcher.h"

namespace wab {
namespace {

using nlohmann::json;
using test::LogWatcher;

json line(std::initializer_list<Field> fields) {
  return json::parse(log_line(LogLevel::info, "test.event", fields, 1795514400123));
}

TEST(Log, OneJsonObjectWithTimeLevelEventAndFields) {
  const json entry = line({{"text", "hello"}, {"count", 3}, {"yes", true}, {"ratio", 0.5}});
  EXPECT_EQ(entry["ts"], "2026-11-24T10:00:00.123Z");
  EXPECT_EQ(entry["level"], "info");
  EXPECT_EQ(entry["event"], "test.event");
  EXPECT_EQ(entry["text"], "hello");
  EXPECT_EQ(entry["count"], 3);
  EXPECT_EQ(entry["yes"], true);
  EXPECT_EQ(entry["ratio"], 0.5);
}

TEST(Log, NothingInATextCanEndTheLineOrTheString) {
  const std::string evil = "a\r\n{\"level\":\"error\"}\"\\\x01\x7f\xff";
  const std::string raw = log_line(LogLevel::info, "e", {{"text", evil}}, 0);
  EXPECT_EQ(raw.find_first_of("\r\n"), std::string::npos);
  EXPECT_EQ(json::parse(raw)["text"], "a\r\n{\"level\":\"error\"}\"\\\x01\x7f?");
}

TEST(Log, LongTextIsCutAtACharacter) {
  std::string text(255, 'x');
  text += "\u00e9 and more";
  EXPECT_EQ(line({{"text", text}})["text"], std::string(255, 'x') + "...");
}

TEST(Log, MaskedHidesAndStaysTheSame) {
  const json a = line({{"phone", Masked("15550100001")}, {"jid", Masked("15550100001")}});
  EXPECT_EQ(a["phone"], a["jid"]);
  EXPECT_EQ(a["phone"].get<std::string>().size(), 9u);
  EXPECT_EQ(a.dump().find("0100001"), std::string::npos);
  EXPECT_NE(a["phone"], line({{"phone", Masked("15550100002")}})["phone"]);
}

TEST(Log, PhoneNumbersInTextAreMaskedByThemselves) {
  const std::string text =
      line({{"t", "from 15550100001@s.whatsapp.net:12 to +491701234567"}})["t"];
  EXPECT_EQ(text.find("15550100001"), std::string::npos);
  EXPECT_EQ(text.find("491701234567"), std::string::npos);
  EXPECT_NE(text.find("@s.whatsapp.net:12"), std::string::npos);
}

TEST(Log, IdentifiersStayReadable) {
  const auto raw = from_hex("00443214c74254b635cf84653a56d7c6");
  const std::string id = SessionId(*to_array<16>(*raw)).text();
  EXPECT_EQ(line({{"session", id}})["session"], id);
  EXPECT_EQ(line({{"peer", "203.0.113.55:44312"}})["peer"], "203.0.113.55:44312");
  EXPECT_EQ(line({{"id", "org_0123456789abcdef"}})["id"], "org_0123456789abcdef");
}

template <class T>
concept Loggable = std::is_constructible_v<Field, const char*, T>;
static_assert(!Loggable<const SecretKey32&> && !Loggable<const SecretBytes&>);
static_assert(!Loggable<Bytes> && !Loggable<ByteView> && !Loggable<Key32>);

TEST(Log, LevelsFilterAndAreCounted) {
  LogWatcher log;
  const uint64_t before = log_count(LogLevel::warn);
  log_warn("test.warned");
  log_debug("test.quiet");
  EXPECT_TRUE(log.saw("test.warned"));
  EXPECT_FALSE(log.saw("test.quiet"));
  EXPECT_EQ(log_count(LogLevel::warn), before + 1);
  set_log_level(LogLevel::debug);
  log_debug("test.loud");
  set_log_level(LogLevel::info);
  EXPECT_TRUE(log.saw("test.loud"));
  LogLevel level = LogLevel::info;
  EXPECT_TRUE(parse_log_level("error", level));
  EXPECT_EQ(level, LogLevel::error);
  EXPECT_FALSE(parse_log_level("loud", level));
  EXPECT_FALSE(log_to_file("/dev/null/log"));
}

}  // namespace
}  // namespace wab
