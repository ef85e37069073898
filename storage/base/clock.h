// Time and randomness as things to ask, so that every rule can be tested without waiting.
//
// Protocol and policy code never calls these: it takes the value as an argument. Actors hold a
// Clock& and a Random& that outlive them. Both are safe from any thread.
#pragma once

#include <chrono>

#include "storage/base/bytes.h"

namespace wab {

using UnixMillis = int64_t;  // wall clock, milliseconds since 1970
using UnixSeconds = int64_t;
using SteadyTime = std::chrono::steady_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixMillis now_ms() const = 0;
  virtual SteadyTime steady() const = 0;
  UnixSeconds now_s() const { return now_ms() / 1000; }
};

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableBytes out) = 0;

  Bytes bytes(size_t size);
  template <size_t N>
  ByteArray<N> array() {
    ByteArray<N> out;
    fill(out);
    return out;
  }
  uint32_t u32();
  uint64_t u64();
  uint64_t below(uint64_t bound);  // uniform in [0, bound); bound > 0
  double unit();                   // uniform in [0, 1)
};

// Process-wide real ones.
Clock& system_clock();
Random& system_random();

// "2026-11-24T10:00:00.000Z"
std::string to_iso8601(UnixMillis at);

}  // namespace wab
