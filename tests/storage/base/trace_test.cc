#include "storage/base/trace.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace wab {
namespace {

constexpr const char* kGood = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(Trace, AGoodHeaderIsReadAndWrittenBack) {
  const auto trace = TraceContext::parse(kGood);
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->id(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(trace->traceparent(), kGood);
}

TEST(Trace, WhatIsNotExactlyAsItShouldBeIsAbsent) {
  const std::string good = kGood;
  const std::string bad[] = {
      "",
      "00",
      good.substr(0, 54),
      good + "-",
      good + "-more",
      "0" + good,
      "ff" + good.substr(2),
      "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
      "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333\n-01",
      "cc" + good.substr(2) + "more",
      "cc" + good.substr(2) + "-" + std::string(300, 'a'),
  };
  for (const auto& text : bad) EXPECT_FALSE(TraceContext::parse(text)) << text;
}

TEST(Trace, ALaterVersionMayGoOnBehindAndIsWrittenAsOurs) {
  const auto trace = TraceContext::parse("cc" + std::string(kGood).substr(2, 51) + "ff-what-ever");
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->traceparent(), kGood);  // of the flags only "sampled" is passed on
}

TEST(Trace, AChildStaysInItsTraceWithAnIdOfItsOwn) {
  test::SeededRandom random(7);
  const auto parent = TraceContext::fresh(random);
  const auto child = parent.child(random);
  EXPECT_EQ(child.trace, parent.trace);
  EXPECT_NE(child.span, parent.span);
  EXPECT_TRUE(TraceContext::parse(child.traceparent()));
  EXPECT_NE(TraceContext::fresh(random).trace, parent.trace);
}

TEST(Trace, TheSameCauseGivesTheSameTrace) {
  EXPECT_EQ(TraceContext::of("evt_a").trace, TraceContext::of("evt_a").trace);
  EXPECT_NE(TraceContext::of("evt_a").trace, TraceContext::of("evt_b").trace);
  EXPECT_TRUE(TraceContext::parse(TraceContext::of("evt_a").traceparent()));
}

}  // namespace
}  // namespace wab
