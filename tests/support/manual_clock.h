// A clock that stands until it is moved, and randomness that repeats.
#pragma once

#include <atomic>

#include "storage/base/clock.h"

namespace wab::test {

// steady() starts at the real steady time, so that deadlines made from it work with real timers.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(UnixMillis start = 1'795'000'000'000) : start_(start) {}
  UnixMillis now_ms() const override { return start_ + offset_.load(); }
  SteadyTime steady() const override { return base_ + std::chrono::milliseconds(offset_.load()); }
  void advance(std::chrono::milliseconds by) { offset_ += by.count(); }

 private:
  UnixMillis start_;
  SteadyTime base_ = std::chrono::steady_clock::now();
  std::atomic<int64_t> offset_{0};
};

// SplitMix64; any thread.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed = 1) : state_(seed) {}
  void fill(MutableBytes out) override {
    for (size_t i = 0; i < out.size();) {
      uint64_t z = state_.fetch_add(0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      z ^= z >> 31;
      for (int b = 0; b < 8 && i < out.size(); ++b, ++i)
        out[i] = static_cast<uint8_t>(z >> (8 * b));
    }
  }

 private:
  std::atomic<uint64_t> state_;
};

}  // namespace wab::test
