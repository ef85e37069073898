// Rate limits (GCRA), open connections per address, and keys in flight: three small fixed tables.
//
// Any thread; lock-free; memory is bounded by construction. Keys are hashed with a random seed, so
// that nobody can aim at a slot. When a bucket is full of live keys, the key shares the slot that
// frees last: a full table makes limits stricter, never looser.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "storage/base/clock.h"

namespace wab::bridge {

struct Verdict {
  bool allowed = true;
  int64_t quota = 0;        // requests per window
  int64_t remaining = 0;    // left right now
  int64_t reset_s = 0;      // until the whole quota is back
  int64_t retry_after = 0;  // seconds, when refused
};

class Limits {
 public:
  Limits(const Clock& clock, Random& random);
  ~Limits();

  // One request of `key` in the named policy: `quota` per `window`, all of it at once if it comes
  // to that.
  Verdict take(std::string_view policy, std::string_view key, int64_t quota,
               std::chrono::seconds window);

  // Connections of one address; leave() once for each true.
  bool enter(std::string_view address, int64_t per_address, int64_t in_all);
  void leave(std::string_view address);
  int64_t connections() const { return connections_; }

 private:
  uint64_t hash(std::string_view policy, std::string_view key) const;

  struct Slot {
    std::atomic<uint64_t> key{0};
    std::atomic<int64_t> tat{0};  // theoretical arrival time, nanoseconds of Clock::steady()
  };
  static constexpr size_t kSlots = 1 << 16, kWays = 8, kCounters = 1 << 14;

  const Clock& clock_;
  ByteArray<16> seed_;
  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<std::atomic<int32_t>[]> counters_;
  std::atomic<int64_t> connections_{0};
};

// Which keys are being worked on. A claim is refused while another holds the same key.
class InFlight {
 public:
  enum class Answer { claimed, taken, full };

  InFlight();
  Answer claim(uint64_t key);  // key != 0
  void release(uint64_t key);

 private:
  static constexpr size_t kSlots = 1 << 12, kWays = 16;
  std::unique_ptr<std::atomic<uint64_t>[]> slots_;
};

// What one client is counted as: the address, of IPv6 the /64.
std::string address_group(std::string_view address);

}  // namespace wab::bridge
