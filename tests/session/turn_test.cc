#include "session/turn.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "storage/base/shards.h"
#include "tests/support/run.h"

namespace wab::session {
namespace {

struct Stage {
  boost::asio::io_context loop{1};
  Turn turn;
  std::vector<int> order;
  int inside = 0;
};

awaitable<void> worker(Stage& stage, int name) {
  auto holder = co_await stage.turn.take();
  EXPECT_EQ(++stage.inside, 1) << "two hold the turn";
  stage.order.push_back(name);
  for (int i = 0; i < name % 3; ++i) co_await yield_shard();
  --stage.inside;
}

awaitable<void> many(Stage& stage) {
  {
    auto holder = co_await stage.turn.take();
    for (int i = 0; i < 50; ++i) spawn(stage.loop.get_executor(), worker(stage, i), "test");
    for (int i = 0; i < 10; ++i) co_await yield_shard();
    EXPECT_TRUE(stage.order.empty());
  }
  auto last = co_await stage.turn.take();
  EXPECT_EQ(stage.order.size(), 50u);
}

TEST(Turn, IsGivenInOrderOfArrival) {
  Stage stage;
  test::run_on(stage.loop, [&stage] { return many(stage); });
  for (int i = 0; i < 50; ++i) EXPECT_EQ(stage.order.at(static_cast<size_t>(i)), i);
}

awaitable<void> release_early(Stage& stage) {
  auto holder = co_await stage.turn.take();
  holder.release();
  holder.release();  // once is enough
  auto second = co_await stage.turn.take();
  auto moved = std::move(second);
}

TEST(Turn, MayBeGivenOnEarlyAndMoved) {
  Stage stage;
  test::run_on(stage.loop, [&stage] { return release_early(stage); });
  test::run_on(stage.loop, [&stage] { return release_early(stage); });
}

}  // namespace
}  // namespace wab::session
