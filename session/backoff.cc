#include "session/backoff.h"

#include <algorithm>

namespace wab::session {

std::chrono::seconds fibonacci_delay(int step) {
  int64_t previous = 0;
  int64_t current = 1;
  if (step <= 0) return std::chrono::seconds(0);
  for (int i = 1; i < step && current < 900; ++i) {
    const int64_t next = previous + current;
    previous = current;
    current = next;
  }
  return std::chrono::seconds(std::min<int64_t>(current, 900));
}

Backoff::Millis Backoff::first(Millis spread, double unit) {
  return Millis(static_cast<int64_t>(static_cast<double>(spread.count()) * unit));
}

void Backoff::connected(SteadyTime now) { since_ = now; }

Backoff::Millis Backoff::ended(SteadyTime now, int penalty_steps, double unit) {
  if (since_) {
    const auto lasted = now - *since_;
    if (lasted >= kStable) failures_ = 0;
    if (lasted >= kForgiven) penalty_ = 0;
    since_.reset();
  }
  // Far above the step whose delay reaches the cap, far below overflow.
  constexpr int kEnough = 64;
  failures_ = std::min(failures_ + 1, kEnough);
  penalty_ = std::min(penalty_ + std::max(penalty_steps, 0), kEnough);
  const Millis width = std::min<Millis>(fibonacci_delay(step()), kCap - kFloor);
  return kFloor + Millis(static_cast<int64_t>(static_cast<double>(width.count()) * unit));
}

void Backoff::clear() {
  failures_ = 0;
  penalty_ = 0;
  since_.reset();
}

}  // namespace wab::session
