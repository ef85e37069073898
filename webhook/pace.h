// How fast one endpoint may be called: its own rate, and pauses that its server asked for. Pure;
// milliseconds of a clock that does not jump.
#pragma once

#include <algorithm>
#include <cstdint>

namespace wab::webhook {

class Pace {
 public:
  static constexpr int64_t kFirstPause = 1000, kLongestPause = 60'000;

  // Attempts per second, a second's worth at once; 0: as fast as they come.
  void set_rate(uint32_t per_second) {
    if (per_second == rate_) return;
    rate_ = per_second;
    tokens_ = per_second;
  }
  // `now` or later.
  int64_t ready_at(int64_t now) const {
    int64_t at = std::max(now, paused_until_);
    if (rate_ == 0) return at;
    const double have = tokens_at(at);
    if (have >= 1) return at;
    return at + static_cast<int64_t>((1 - have) * 1000 / rate_) + 1;
  }
  void start(int64_t now) {
    if (rate_ == 0) return;
    tokens_ = std::max(0.0, tokens_at(now) - 1);
    counted_ = now;
  }
  // The server is overloaded: a pause for the whole endpoint, doubling while that goes on.
  void throttle(int64_t now, int64_t asked_ms) {
    pause_ = pause_ == 0 ? kFirstPause : std::min(pause_ * 2, kLongestPause);
    paused_until_ = std::max(
        paused_until_, now + std::clamp(std::max(asked_ms, pause_), kFirstPause, kLongestPause));
  }
  void relax() { pause_ = 0; }

 private:
  double tokens_at(int64_t now) const {
    const double grown = tokens_ + static_cast<double>(now - counted_) * rate_ / 1000.0;
    return std::min<double>(grown, std::max<uint32_t>(rate_, 1));
  }
  uint32_t rate_ = 0;
  double tokens_ = 0;
  int64_t counted_ = 0;
  int64_t paused_until_ = 0;
  int64_t pause_ = 0;
};

}  // namespace wab::webhook
