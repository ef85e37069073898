// One coroutine at a time owns a session's state; the others wait in order of arrival.
//
//   auto turn = co_await engine.turn.take();
//   Change change(engine.overlay);
//   ...                       // may wait for the store, never for the wire or for another turn
//   engine.overlay.apply(std::move(change));
//
// Single shard. The holder gives the turn on when it dies. Whoever holds a turn must not ask
// WhatsApp a question: the answer may stand behind a stanza that waits for this very turn.
#pragma once

#include <deque>

#include "storage/base/async.h"

namespace wab::session {

class Turn {
 public:
  class Holder {
   public:
    explicit Holder(Turn* turn) : turn_(turn) {}
    Holder(Holder&& other) noexcept : turn_(std::exchange(other.turn_, nullptr)) {}
    Holder& operator=(Holder&&) = delete;
    ~Holder() { release(); }
    void release() {
      if (turn_ != nullptr) std::exchange(turn_, nullptr)->next();
    }

   private:
    Turn* turn_;
  };

  awaitable<Holder> take() {
    const uint64_t ticket = issued_++;
    while (ticket != serving_) co_await moved_.wait();
    co_return Holder(this);
  }

 private:
  void next() {
    ++serving_;
    moved_.notify_all();
  }

  uint64_t issued_ = 0;
  uint64_t serving_ = 0;
  Event moved_;
};

}  // namespace wab::session
