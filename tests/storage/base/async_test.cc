#include "storage/base/async.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "storage/base/gate.h"
#include "storage/base/shards.h"
#include "tests/support/log_watcher.h"
#include "tests/support/run.h"

namespace wab {
namespace {

using test::in_ms;
using test::run_async;
using test::soon;

awaitable<void> wait_and_note(Event& event, int id, std::vector<int>& order) {
  co_await event.wait();
  order.push_back(id);
}

awaitable<void> notify_order() {
  auto here = co_await boost::asio::this_coro::executor;
  Event event;
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) spawn(here, wait_and_note(event, i, order), "waiter");
  co_await yield_shard();
  event.notify_one();
  co_await yield_shard();
  EXPECT_EQ(order, (std::vector<int>{0}));
  event.notify_all();
  while (order.size() < 3) co_await yield_shard();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  EXPECT_FALSE(event.has_waiters());
}
TEST(Event, WakesInOrderOfArrival) { run_async(notify_order); }

awaitable<void> deadline_passes() {
  Event event;
  const bool notified = co_await event.wait_until(in_ms(1));
  EXPECT_FALSE(notified);
  EXPECT_FALSE(event.has_waiters());
}
TEST(Event, DeadlineEndsTheWait) { run_async(deadline_passes); }

TEST(Event, OutlivesADestroyedWaiter) {
  Event event;
  std::vector<int> order;
  {
    boost::asio::io_context loop(1);
    spawn(loop.get_executor(), wait_and_note(event, 1, order), "waiter");
    loop.poll();
    EXPECT_TRUE(event.has_waiters());
  }
  EXPECT_FALSE(event.has_waiters());
  event.notify_all();
  EXPECT_TRUE(order.empty());
}

awaitable<void> wait_until_and_note(Event& event, std::vector<int>& order) {
  co_await event.wait_until(in_ms(5));
  order.push_back(1);
}

TEST(Event, NeverResumesAWaiterOfADestroyedEvent) {
  boost::asio::io_context loop(1);
  std::vector<int> order;
  auto event = std::make_unique<Event>();
  spawn(loop.get_executor(), wait_until_and_note(*event, order), "waiter");
  loop.poll();
  event.reset();
  loop.run_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(order.empty());
}

awaitable<void> set_later(Signal& signal) {
  co_await yield_shard();
  signal.set();
}
awaitable<void> signal_holds() {
  auto here = co_await boost::asio::this_coro::executor;
  Signal signal;
  spawn(here, set_later(signal), "setter");
  co_await signal.wait();
  EXPECT_TRUE(signal.is_set());
  const bool again = co_await signal.wait_until(in_ms(0));
  EXPECT_TRUE(again);
  signal.reset();
  const bool unset = co_await signal.wait_until(in_ms(1));
  EXPECT_FALSE(unset);
}
TEST(Signal, RemembersThatItWasSet) { run_async(signal_holds); }

awaitable<void> push_all(AsyncQueue<int>& queue, int count, int& pushed) {
  for (int i = 0; i < count; ++i) {
    const bool ok = co_await queue.push(i);
    if (!ok) co_return;
    ++pushed;
  }
  queue.close();
}
awaitable<void> queue_bounds() {
  auto here = co_await boost::asio::this_coro::executor;
  AsyncQueue<int> queue(2);
  int pushed = 0;
  spawn(here, push_all(queue, 5, pushed), "pusher");
  for (int i = 0; i < 5; ++i) co_await yield_shard();
  EXPECT_EQ(pushed, 2);
  EXPECT_FALSE(queue.try_push(9));
  for (int i = 0; i < 5; ++i) {
    std::optional<int> item = co_await queue.pop();
    EXPECT_EQ(item, i);
  }
  std::optional<int> end = co_await queue.pop();
  EXPECT_FALSE(end);
  EXPECT_FALSE(queue.try_push(9));
}
TEST(AsyncQueue, PushWaitsAtTheBoundAndPopSeesTheEnd) { run_async(queue_bounds); }

awaitable<void> queue_closes_pusher() {
  auto here = co_await boost::asio::this_coro::executor;
  AsyncQueue<int> queue(1);
  int pushed = 0;
  spawn(here, push_all(queue, 5, pushed), "pusher");
  co_await yield_shard();
  queue.close();
  std::optional<int> left = co_await queue.pop();
  EXPECT_EQ(left, 0);
  std::optional<int> end = co_await queue.pop_until(in_ms(1));
  EXPECT_FALSE(end);
  EXPECT_EQ(pushed, 1);
}
TEST(AsyncQueue, CloseReleasesAWaitingPusher) { run_async(queue_closes_pusher); }

awaitable<void> one_shot() {
  auto here = co_await boost::asio::this_coro::executor;
  OneShot<std::unique_ptr<int>> value(here);
  std::thread thread([value] { value.set(std::make_unique<int>(7)); });
  auto got = co_await value.wait();
  thread.join();
  EXPECT_EQ(*got, 7);
  OneShot<int> never(here);
  std::optional<int> nothing = co_await never.wait_until(in_ms(1));
  EXPECT_FALSE(nothing);
  never.set(1);  // too late is harmless
}
TEST(OneShot, CarriesAValueFromAnotherThread) { run_async(one_shot); }

awaitable<void> hold(Gate::Pass pass, Event& leave) {
  co_await leave.wait();
  pass = Gate::Pass();
}
awaitable<void> close_gate(Gate& gate, bool& closed) {
  co_await gate.close();
  closed = true;
}
awaitable<void> gate_waits() {
  auto here = co_await boost::asio::this_coro::executor;
  Gate gate;
  Event leave;
  bool closed = false;
  spawn(here, hold(gate.enter(), leave), "worker");
  spawn(here, gate, hold(Gate::Pass(), leave), "worker");
  EXPECT_EQ(gate.inside(), 2u);
  spawn(here, close_gate(gate, closed), "closer");
  for (int i = 0; i < 3; ++i) co_await yield_shard();
  EXPECT_FALSE(closed);
  EXPECT_FALSE(gate.enter());
  EXPECT_FALSE(spawn(here, gate, hold(Gate::Pass(), leave), "late"));
  leave.notify_all();
  while (!closed) co_await yield_shard();
  EXPECT_EQ(gate.inside(), 0u);
}
TEST(Gate, CloseWaitsForTheLastAndLetsNobodyIn) { run_async(gate_waits); }

TEST(GateDeathTest, DyingWithWorkInsideAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
#ifndef NDEBUG
  EXPECT_DEATH(
      {
        auto gate = std::make_unique<Gate>();
        Gate::Pass pass = gate->enter();
        gate.reset();
      },
      "inside");
#endif
}

awaitable<void> sleeps() {
  const SteadyTime until = in_ms(2);
  co_await sleep_until(until);
  EXPECT_GE(std::chrono::steady_clock::now(), until);
}
TEST(SleepUntil, ReturnsAfterTheDeadline) { run_async(sleeps); }

}  // namespace
}  // namespace wab
