#include "session/backoff.h"

#include <gtest/gtest.h>

namespace wab::session {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr SteadyTime at(int s) { return SteadyTime(seconds(s)); }

TEST(Backoff, FollowsFibonacciUpToFifteenMinutes) {
  const int expected[] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 900, 900};
  for (int i = 0; i < 18; ++i) EXPECT_EQ(fibonacci_delay(i), seconds(expected[i])) << i;
  EXPECT_EQ(fibonacci_delay(1'000'000), seconds(900));
  EXPECT_EQ(fibonacci_delay(-5), seconds(0));
}

TEST(Backoff, DelayIsSpreadOverTheWholeStep) {
  for (const double unit : {0.0, 0.5, 0.999}) {
    Backoff backoff;
    for (int i = 1; i <= 40; ++i) {
      const auto delay = backoff.ended(at(0), 0, unit);
      const auto width = std::min<milliseconds>(fibonacci_delay(i), seconds(899));
      EXPECT_GE(delay, seconds(1));
      EXPECT_LE(delay, seconds(900));
      EXPECT_NEAR(static_cast<double>((delay - seconds(1)).count()),
                  static_cast<double>(width.count()) * unit, 1.0);
    }
  }
}

TEST(Backoff, ShortConnectionsDoNotReset) {
  Backoff backoff;
  for (int i = 0; i < 5; ++i) {
    backoff.connected(at(100 * i));
    backoff.ended(at(100 * i + 29), 0, 0.5);
  }
  EXPECT_EQ(backoff.step(), 5);
}

TEST(Backoff, ThirtyStableSecondsReset) {
  Backoff backoff;
  for (int i = 0; i < 7; ++i) backoff.ended(at(i), 0, 0.5);
  backoff.connected(at(100));
  backoff.ended(at(130), 0, 0.5);
  EXPECT_EQ(backoff.step(), 1);
  // An attempt that never connected is not stable because time passed.
  backoff.ended(at(500), 0, 0.5);
  EXPECT_EQ(backoff.step(), 2);
}

TEST(Backoff, PenaltySurvivesAStableConnectionButNotForEver) {
  Backoff backoff;
  EXPECT_EQ(backoff.ended(at(0), 5, 0.0), seconds(1));
  EXPECT_EQ(backoff.step(), 6);
  backoff.connected(at(10));
  backoff.ended(at(100), 0, 0.0);
  EXPECT_EQ(backoff.step(), 6);
  backoff.connected(at(200));
  backoff.ended(at(200 + 900), 0, 0.0);
  EXPECT_EQ(backoff.step(), 1);
}

TEST(Backoff, ClearForgetsEverything) {
  Backoff backoff;
  for (int i = 0; i < 1000; ++i) backoff.ended(at(i), 5, 0.9);
  EXPECT_EQ(backoff.ended(at(1000), 0, 0.0), seconds(1));
  backoff.clear();
  EXPECT_EQ(backoff.step(), 0);
  EXPECT_LT(backoff.ended(at(1001), 0, 0.99), seconds(2));
}

TEST(Backoff, FirstAttemptIsSpread) {
  EXPECT_EQ(Backoff::first(seconds(10), 0.0), milliseconds(0));
  EXPECT_EQ(Backoff::first(seconds(10), 0.25), milliseconds(2500));
  EXPECT_LT(Backoff::first(seconds(10), 0.9999), seconds(10));
}

TEST(Backoff, KeepsASecondBetweenAttemptsEvenWhenCleared) {
  Backoff backoff;
  const SteadyTime now{std::chrono::hours(1)};
  EXPECT_LE(backoff.earliest(), now);
  backoff.attempted(now);
  backoff.clear();
  EXPECT_EQ(backoff.earliest(), now + std::chrono::milliseconds(1100));
}

}  // namespace
}  // namespace wab::session
