// How old a record is, told from its version alone: which record versions had been given at which
// time. Pure.
//
// Versions grow with every write of the store, so one small row with a sample every few hours dates
// every sealed record; the records themselves say nothing about time. The time is the service's
// own: it follows the clock, but never runs faster than a day per hour and never back. A clock that
// jumps ahead by ten years therefore erases nothing before somebody has had time to set it right,
// and a machine that was off catches up within hours.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "storage/base/bytes.h"
#include "storage/base/clock.h"

namespace wab::storage {

class AgeTable {
 public:
  static constexpr std::chrono::hours kSpacing{6};
  static constexpr size_t kMost = 2000;  // samples: 500 days
  static constexpr int kFaster = 24;

  // The service's time; 0 before the first note.
  UnixMillis now() const { return now_; }
  // `passed`: monotonic time since the note before in this process, 0 for its first. `next` is the
  // version that the next record will get. True when something changed that must be stored.
  bool note(UnixMillis wall, std::chrono::milliseconds passed, uint64_t next);
  // Records with a smaller version are at least this old; 0: nothing is known to be.
  uint64_t below(std::chrono::seconds age) const;

  Bytes to_bytes() const;
  static std::optional<AgeTable> from_bytes(ByteView stored);

 private:
  struct Sample {
    UnixMillis at;
    uint64_t next;
  };
  UnixMillis now_ = 0;
  std::vector<Sample> samples_;  // ascending in both
};

}  // namespace wab::storage
