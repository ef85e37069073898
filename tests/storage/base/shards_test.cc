#include "storage/base/shards.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <set>
#include <stdexcept>
#include <thread>

#include "storage/base/blocking.h"
#include "tests/support/log_watcher.h"
#include "tests/support/run.h"

namespace wab {
namespace {

using test::LogWatcher;

awaitable<std::thread::id> which_thread(int) { co_return std::this_thread::get_id(); }
awaitable<int> fails(std::string text) {
  co_await yield_shard();
  throw std::runtime_error(text);
}

awaitable<void> hops(Shards& shards, std::promise<void>& done) {
  const auto mine = std::this_thread::get_id();
  std::function<awaitable<std::thread::id>()> ask = [] { return which_thread(1); };
  const auto theirs = co_await on(shards.executor(1), ask);
  EXPECT_NE(theirs, mine);
  EXPECT_EQ(std::this_thread::get_id(), mine);
  std::function<awaitable<int>()> fail_there = [] { return fails("over there"); };
  bool caught = false;
  try {
    co_await on(shards.executor(1), fail_there);
  } catch (const std::runtime_error& e) {
    caught = std::string(e.what()) == "over there";
  }
  EXPECT_TRUE(caught);
  EXPECT_EQ(std::this_thread::get_id(), mine);
  done.set_value();
}

TEST(Shards, WorkHopsAndComesBack) {
  Shards shards(2);
  shards.run();
  std::promise<void> done;
  spawn(shards.executor(0), hops(shards, done), "hops");
  done.get_future().get();
  EXPECT_TRUE(shards.stop());
}

TEST(Shards, EveryHashHasOneShard) {
  Shards shards(3);
  std::set<size_t> seen;
  for (size_t hash = 0; hash < 100; ++hash) {
    EXPECT_EQ(shards.shard_of(hash), shards.shard_of(hash));
    seen.insert(shards.shard_of(hash));
  }
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_GE(Shards().size(), 1u);
}

awaitable<void> waits_forever(std::promise<void>& started) {
  Event never;
  started.set_value();
  co_await never.wait();
}

TEST(Shards, StopAbandonsWhatOutstaysTheGrace) {
  Shards shards(1);
  shards.run();
  std::promise<void> started;
  spawn(shards.executor(0), waits_forever(started), "forever");
  started.get_future().get();
  EXPECT_FALSE(shards.stop(std::chrono::milliseconds(5)));
}

awaitable<void> throws() {
  co_await yield_shard();
  throw std::runtime_error("a bug");
}

TEST(Spawn, AnExceptionIsAnErrorLineWithTheActorsName) {
  LogWatcher log;
  log.expect_error("actor.failed");
  std::string failed;
  set_spawn_hook([&](const char* actor, std::exception_ptr) { failed = actor; });
  boost::asio::io_context loop(1);
  spawn(loop.get_executor(), throws(), "buggy");
  loop.run();
  set_spawn_hook({});
  EXPECT_EQ(failed, "buggy");
  EXPECT_NE(log.text().find("\"actor\":\"buggy\",\"what\":\"a bug\""), std::string::npos);
}

TEST(Shards, AThrowingHandlerDoesNotEndTheLoop) {
  LogWatcher log;
  log.expect_error("actor.failed");
  Shards shards(1);
  shards.run();
  boost::asio::post(shards.at(0), [] { throw std::runtime_error("handler"); });
  std::promise<void> after;
  boost::asio::post(shards.at(0), [&] { after.set_value(); });
  after.get_future().get();
  EXPECT_TRUE(shards.stop());
}

enum class TestError { bad = 1 };
const ErrorDomain& error_domain(TestError) {
  static constexpr ErrorDomain domain{"test", [](int) { return "bad"; }};
  return domain;
}

awaitable<void> pool_answers(BlockingPool& pool) {
  const auto mine = std::this_thread::get_id();
  auto which = [] { return std::this_thread::get_id(); };
  Result<std::thread::id> theirs = co_await pool.run(which);
  EXPECT_TRUE(theirs.has_value());
  EXPECT_NE(theirs.value_or(mine), mine);
  EXPECT_EQ(std::this_thread::get_id(), mine);

  auto refuse = []() -> Result<int> { return fail(TestError::bad, "there"); };
  Result<int> refused = co_await pool.run(refuse);
  EXPECT_TRUE(!refused && refused.error().is(TestError::bad));

  auto nothing = [] {};
  Result<void> done = co_await pool.run(nothing);
  EXPECT_TRUE(done.has_value());

  auto throws_there = []() -> int { throw std::runtime_error("pool"); };
  bool caught = false;
  try {
    Result<int> never = co_await pool.run(throws_there);
    EXPECT_FALSE(never.has_value());
  } catch (const std::runtime_error&) {
    caught = true;
  }
  EXPECT_TRUE(caught);
}
TEST(BlockingPool, RunsElsewhereAndResumesHere) {
  BlockingPool pool("test", 2, 8);
  test::run_async([&] { return pool_answers(pool); });
}

awaitable<void> pool_full(BlockingPool& pool) {
  auto nothing = [] {};
  Result<void> refused = co_await pool.run(nothing);
  EXPECT_TRUE(!refused && refused.error().is(PoolError::full));
}

TEST(BlockingPool, RefusesBeyondItsBoundAndRunsWhatItTookBeforeItDies) {
  std::promise<void> release;
  std::promise<void> started;
  std::future<void> busy = started.get_future();
  int ran = 0;
  {
    BlockingPool pool("test", 1, 1);
    ASSERT_TRUE(pool.try_post([&] {
      started.set_value();
      release.get_future().get();
    }));
    busy.get();
    ASSERT_TRUE(pool.try_post([&] { ++ran; }));
    EXPECT_FALSE(pool.try_post([&] { ++ran; }));
    EXPECT_EQ(pool.queued(), 1u);
    test::run_async([&] { return pool_full(pool); });
    release.set_value();
  }
  EXPECT_EQ(ran, 1);
}

awaitable<void> pool_late(BlockingPool& pool, std::promise<void>& release) {
  auto blocked = [&release] {
    release.get_future().get();
    return 1;
  };
  const SteadyTime deadline = test::in_ms(2);
  Result<int> late = co_await pool.run(blocked, deadline);
  EXPECT_TRUE(!late && late.error().is(PoolError::timeout));
  release.set_value();
}
TEST(BlockingPool, ADeadlineStopsTheWaitNotTheCall) {
  std::promise<void> release;
  boost::asio::io_context loop(1);
  BlockingPool pool("test", 1, 1);
  test::run_on(loop, [&] { return pool_late(pool, release); });
}

}  // namespace
}  // namespace wab
