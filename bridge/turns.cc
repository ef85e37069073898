#include "bridge/turns.h"

namespace wab::bridge {

awaitable<Turns::Turn> Turns::take() {
  auto here = co_await boost::asio::this_coro::executor;
  OneShot<bool> mine(here);
  bool wait = true;
  {
    std::lock_guard lock(mutex_);
    wait = std::exchange(taken_, true);
    if (wait) waiting_.push_back(mine);
  }
  if (wait) co_await mine.wait();
  co_return Turn(*this);
}

// Whoever waits longest has it now; it stays taken in between.
void Turns::next() {
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) {
    taken_ = false;
    return;
  }
  const OneShot<bool> first = std::move(waiting_.front());
  waiting_.pop_front();
  first.set(true);
}

}  // namespace wab::bridge
