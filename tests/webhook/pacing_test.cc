// Breaker, pace, turns, places and health: pure rules on a clock that is a number.
#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"
#include "webhook/attempt.h"
#include "webhook/breaker.h"
#include "webhook/fair.h"
#include "webhook/health.h"
#include "webhook/log_head.h"
#include "webhook/pace.h"
#include "webhook/replay.h"
#include "webhook/slots.h"

namespace wab::webhook {
namespace {

void fail_times(Breaker& breaker, int count, int64_t now) {
  for (int i = 0; i < count; ++i) breaker.ended(breaker.start(now), false, now);
}

TEST(Breaker, OpensWhenHalfOfAtLeastTenFailedWithinAMinute) {
  Breaker breaker;
  for (int i = 0; i < 5; ++i) breaker.ended(false, true, 1000);
  fail_times(breaker, 4, 1000);
  EXPECT_FALSE(breaker.open()) << "nine are not enough";
  fail_times(breaker, 1, 1000);
  EXPECT_TRUE(breaker.open());
  EXPECT_EQ(breaker.ready_at(1000), 31'000);
}

TEST(Breaker, WhatIsOlderThanAMinuteDoesNotCount) {
  Breaker breaker;
  fail_times(breaker, 9, 0);
  fail_times(breaker, 9, 60'001);
  EXPECT_FALSE(breaker.open());
}

TEST(Breaker, HalfOpenLetsOneProbeThroughAndDoublesUpToAQuarterOfAnHour) {
  Breaker breaker;
  fail_times(breaker, 10, 0);
  int64_t now = 0, expected = 30'000;
  for (int round = 0; round < 8; ++round) {
    ASSERT_EQ(breaker.ready_at(now), now + expected) << round;
    now += expected;
    ASSERT_EQ(breaker.ready_at(now), now);
    ASSERT_TRUE(breaker.start(now));
    EXPECT_FALSE(breaker.ready_at(now)) << "a second probe";
    breaker.ended(true, false, now);
    expected = std::min<int64_t>(expected * 2, 900'000);
  }
  now = *breaker.ready_at(now);
  ASSERT_TRUE(breaker.start(now));
  breaker.ended(true, true, now);
  EXPECT_FALSE(breaker.open());
  EXPECT_FALSE(breaker.start(now)) << "closed: an attempt like any other";
}

TEST(Breaker, AttemptsThatWereUnderWayWhenItOpenedChangeNothing) {
  Breaker breaker;
  fail_times(breaker, 10, 0);
  breaker.ended(false, true, 10);
  breaker.ended(false, false, 20);
  EXPECT_EQ(breaker.ready_at(20), 30'000);
}

TEST(Pace, ARateIsKeptOverTime) {
  Pace pace;
  pace.set_rate(5);
  int64_t now = 1'000'000;
  pace.start(now);  // settles the first second
  int started = 0;
  for (const int64_t end = now + 10'000; now < end;) {
    const int64_t at = pace.ready_at(now);
    if (at == now) {
      pace.start(now);
      ++started;
    } else {
      now = at;
    }
  }
  EXPECT_GE(started, 48);
  EXPECT_LE(started, 56) << "ten seconds at five a second, and one second's burst";
}

TEST(Pace, WithoutARateNothingWaits) {
  Pace pace;
  for (int i = 0; i < 1000; ++i) pace.start(7);
  EXPECT_EQ(pace.ready_at(7), 7);
}

TEST(Pace, AnOverloadedServerIsLeftAloneForLongerAndLonger) {
  Pace pace;
  pace.throttle(0, 0);
  EXPECT_EQ(pace.ready_at(0), 1000);
  pace.throttle(1000, 0);
  EXPECT_EQ(pace.ready_at(1000), 3000);
  pace.throttle(3000, 25'000);
  EXPECT_EQ(pace.ready_at(3000), 28'000) << "Retry-After counts";
  pace.throttle(28'000, 3'600'000);
  EXPECT_EQ(pace.ready_at(28'000), 88'000) << "never longer than a minute";
  pace.relax();
  pace.throttle(90'000, 0);
  EXPECT_EQ(pace.ready_at(90'000), 91'000) << "a success forgets";
}

TEST(Fair, OrganizationsTakeTurnsHoweverManyEndpointsOneHas) {
  test::SeededRandom random;
  Fair fair;
  const OrgId big = OrgId::random(random), small = OrgId::random(random);
  for (int i = 0; i < 50; ++i) fair.add(big, EndpointId::random(random));
  const EndpointId mine = EndpointId::random(random);
  fair.add(small, mine);
  int turns = 0;
  for (int i = 0; i < 10; ++i) {
    const auto turn = fair.take();
    ASSERT_TRUE(turn);
    turns += turn->org == small ? 1 : 0;
    fair.add(turn->org, turn->endpoint);
  }
  EXPECT_EQ(turns, 5);
}

TEST(Slots, ThoseThatHangLeaveTheFastHalf) {
  Slots slots(8);
  for (int i = 0; i < 4; ++i) slots.start(false, 0);
  EXPECT_FALSE(slots.free(false, 500));
  EXPECT_EQ(slots.next_aging(), 1000);
  EXPECT_TRUE(slots.free(false, 1000)) << "four attempts hang and keep everybody out";
  EXPECT_FALSE(slots.free(true, 1000)) << "the slow half is full of them";
}

TEST(Slots, SocketsAreBoundedInAll) {
  Slots slots(8);
  int64_t now = 0;
  size_t started = 0;
  for (int round = 0; round < 100; ++round, now += 1000) {
    while (slots.free(false, now)) {
      slots.start(false, now);
      ++started;
    }
  }
  EXPECT_EQ(started, 32u);
}

TEST(Health, SaysFailingOnceAndRecoveredOnce) {
  Health health;
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_FALSE(health.ended(false, attempt, false, 1000 * attempt).failing);
  }
  EXPECT_TRUE(health.ended(false, 4, false, 4000).failing);
  EXPECT_FALSE(health.ended(false, 5, false, 5000).failing) << "said before";
  EXPECT_EQ(health.failing_since, 1000);
  const auto good = health.ended(true, 6, false, 6000);
  EXPECT_TRUE(good.recovered && good.row);
  EXPECT_EQ(health.failing_since, 0);
  EXPECT_FALSE(health.ended(true, 1, false, 7000).row) << "nothing changed";
}

TEST(Health, GivesUpAfterFiveDaysWithoutASuccess) {
  constexpr UnixMillis kDay = 24 * 3600 * 1000;
  Health health;
  for (int day = 1; day <= 5; ++day) health.ended(false, 1, false, day * kDay);
  EXPECT_FALSE(health.ended(false, 2, false, 6 * kDay - 1).give_up);
  EXPECT_TRUE(health.ended(false, 2, false, 6 * kDay).give_up);
  health.ended(true, 1, false, 6 * kDay);
  EXPECT_FALSE(health.ended(false, 1, false, 7 * kDay).give_up)
      << "sporadic failures do not add up";
}

constexpr UnixMillis kHour = 3600 * 1000, kDay = 24 * kHour;

TEST(Health, AClockThatWasWrongIsNoProofOfYearsOfFailing) {
  const UnixMillis now = 1'790'000'000'000;
  for (const UnixMillis wrong : {now - 3650 * kDay, now + 3650 * kDay, now - 4 * kDay}) {
    Health health;
    health.ended(false, 1, false, wrong);
    const auto change = health.ended(false, 1, false, now);
    EXPECT_FALSE(change.give_up);
    EXPECT_TRUE(change.row);
    EXPECT_EQ(health.failing_since, now);
  }
}

TEST(Health, IsReadBackAndSoIsTheRowOfBefore) {
  Health health;
  health.ended(false, 4, false, 1'790'000'000'000);
  health.ended(false, 4, false, 1'790'000'000'000 + 2 * kHour);
  const auto again = decode_health(encode(health));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->last_failed, health.last_failed);
  Bytes before = encode(health);
  before[0] = 1;
  before.resize(before.size() - 8);
  const auto old = decode_health(before);
  ASSERT_TRUE(old);
  EXPECT_EQ(old->failing_since, health.failing_since);
  EXPECT_EQ(old->last_failed, health.failing_since);
  EXPECT_FALSE(decode_health(Bytes{3, 0}));
}

TEST(Health, ComesBackAsItWas) {
  const Health health{1234, 5678, true, 77};
  const auto back = decode_health(encode(health));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->failing_since, 1234);
  EXPECT_TRUE(back->told);
  EXPECT_EQ(back->events, 77u);
  EXPECT_FALSE(decode_health(view("rubbish")));
}

TEST(LogHead, RowsOlderThanThirtyDaysExpireByTheDay) {
  constexpr UnixMillis kDay = 24 * 3600 * 1000;
  LogHead head;
  for (int day = 0; day < 40; ++day) {
    for (int i = 0; i < 10; ++i) head.append(day * kDay + i);
  }
  EXPECT_EQ(head.next, 401u);
  const uint64_t keep = head.expired(39 * kDay, 1'000'000);
  EXPECT_EQ(keep, 91u) << "days 0 to 8 are older than thirty days";
  EXPECT_EQ(head.expired(39 * kDay, 5), 6u) << "in steps";
  head.drop_before(keep);
  EXPECT_EQ(head.expired(39 * kDay, 1000), 91u);
  const auto back = decode_log_head(encode(head));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->first, 91u);
  EXPECT_EQ(back->days, head.days);
  EXPECT_EQ(head.expired(500 * kDay, 1'000'000), 401u) << "an idle endpoint's log empties";
}

TEST(Attempt, ComesBackAsItWas) {
  test::SeededRandom random;
  Attempt attempt;
  attempt.event_id = "evt_1";
  attempt.event_type = "message";
  attempt.session = SessionId::random(random);
  attempt.seq = 9;
  attempt.at = 1'795'000'000'000;
  attempt.attempt = 3;
  attempt.trigger = Trigger::replay;
  attempt.status = 503;
  attempt.verdict = "unavailable";
  attempt.address = "203.0.113.5:443";
  attempt.reused = true;
  attempt.timings = {100, 200, 300, 400, 500};
  attempt.next_attempt = 1'795'000'300'000;
  attempt.answer = to_bytes(view(std::string("\0busy\xff", 6)));
  attempt.answer_bytes = 70'000;
  attempt.previous = 41;
  attempt.format = BodyFormat::waha;
  const Bytes stored = encode(attempt);
  const auto back = decode_attempt(stored);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode(*back), stored);
  EXPECT_EQ(back->answer, attempt.answer);
  EXPECT_EQ(back->timings.tls, 300);
  EXPECT_EQ(back->format, BodyFormat::waha);
  for (size_t size = 0; size < stored.size(); ++size) {
    EXPECT_FALSE(decode_attempt(ByteView(stored).first(size))) << size;
  }
  // As it was stored before it said in which format.
  Bytes before = stored;
  before.pop_back();
  before[0] = 1;
  const auto old = decode_attempt(before);
  ASSERT_TRUE(old);
  EXPECT_EQ(old->previous, 41u);
  EXPECT_FALSE(old->format);
}

TEST(DeadLetter, ComesBackAsItWas) {
  test::SeededRandom random;
  DeadLetter letter;
  letter.event_id = "evt_1";
  letter.event_type = "message";
  letter.session = SessionId::random(random);
  letter.seq = 4;
  letter.attempts = 10;
  letter.status = 500;
  letter.verdict = "server_error";
  letter.last_attempt = 77;
  letter.format = BodyFormat::cloud;
  Bytes stored = encode(letter);
  const auto back = decode_dead_letter(stored);
  ASSERT_TRUE(back);
  EXPECT_EQ(encode(*back), stored);
  EXPECT_EQ(back->format, BodyFormat::cloud);
  stored.pop_back();
  EXPECT_FALSE(decode_dead_letter(stored));
  stored[0] = 1;
  const auto old = decode_dead_letter(stored);
  ASSERT_TRUE(old);
  EXPECT_EQ(old->last_attempt, 77u);
  EXPECT_FALSE(old->format);
}

TEST(ReplayJob, ComesBackAsItWasAndSelects) {
  test::SeededRandom random;
  ReplayJob job;
  job.id = ReplayId::random(random);
  job.endpoint = EndpointId::random(random);
  job.wish.since = 1000;
  job.wish.until = 2000;
  job.wish.chat = "15550100002@s.whatsapp.net";
  job.cursor = 5;
  job.queued = 3;
  const auto back = decode_replay_job(encode(job));
  ASSERT_TRUE(back);
  EXPECT_EQ(encode(*back), encode(job));
  const std::string body =
      R"({"data":{"chat":{"id":"15550100002@s.whatsapp.net","kind":"direct"}}})";
  EXPECT_TRUE(selects(job.wish, 1000, view(body)));
  EXPECT_FALSE(selects(job.wish, 999, view(body)));
  EXPECT_FALSE(selects(job.wish, 2000, view(body)));
  EXPECT_FALSE(selects(job.wish, 1500, view(R"({"data":{"chat":{"id":"other"}}})")));
  EXPECT_FALSE(selects(job.wish, 1500, view("not json")));
}

}  // namespace
}  // namespace wab::webhook
