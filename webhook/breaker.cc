#include "webhook/breaker.h"

#include <algorithm>

namespace wab::webhook {

std::optional<int64_t> Breaker::ready_at(int64_t now) const {
  if (pause_ == 0) return now;
  if (probing_) return std::nullopt;
  return std::max(now, until_);
}

bool Breaker::start(int64_t) {
  if (pause_ == 0) return false;
  probing_ = true;
  return true;
}

void Breaker::ended(bool probe, bool good, int64_t now) {
  if (probe) {
    probing_ = false;
    if (good) {
      *this = Breaker();
    } else {
      pause_ = std::min(pause_ * 2, kLongest);
      until_ = now + pause_;
    }
    return;
  }
  if (pause_ != 0) return;  // started before it opened
  recent_.emplace_back(now, good);
  bad_ += good ? 0 : 1;
  while (!recent_.empty() && recent_.front().first <= now - kMemory) {
    bad_ -= recent_.front().second ? 0 : 1;
    recent_.pop_front();
  }
  // Bounded: what a busy endpoint did a thousand attempts ago says nothing more.
  if (recent_.size() > 1000) {
    bad_ -= recent_.front().second ? 0 : 1;
    recent_.pop_front();
  }
  if (good || recent_.size() < kEnough || bad_ * 2 < recent_.size()) return;
  pause_ = kFirst;
  until_ = now + pause_;
  recent_.clear();
  bad_ = 0;
}

}  // namespace wab::webhook
