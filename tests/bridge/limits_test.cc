#include "bridge/limits.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;

TEST(Limits, QuotaIsWholeAtOnceAndComesBackEvenly) {
  test::ManualClock clock;
  test::SeededRandom random;
  Limits limits(clock, random);
  for (int i = 0; i < 60; ++i) {
    const auto verdict = limits.take("org", "a", 60, 60s);
    EXPECT_TRUE(verdict.allowed);
    EXPECT_EQ(verdict.remaining, 59 - i);
  }
  auto refused = limits.take("org", "a", 60, 60s);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, 1);
  EXPECT_EQ(refused.remaining, 0);
  EXPECT_EQ(refused.reset_s, 60);
  clock.advance(999ms);
  EXPECT_FALSE(limits.take("org", "a", 60, 60s).allowed);
  clock.advance(1ms);
  EXPECT_TRUE(limits.take("org", "a", 60, 60s).allowed);
  EXPECT_FALSE(limits.take("org", "a", 60, 60s).allowed);
  clock.advance(60s);
  EXPECT_EQ(limits.take("org", "a", 60, 60s).remaining, 59);
}

TEST(Limits, KeysAndPoliciesDoNotShare) {
  test::ManualClock clock;
  test::SeededRandom random;
  Limits limits(clock, random);
  EXPECT_TRUE(limits.take("org", "a", 1, 60s).allowed);
  EXPECT_FALSE(limits.take("org", "a", 1, 60s).allowed);
  EXPECT_TRUE(limits.take("org", "b", 1, 60s).allowed);
  EXPECT_TRUE(limits.take("token", "a", 1, 60s).allowed);
}

TEST(Limits, AFullTableDoesNotLetAnybodyThrough) {
  test::ManualClock clock;
  test::SeededRandom random;
  Limits limits(clock, random);
  EXPECT_TRUE(limits.take("address", "victim", 1, 60s).allowed);
  for (int i = 0; i < 200'000; ++i) limits.take("address", std::to_string(i), 1, 60s);
  EXPECT_FALSE(limits.take("address", "victim", 1, 60s).allowed);
}

TEST(Limits, ConnectionsPerAddressAndInAll) {
  test::ManualClock clock;
  test::SeededRandom random;
  Limits limits(clock, random);
  EXPECT_TRUE(limits.enter("192.0.2.1", 2, 3));
  EXPECT_TRUE(limits.enter("192.0.2.1", 2, 3));
  EXPECT_FALSE(limits.enter("192.0.2.1", 2, 3));
  EXPECT_TRUE(limits.enter("192.0.2.2", 2, 3));
  EXPECT_FALSE(limits.enter("192.0.2.3", 2, 3));
  limits.leave("192.0.2.1");
  EXPECT_EQ(limits.connections(), 2);
  EXPECT_TRUE(limits.enter("192.0.2.1", 2, 3));
}

TEST(Limits, Ipv6CountsAsItsNetwork) {
  EXPECT_EQ(address_group("2001:db8::1"), address_group("2001:db8::ffff:1"));
  EXPECT_NE(address_group("2001:db8::1"), address_group("2001:db8:0:1::1"));
  EXPECT_EQ(address_group("::ffff:192.0.2.1"), "192.0.2.1");
}

TEST(InFlight, OneClaimPerKey) {
  InFlight table;
  EXPECT_EQ(table.claim(7), InFlight::Answer::claimed);
  EXPECT_EQ(table.claim(7), InFlight::Answer::taken);
  EXPECT_EQ(table.claim(8), InFlight::Answer::claimed);
  table.release(7);
  EXPECT_EQ(table.claim(7), InFlight::Answer::claimed);
}

TEST(InFlight, AFullBucketSaysSo) {
  InFlight table;
  const uint64_t step = (1 << 12) / 16;  // the same bucket again
  for (uint64_t i = 0; i < 16; ++i) EXPECT_EQ(table.claim(1 + i * step), InFlight::Answer::claimed);
  EXPECT_EQ(table.claim(1 + 16 * step), InFlight::Answer::full);
}

}  // namespace
}  // namespace wab::bridge
