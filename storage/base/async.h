// Small things for coroutines to wait on: Event, Signal, AsyncQueue, OneShot, sleep_until.
//
// Everything here except OneShot::set belongs to one shard and is used from its thread alone; no
// locks inside. A waiter whose coroutine is destroyed unlinks itself. A waiter whose Event is
// destroyed is never resumed (its owner is gone); its frame is freed with the shard. Actors do not
// get there: they close their Gate first (gate.h).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "storage/base/clock.h"

namespace wab {

using boost::asio::any_io_executor;
using boost::asio::awaitable;

// "No deadline".
inline constexpr SteadyTime kNever = SteadyTime::max();

awaitable<void> sleep_until(SteadyTime deadline);
// Lets everything else that is ready on this shard run first.
awaitable<void> yield_shard();

// Like a condition variable: wakes those who wait now and remembers nothing. Check the condition,
// then wait; nothing runs in between.
class Event {
 public:
  Event() = default;
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  awaitable<void> wait();
  // True when notified, false when the deadline passed.
  awaitable<bool> wait_until(SteadyTime deadline);
  void notify_one();  // the one that waits longest
  void notify_all();
  bool has_waiters() const { return first_ != nullptr; }

 private:
  struct Waiter;
  void unlink(Waiter* waiter);
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

// A flag to wait for.
class Signal {
 public:
  void set() {
    set_ = true;
    event_.notify_all();
  }
  void reset() { set_ = false; }
  bool is_set() const { return set_; }
  awaitable<void> wait();
  awaitable<bool> wait_until(SteadyTime deadline);  // is_set() at the end

 private:
  bool set_ = false;
  Event event_;
};

// A bounded queue between coroutines of one shard. Values of a closed queue can still be popped.
template <class T>
class AsyncQueue {
 public:
  explicit AsyncQueue(size_t bound) : bound_(bound) {}

  // False when full or closed; `value` is untouched then.
  bool try_push(T&& value) {
    if (closed_ || items_.size() >= bound_) return false;
    items_.push_back(std::move(value));
    pushed_.notify_one();
    return true;
  }
  // Waits for room. False when the queue is or becomes closed.
  awaitable<bool> push(T value) {
    while (!closed_ && items_.size() >= bound_) co_await popped_.wait();
    co_return try_push(std::move(value));
  }
  // Nothing when the queue is closed and empty.
  awaitable<std::optional<T>> pop() {
    while (items_.empty() && !closed_) co_await pushed_.wait();
    co_return take();
  }
  // Nothing also when the deadline passed.
  awaitable<std::optional<T>> pop_until(SteadyTime deadline) {
    bool in_time = true;
    while (items_.empty() && !closed_ && in_time) in_time = co_await pushed_.wait_until(deadline);
    co_return take();
  }
  std::optional<T> try_pop() { return take(); }

  void close() {
    closed_ = true;
    pushed_.notify_all();
    popped_.notify_all();
  }
  bool closed() const { return closed_; }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }

 private:
  std::optional<T> take() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> out(std::move(items_.front()));
    items_.pop_front();
    // A popped-from deque keeps its block; an idle queue should hold nothing.
    if (items_.empty()) std::deque<T>().swap(items_);
    popped_.notify_one();
    return out;
  }

  size_t bound_;
  bool closed_ = false;
  std::deque<T> items_;
  Event pushed_;
  Event popped_;
};

namespace detail {

class RemoteWake : public std::enable_shared_from_this<RemoteWake> {
 public:
  explicit RemoteWake(any_io_executor home) : home_(std::move(home)) {}
  awaitable<bool> wait_until(SteadyTime deadline);  // on the home shard
  void wake();                                      // any thread

 private:
  any_io_executor home_;
  bool woken_ = false;
  Event event_;
};

}  // namespace detail

// One value from any thread to a coroutine of the home shard. Copies share the value; set() is
// called once, wait() by one coroutine. The home shard outlives every thread that may call set().
template <class T>
class OneShot {
 public:
  explicit OneShot(any_io_executor home) : state_(std::make_shared<State>(std::move(home))) {}

  void set(T value) const {
    state_->value.emplace(std::move(value));
    state_->wake();
  }
  awaitable<T> wait() {
    auto state = state_;
    co_await state->wait_until(kNever);
    co_return std::move(*state->value);
  }
  awaitable<std::optional<T>> wait_until(SteadyTime deadline) {
    auto state = state_;
    const bool in_time = co_await state->wait_until(deadline);
    std::optional<T> out;
    if (in_time) out.emplace(std::move(*state->value));
    co_return out;
  }

 private:
  struct State : detail::RemoteWake {
    using RemoteWake::RemoteWake;
    std::optional<T> value;
  };
  std::shared_ptr<State> state_;
};

}  // namespace wab
