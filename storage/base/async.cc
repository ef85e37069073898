#include "storage/base/async.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace wab {
namespace {

constexpr auto kToken = boost::asio::as_tuple(boost::asio::use_awaitable);

}  // namespace

awaitable<void> sleep_until(SteadyTime deadline) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, deadline);
  co_await timer.async_wait(kToken);
}

awaitable<void> yield_shard() {
  auto executor = co_await boost::asio::this_coro::executor;
  co_await boost::asio::post(executor, boost::asio::use_awaitable);
}

// Lives in the frame of wait_until(). A timer is what wakes it, by expiry or by cancellation, so
// that one wait costs one frame and no other allocation.
struct Event::Waiter {
  Waiter(Event* waited_for, any_io_executor executor)
      : event(waited_for), timer(std::move(executor)) {}
  ~Waiter() {
    if (event != nullptr) event->unlink(this);
  }
  Event* event;  // null once notified or once the event is gone
  Waiter* next = nullptr;
  Waiter* previous = nullptr;
  bool notified = false;
  boost::asio::steady_timer timer;
};

Event::~Event() {
  while (first_ != nullptr) {
    Waiter* waiter = first_;
    unlink(waiter);
    waiter->event = nullptr;
    // Its deadline must not wake it either.
    waiter->timer.expires_at(kNever);
  }
}

awaitable<void> Event::wait() { co_await wait_until(kNever); }

awaitable<bool> Event::wait_until(SteadyTime deadline) {
  Waiter waiter(this, co_await boost::asio::this_coro::executor);
  waiter.previous = last_;
  (last_ != nullptr ? last_->next : first_) = &waiter;
  last_ = &waiter;
  waiter.timer.expires_at(deadline);
  co_await waiter.timer.async_wait(kToken);
  while (!waiter.notified && waiter.event == nullptr) co_await waiter.timer.async_wait(kToken);
  co_return waiter.notified;
}

void Event::unlink(Waiter* waiter) {
  (waiter->previous != nullptr ? waiter->previous->next : first_) = waiter->next;
  (waiter->next != nullptr ? waiter->next->previous : last_) = waiter->previous;
  waiter->next = waiter->previous = nullptr;
}

void Event::notify_one() {
  if (first_ == nullptr) return;
  Waiter* waiter = first_;
  unlink(waiter);
  waiter->event = nullptr;
  waiter->notified = true;
  waiter->timer.cancel();
}

void Event::notify_all() {
  while (first_ != nullptr) notify_one();
}

awaitable<void> Signal::wait() { co_await wait_until(kNever); }

awaitable<bool> Signal::wait_until(SteadyTime deadline) {
  bool in_time = true;
  while (!set_ && in_time) in_time = co_await event_.wait_until(deadline);
  co_return set_;
}

namespace detail {

awaitable<bool> RemoteWake::wait_until(SteadyTime deadline) {
  auto self = shared_from_this();
  bool in_time = true;
  while (!woken_ && in_time) in_time = co_await event_.wait_until(deadline);
  co_return woken_;
}

void RemoteWake::wake() {
  boost::asio::post(home_, [self = shared_from_this()] {
    self->woken_ = true;
    self->event_.notify_all();
  });
}

}  // namespace detail
}  // namespace wab
