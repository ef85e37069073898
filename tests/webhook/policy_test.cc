// The small pure rules: schedule, verdict, stored state, filters.
#include <gtest/gtest.h>

#include "session/wire/stream.h"
#include "tests/support/manual_clock.h"
#include "webhook/delivery_state.h"
#include "webhook/endpoint.h"
#include "webhook/schedule.h"
#include "webhook/verdict.h"

namespace wab::webhook {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

TEST(Schedule, TenAttemptsOverThreeDays) {
  const auto& pauses = default_schedule();
  ASSERT_EQ(pauses.size(), 9u);
  Millis sum{0};
  for (size_t i = 0; i < pauses.size(); ++i) {
    EXPECT_GT(pauses[i], i == 0 ? Millis(0) : pauses[i - 1]);
    sum += pauses[i];
  }
  EXPECT_EQ(sum, 75h + 35min + 5s);
}

TEST(Schedule, NoPauseIsLongerThanTheLongest) {
  for (uint32_t attempt = 0; attempt <= 10; ++attempt) {
    const auto longest = longest_pause(default_schedule(), attempt);
    for (const bool throttled : {false, true}) {
      const auto pause = next_pause(default_schedule(), attempt, seconds(1'000'000), throttled, 1);
      if (pause) {
        EXPECT_LE(*pause, longest) << attempt;
      } else {
        EXPECT_EQ(longest, Millis(0));
      }
    }
  }
}

TEST(Schedule, EveryPauseIsSpreadByAFifth) {
  for (uint32_t attempt = 1; attempt <= 9; ++attempt) {
    const Millis base = default_schedule()[attempt - 1];
    EXPECT_EQ(next_pause(default_schedule(), attempt, std::nullopt, false, 0.5), base);
    EXPECT_NEAR(next_pause(default_schedule(), attempt, std::nullopt, false, 0.0)->count(),
                base.count() * 0.8, 1);
    EXPECT_NEAR(next_pause(default_schedule(), attempt, std::nullopt, false, 1.0)->count(),
                base.count() * 1.2, 1);
  }
}

TEST(Schedule, TheLastAttemptIsTheLast) {
  EXPECT_FALSE(next_pause(default_schedule(), 10, std::nullopt, false, 0.5));
  EXPECT_FALSE(next_pause(default_schedule(), 4'000'000'000u, 10s, true, 0.5));
  EXPECT_FALSE(next_pause(default_schedule(), 0, std::nullopt, false, 0.5));
  EXPECT_FALSE(next_pause({}, 1, std::nullopt, false, 0.5));
}

TEST(Schedule, RetryAfterMovesWithinTwiceThePause) {
  const auto pause = [](std::optional<seconds> asked, uint32_t attempt = 2) {
    return next_pause(default_schedule(), attempt, asked, false, 0.5);
  };
  EXPECT_EQ(pause(0s), 5min);
  EXPECT_EQ(pause(10s), 5min);
  EXPECT_EQ(pause(400s), 400s);
  EXPECT_EQ(pause(600s), 600s);
  EXPECT_EQ(pause(601s), 600s);
  EXPECT_EQ(pause(seconds(INT64_MAX / 4)), 600s);
  EXPECT_EQ(pause(-5s), 5min);
  EXPECT_EQ(pause(seconds(48h), 8), 24h);  // base 20 h: twice that would be more than a day
}

TEST(Schedule, OverloadWaitsAtLeastAMinuteAfterTheSecondTry) {
  const std::vector<Millis> quick{5ms, 5ms, 5ms};
  EXPECT_EQ(next_pause(quick, 1, std::nullopt, true, 0.5), 5ms);
  EXPECT_EQ(next_pause(quick, 2, std::nullopt, true, 0.5), 1min);
  EXPECT_EQ(next_pause(quick, 2, std::nullopt, false, 0.5), 5ms);
}

TEST(Verdict, StatusTable) {
  const struct {
    int status;
    Fate fate;
    bool throttled;
    const char* code;
  } table[] = {
      {200, Fate::done, false, "delivered"},
      {204, Fate::done, false, "delivered"},
      {299, Fate::done, false, "delivered"},
      {101, Fate::later, false, "refused"},
      {0, Fate::later, false, "refused"},
      {300, Fate::later, false, "redirect_refused"},
      {301, Fate::later, false, "redirect_refused"},
      {308, Fate::later, false, "redirect_refused"},
      {400, Fate::later, false, "refused"},
      {401, Fate::later, false, "refused"},
      {404, Fate::later, false, "refused"},
      {410, Fate::disable, false, "gone"},
      {429, Fate::later, true, "too_many_requests"},
      {500, Fate::later, false, "server_error"},
      {502, Fate::later, true, "unavailable"},
      {503, Fate::later, true, "unavailable"},
      {504, Fate::later, true, "unavailable"},
      {599, Fate::later, false, "server_error"},
  };
  for (const auto& row : table) {
    const auto verdict = judge_status(row.status);
    EXPECT_EQ(verdict.fate, row.fate) << row.status;
    EXPECT_EQ(verdict.throttled, row.throttled) << row.status;
    EXPECT_STREQ(verdict.code, row.code) << row.status;
  }
}

TEST(Verdict, ErrorsAreTriedAgain) {
  using wire::WireError;
  const struct {
    WireError error;
    const char* code;
    bool throttled = false;
  } table[] = {
      {WireError::timeout, "timeout", true},
      {WireError::refused, "connection_refused"},
      {WireError::resolve, "name_not_found"},
      {WireError::not_allowed, "target_not_allowed"},
      {WireError::tls_certificate, "certificate_invalid"},
      {WireError::tls, "tls_failed"},
      {WireError::http, "bad_response"},
      {WireError::eof, "connection_lost"},
      {WireError::io, "connection_lost"},
  };
  for (const auto& row : table) {
    const auto verdict = judge_error(Error(row.error, "here"));
    EXPECT_EQ(verdict.fate, Fate::later) << row.code;
    EXPECT_EQ(verdict.throttled, row.throttled) << row.code;
    EXPECT_STREQ(verdict.code, row.code);
  }
}

TEST(Verdict, RetryAfterForms) {
  constexpr UnixSeconds now = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
  const struct {
    const char* text;
    std::optional<seconds> wait;
  } table[] = {
      {"0", 0s},
      {"120", 120s},
      {"86400", 86400s},
      {"86401", 86400s},
      {"9223372036854775807", 86400s},
      {"99999999999999999999", std::nullopt},
      {"-1", std::nullopt},
      {"+5", std::nullopt},
      {"1.5", std::nullopt},
      {"12s", std::nullopt},
      {" 12", std::nullopt},
      {"", std::nullopt},
      {"soon", std::nullopt},
      {"Sun, 06 Nov 1994 08:50:37 GMT", 60s},
      {"Sun, 06 Nov 1994 08:49:37 GMT", std::nullopt},  // now
      {"Sun, 06 Nov 1994 08:48:37 GMT", std::nullopt},  // past
      {"Mon, 06 Nov 2034 08:49:37 GMT", 86400s},
      {"Sun, 06 Nov 1994 08:50:37 CET", std::nullopt},
      {"Sun, 06 Nov 1994 08:50:37 GMT and more", std::nullopt},
      {"Sun, 99 Nov 1994 08:50:37 GMT", std::nullopt},
  };
  for (const auto& row : table) EXPECT_EQ(parse_retry_after(row.text, now), row.wait) << row.text;
  EXPECT_FALSE(parse_retry_after(std::string(100'000, '1'), now));
}

TEST(DeliveryState, ComesBackAsItWas) {
  for (const uint32_t attempts : {0u, 1u, 9u, UINT32_MAX}) {
    for (const UnixMillis due : {UnixMillis(0), UnixMillis(1'795'000'000'123), INT64_MAX}) {
      for (const bool exhausted : {false, true}) {
        const auto back = decode_state(encode({attempts, due, exhausted}));
        EXPECT_EQ(back.attempts, attempts);
        EXPECT_EQ(back.due, due);
        EXPECT_EQ(back.exhausted, exhausted);
      }
    }
  }
}

TEST(DeliveryState, BytesAreFixed) {
  EXPECT_EQ(to_hex(encode({3, 1'795'000'000'123, true})),
            "030100000003000001a1ee565e7b000000000000000000");
  DeliveryState state;
  state.format = BodyFormat::cloud;
  EXPECT_EQ(to_hex(encode(state)), "0300000000000000000000000000000000000000000004");
}

TEST(DeliveryState, RowsOfTheFirstVersionAreRead) {
  const auto state = decode_state(*from_hex("010100000003000001a1ee565e7b"));
  EXPECT_EQ(state.attempts, 3u);
  EXPECT_EQ(state.due, 1'795'000'000'123);
  EXPECT_TRUE(state.exhausted);
  EXPECT_EQ(state.last_attempt, 0u);
}

TEST(DeliveryState, RowsWithoutAFormatAreReadAndTheFormatComesBack) {
  const auto before = decode_state(*from_hex("020100000003000001a1ee565e7b0000000000000007"));
  EXPECT_EQ(before.attempts, 3u);
  EXPECT_EQ(before.last_attempt, 7u);
  EXPECT_FALSE(before.format);
  for (const auto format :
       {BodyFormat::native, BodyFormat::waha, BodyFormat::evolution, BodyFormat::cloud}) {
    DeliveryState state;
    state.format = format;
    EXPECT_EQ(decode_state(encode(state)).format, format);
  }
  Bytes unknown = encode(DeliveryState{3});
  unknown.back() = 9;
  EXPECT_EQ(decode_state(unknown).attempts, 0u) << "a format of a later version";
}

TEST(DeliveryState, RubbishReadsAsAFreshDelivery) {
  test::SeededRandom random(7);
  const Bytes good = encode({3, 1'795'000'000'123, true});
  for (size_t size = 0; size < 40; ++size) {
    Bytes bad = random.bytes(size);
    if (size == good.size()) bad[0] = 9;  // a version that does not exist
    const auto state = decode_state(bad);
    EXPECT_EQ(state.attempts, 0u) << size;
    EXPECT_EQ(state.due, 0) << size;
    EXPECT_FALSE(state.exhausted) << size;
  }
  EXPECT_EQ(decode_state(ByteView(good).first(13)).attempts, 0u);
}

TEST(Endpoint, FilterTable) {
  const struct {
    std::vector<std::string> filters;
    const char* type;
    bool wanted;
  } table[] = {
      {{}, "message", true},
      {{"*"}, "session.status", true},
      {{"message"}, "message", true},
      {{"message"}, "message.ack", false},
      {{"message.*"}, "message", true},
      {{"message.*"}, "message.ack", true},
      {{"message.*"}, "messages", false},
      {{"message.*"}, "session.status", false},
      {{"message.ack"}, "message", false},
      {{"session.status", "message.ack"}, "message.ack", true},
      {{""}, "message", false},
      {{".*"}, "message", false},
  };
  for (const auto& row : table) {
    Endpoint endpoint;
    endpoint.events = row.filters;
    EXPECT_EQ(endpoint.wants(row.type, SessionId()), row.wanted) << row.type;
  }
}

TEST(Endpoint, WantsItsOwnSessionsOnlyAndNothingWhenDisabled) {
  test::SeededRandom random;
  const auto mine = SessionId::random(random), other = SessionId::random(random);
  Endpoint endpoint;
  endpoint.sessions = {mine};
  EXPECT_TRUE(endpoint.wants("message", mine));
  EXPECT_FALSE(endpoint.wants("message", other));
  endpoint.enabled = false;
  EXPECT_FALSE(endpoint.wants("message", mine));
}

}  // namespace
}  // namespace wab::webhook
