// Can this process do its work now? It has opened its sessions, it is not stopping, and the store
// takes a sealed record and gives it back.
//
// On the watching loop. The store is asked at most every few seconds, however often somebody asks.
#pragma once

#include <functional>
#include <string>

#include "storage/base/gate.h"
#include "storage/store.h"

namespace wab::bridge {

class Readiness {
 public:
  static constexpr std::chrono::seconds kRemembered{5};
  static constexpr std::chrono::seconds kPatience{3};

  // `not_ready` answers "" or why the service itself is not ready; called on the watching loop.
  Readiness(storage::Store& store, storage::Scope deployment, Clock& clock, Random& random,
            std::function<std::string()> not_ready);

  // "" when ready, else one line that says why not.
  awaitable<std::string> look();
  awaitable<void> close() { return gate_.close(); }

 private:
  awaitable<void> ask_store();
  storage::Store& store_;
  storage::Scope deployment_;
  Clock& clock_;
  Random& random_;
  std::function<std::string()> not_ready_;
  bool asking_ = false;
  SteadyTime asked_{};
  bool good_ = false;
  std::string trouble_ = "the store was not asked yet";
  Event answered_;
  Gate gate_;
};

}  // namespace wab::bridge
