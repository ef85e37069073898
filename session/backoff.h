// When to connect again: Fibonacci seconds up to 15 minutes with full jitter (dossier 1 section
// 11.7). Pure: time and dice are arguments.
#pragma once

#include <chrono>
#include <optional>

#include "storage/base/clock.h"

namespace wab::session {

class Backoff {
 public:
  using Millis = std::chrono::milliseconds;
  static constexpr Millis kCap = std::chrono::seconds(900);
  static constexpr Millis kFloor = std::chrono::seconds(1);  // never more than one attempt a second
  static constexpr Millis kStable = std::chrono::seconds(30);
  // A penalty is forgiven only after this much uninterrupted connection.
  static constexpr Millis kForgiven = std::chrono::seconds(900);

  // Delay of the very first attempt after a process start: uniform over `spread`. `unit` in [0, 1).
  static Millis first(Millis spread, double unit);

  // The login succeeded. Nothing is reset yet: see ended().
  void connected(SteadyTime now);
  // The connection, or the attempt to make one, is over. Counts it, resets first when the
  // connection had been stable, adds `penalty_steps` and answers the delay until the next attempt:
  // uniform between kFloor and kFloor + fib(step), at most kCap.
  Millis ended(SteadyTime now, int penalty_steps, double unit);
  // The server asked for an immediate reconnect (515), or a person did.
  void clear();

  // Holds for whatever a person asks for, too: wait until here, then say attempted().
  SteadyTime earliest() const { return earliest_; }
  // A tenth more than the floor: the server counts from when our bytes reach it.
  void attempted(SteadyTime now) { earliest_ = now + kFloor + kFloor / 10; }

  int step() const { return failures_ + penalty_; }

 private:
  int failures_ = 0;
  int penalty_ = 0;
  std::optional<SteadyTime> since_;  // of the current connection
  SteadyTime earliest_{};
};

// 1, 1, 2, 3, 5, 8 ... seconds, at most 900; step counts from 1, and 0 is 0.
std::chrono::seconds fibonacci_delay(int step);

}  // namespace wab::session
