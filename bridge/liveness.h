// Do the event loops still turn? A loop that runs one thing for seconds serves nobody, and nothing
// on it can say so; a loop beside them asks each one.
//
// Asked from the watching loop alone. look() is called about twice a second: it posts a question to
// every loop that has answered the last one. Time is an argument.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "storage/base/shards.h"

namespace wab::bridge {

class Liveness {
 public:
  static constexpr std::chrono::milliseconds kLook{500};
  static constexpr std::chrono::seconds kStuck{5};

  explicit Liveness(Shards& watched);
  void look(SteadyTime now);
  // "" when every loop answered within `limit`, else which did not.
  std::string stuck(SteadyTime now, std::chrono::milliseconds limit = kStuck) const;
  // The longest that a loop took for its last answer, or takes for the next.
  std::chrono::microseconds lag(SteadyTime now) const;

 private:
  struct Loop {
    std::atomic<bool> waiting{false};
    std::atomic<int64_t> took_us{0};
    SteadyTime asked{};
  };
  Shards& watched_;
  std::vector<std::shared_ptr<Loop>> loops_;  // a question may outlive us in a stuck loop
};

}  // namespace wab::bridge
