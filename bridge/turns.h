// One at a time: turns that coroutines of any shard take, in the order they asked.
//
// Any thread. A turn is held across co_await, so keep what is done in it short: a few rows.
//
//   const auto turn = co_await turns.take();   // until `turn` goes
#pragma once

#include <deque>
#include <mutex>

#include "storage/base/async.h"

namespace wab::bridge {

class Turns {
 public:
  class Turn {
   public:
    explicit Turn(Turns& of) : of_(&of) {}
    Turn(Turn&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (of_) of_->next();
    }

   private:
    Turns* of_;
  };

  awaitable<Turn> take();

 private:
  void next();

  std::mutex mutex_;
  bool taken_ = false;
  std::deque<OneShot<bool>> waiting_;
};

}  // namespace wab::bridge
