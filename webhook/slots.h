// How many attempts may be under way, so that endpoints that hang cannot keep the others out. Pure;
// milliseconds of a clock that does not jump.
//
// Half of the places are for endpoints that answered well and fast the last time, and for those not
// yet known. The other half is for those that fail or are slow, and for every attempt that has
// taken longer than a second: by then it has left the first half. Sockets in all stay below four
// times `most`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

namespace wab::webhook {

class Slots {
 public:
  static constexpr int64_t kYoung = 1000;
  explicit Slots(size_t most)
      : half_(std::max<size_t>(1, most / 2)), hard_(std::max<size_t>(2, most) * 4) {}

  bool free(bool suspect, int64_t now) {
    age(now);
    if (size() >= hard_) return false;
    return suspect ? slow_.size() < half_ : fast_.size() < half_;
  }
  uint64_t start(bool suspect, int64_t now) {
    const uint64_t id = ++last_;
    if (suspect) {
      slow_.insert(id);
    } else {
      fast_.emplace(id, now);
    }
    return id;
  }
  void end(uint64_t id) {
    fast_.erase(id);
    slow_.erase(id);
  }
  size_t size() const { return fast_.size() + slow_.size(); }
  // When a place of the fast half frees itself by age.
  std::optional<int64_t> next_aging() const {
    if (fast_.empty()) return std::nullopt;
    return fast_.begin()->second + kYoung;
  }

 private:
  void age(int64_t now) {
    while (!fast_.empty() && fast_.begin()->second + kYoung <= now) {
      slow_.insert(fast_.begin()->first);
      fast_.erase(fast_.begin());
    }
  }
  size_t half_, hard_;
  std::map<uint64_t, int64_t> fast_;  // in order of their start
  std::set<uint64_t> slow_;
  uint64_t last_ = 0;
};

}  // namespace wab::webhook
