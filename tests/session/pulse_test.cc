#include "session/pulse.h"

#include <gtest/gtest.h>

namespace wab::session {
namespace {

using namespace std::chrono_literals;

const SteadyTime kNow = SteadyTime(std::chrono::hours(100));

TEST(Pulse, ASessionThatAnswersAndReadsHasNoTrouble) {
  Pulse pulse;
  EXPECT_FALSE(pulse.trouble(kNow));
  pulse.decrypted(true, kNow);
  EXPECT_FALSE(pulse.trouble(kNow));
}

TEST(Pulse, AnUnansweredPingIsTroubleUntilSomethingComes) {
  Pulse pulse;
  pulse.silent(true);
  EXPECT_EQ(pulse.trouble(kNow), Cause::not_answering);
  pulse.silent(false);
  EXPECT_FALSE(pulse.trouble(kNow));
}

TEST(Pulse, ANewConnectionStartsWithoutTheSilenceOfTheOld) {
  Pulse pulse;
  pulse.silent(true);
  pulse.connected();
  EXPECT_FALSE(pulse.trouble(kNow));
}

TEST(Pulse, OnlyARunOfUnreadableMessagesIsTroubleAndOneReadableEndsIt) {
  Pulse pulse;
  for (int i = 1; i < Pulse::kBadRun; ++i) pulse.decrypted(false, kNow);
  EXPECT_FALSE(pulse.trouble(kNow));
  pulse.decrypted(true, kNow);
  for (int i = 1; i < Pulse::kBadRun; ++i) pulse.decrypted(false, kNow);
  EXPECT_FALSE(pulse.trouble(kNow)) << "a good one in between";
  pulse.decrypted(false, kNow);
  EXPECT_EQ(pulse.trouble(kNow), Cause::decrypt_failing);
  pulse.connected();
  EXPECT_EQ(pulse.trouble(kNow), Cause::decrypt_failing) << "a new connection reads no better";
  pulse.decrypted(true, kNow);
  EXPECT_FALSE(pulse.trouble(kNow));
}

TEST(Pulse, OldFailuresAreForgotten) {
  Pulse pulse;
  for (int i = 0; i < Pulse::kBadRun; ++i) pulse.decrypted(false, kNow);
  EXPECT_TRUE(pulse.trouble(kNow + Pulse::kRemembered));
  EXPECT_FALSE(pulse.trouble(kNow + Pulse::kRemembered + 1s));
  pulse.decrypted(false, kNow + 2 * Pulse::kRemembered);
  EXPECT_FALSE(pulse.trouble(kNow + 2 * Pulse::kRemembered)) << "the run begins anew";
}

TEST(Pulse, SilenceIsToldFirst) {
  Pulse pulse;
  for (int i = 0; i < Pulse::kBadRun; ++i) pulse.decrypted(false, kNow);
  pulse.silent(true);
  EXPECT_EQ(pulse.trouble(kNow), Cause::not_answering);
}

TEST(Pulse, ItsMovesLeadToDegradedAndBack) {
  for (const Cause cause : {Cause::not_answering, Cause::decrypt_failing}) {
    const auto down = move(Status::working, cause);
    ASSERT_TRUE(down);
    EXPECT_EQ(down->status, Status::degraded);
    EXPECT_TRUE(is_pulse_reason(down->reason)) << down->reason.code;
    EXPECT_FALSE(down->reason.next.empty());
    const auto up = move(Status::degraded, Cause::recovered);
    ASSERT_TRUE(up);
    EXPECT_EQ(up->status, Status::working);
    for (const Status other :
         {Status::stopped, Status::starting, Status::scan_qr_code, Status::failed}) {
      EXPECT_FALSE(move(other, cause));
      EXPECT_FALSE(move(other, Cause::recovered));
    }
  }
  EXPECT_FALSE(is_pulse_reason(move(Status::working, Cause::held_back)->reason));
  EXPECT_FALSE(is_pulse_reason(move(Status::working, Cause::connection_lost)->reason));
}

}  // namespace
}  // namespace wab::session
