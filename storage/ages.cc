#include "storage/ages.h"

#include <algorithm>

namespace wab::storage {
namespace {

constexpr size_t kHead = 8, kSample = 16;

}  // namespace

bool AgeTable::note(UnixMillis wall, std::chrono::milliseconds passed, uint64_t next) {
  const UnixMillis before = now_;
  if (now_ == 0) {
    now_ = wall;
  } else {
    now_ += std::clamp<int64_t>(wall - now_, 0, kFaster * std::max<int64_t>(passed.count(), 0));
  }
  const auto spacing = std::chrono::milliseconds(kSpacing).count();
  if (samples_.empty() || now_ - samples_.back().at >= spacing) {
    if (!samples_.empty()) next = std::max(next, samples_.back().next);
    samples_.push_back(Sample{now_, next});
    if (samples_.size() > kMost) samples_.erase(samples_.begin());
    return true;
  }
  return now_ != before;
}

uint64_t AgeTable::below(std::chrono::seconds age) const {
  const UnixMillis limit = now_ - std::chrono::milliseconds(age).count();
  const auto after =
      std::upper_bound(samples_.begin(), samples_.end(), limit,
                       [](UnixMillis time, const Sample& sample) { return time < sample.at; });
  return after == samples_.begin() ? 0 : std::prev(after)->next;
}

Bytes AgeTable::to_bytes() const {
  Bytes out;
  out.reserve(kHead + samples_.size() * kSample);
  put_be64(out, static_cast<uint64_t>(now_));
  for (const Sample& sample : samples_) {
    put_be64(out, static_cast<uint64_t>(sample.at));
    put_be64(out, sample.next);
  }
  return out;
}

std::optional<AgeTable> AgeTable::from_bytes(ByteView stored) {
  if (stored.size() < kHead || (stored.size() - kHead) % kSample != 0) return std::nullopt;
  AgeTable out;
  out.now_ = static_cast<UnixMillis>(read_be64(stored));
  for (ByteView rest = stored.subspan(kHead); !rest.empty(); rest = rest.subspan(kSample)) {
    const Sample sample{static_cast<UnixMillis>(read_be64(rest)), read_be64(rest.subspan(8))};
    if (!out.samples_.empty() &&
        (sample.at < out.samples_.back().at || sample.next < out.samples_.back().next)) {
      return std::nullopt;
    }
    out.samples_.push_back(sample);
  }
  return out;
}

}  // namespace wab::storage
