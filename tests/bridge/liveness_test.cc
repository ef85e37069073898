#include "bridge/liveness.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "tests/support/run.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;

// Looks again until the loops have answered; they are threads of their own.
bool answers_soon(Liveness& liveness) {
  const auto end = test::soon();
  for (auto now = std::chrono::steady_clock::now(); now < end;
       now = std::chrono::steady_clock::now()) {
    liveness.look(now);
    if (liveness.stuck(now, 0ms).empty()) return true;
    std::this_thread::yield();
  }
  return false;
}

TEST(Liveness, LoopsThatTurnAreWell) {
  Shards shards(2);
  shards.run();
  Liveness liveness(shards);
  EXPECT_EQ(liveness.stuck(std::chrono::steady_clock::now()), "");
  EXPECT_TRUE(answers_soon(liveness));
  EXPECT_LT(liveness.lag(std::chrono::steady_clock::now()), 10s);
  EXPECT_TRUE(shards.stop());
}

TEST(Liveness, ALoopThatRunsOneThingForTooLongIsNamedUntilItAnswers) {
  Shards shards(2);
  shards.run();
  Liveness liveness(shards);
  std::promise<void> holding, release;
  auto released = release.get_future().share();
  boost::asio::post(shards.at(1), [&holding, released] {
    holding.set_value();
    released.wait();
  });
  holding.get_future().wait();
  const auto now = std::chrono::steady_clock::now();
  liveness.look(now);
  EXPECT_EQ(liveness.stuck(now + Liveness::kStuck - 1ms, Liveness::kStuck), "");
  // Loop 0 answers; loop 1 cannot, however often it is asked.
  std::string stuck;
  const auto end = test::soon();
  while (stuck != "event loop 1 does not answer" && std::chrono::steady_clock::now() < end) {
    liveness.look(std::chrono::steady_clock::now());
    stuck = liveness.stuck(now + Liveness::kStuck);
    std::this_thread::yield();
  }
  EXPECT_EQ(stuck, "event loop 1 does not answer");
  EXPECT_GE(liveness.lag(now + 7s), 6s);
  release.set_value();
  EXPECT_TRUE(answers_soon(liveness));
  EXPECT_EQ(liveness.stuck(std::chrono::steady_clock::now() + Liveness::kStuck), "");
  EXPECT_TRUE(shards.stop());
}

}  // namespace
}  // namespace wab::bridge
