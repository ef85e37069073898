// Circuit breaker of one endpoint: stops dialling what does not work. Pure; time is an argument,
// milliseconds of a clock that does not jump.
//
// Closed: outcomes of the last 60 s are counted. When at least 10 are there and half of them
// failed, it opens for 30 s. Then one attempt may probe: success closes it, failure opens it for
// twice as long, at most 15 minutes. A probe that fails is not counted against its delivery.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace wab::webhook {

class Breaker {
 public:
  static constexpr int64_t kMemory = 60'000, kFirst = 30'000, kLongest = 900'000;
  static constexpr size_t kEnough = 10;

  // When an attempt may start: `now` or later; nothing while a probe is under way.
  std::optional<int64_t> ready_at(int64_t now) const;
  // An attempt starts, at a time that ready_at() allowed. True: it is the probe.
  bool start(int64_t now);
  void ended(bool probe, bool good, int64_t now);
  bool open() const { return pause_ != 0; }
  // Until when no probe may start; 0 when closed.
  int64_t until() const { return pause_ != 0 ? until_ : 0; }

 private:
  std::deque<std::pair<int64_t, bool>> recent_;  // when, good
  size_t bad_ = 0;
  int64_t until_ = 0;
  int64_t pause_ = 0;  // 0: closed
  bool probing_ = false;
};

}  // namespace wab::webhook
