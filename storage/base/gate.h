// Counts the work inside an actor so that it can be taken down without cutting any short.
//
// Member of the actor, declared last so that it dies first; one shard. Destroying a gate with work
// inside is a bug: it logs an error, and aborts in builds with assertions.
#pragma once

#include "storage/base/async.h"

namespace wab {

class Gate {
 public:
  Gate() = default;
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Held by whoever is inside.
  class Pass {
   public:
    Pass() = default;
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    ~Pass() {
      if (gate_ != nullptr) gate_->leave();
    }
    explicit operator bool() const { return gate_ != nullptr; }

   private:
    friend class Gate;
    explicit Pass(Gate* gate) : gate_(gate) {}
    Gate* gate_ = nullptr;
  };

  // An empty pass once close() was called.
  Pass enter();
  size_t inside() const { return inside_; }
  bool closing() const { return closing_; }
  // Lets nobody in any more and waits until the last has left. May be called more than once.
  awaitable<void> close();

 private:
  void leave();
  size_t inside_ = 0;
  bool closing_ = false;
  Event empty_;
};

}  // namespace wab
