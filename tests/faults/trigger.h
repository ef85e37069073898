// What happens at the Nth call that anybody outside could notice.
//
// Counted are writes, syncs, removals and renamings below the directory, and everything that is
// sent on a socket: between two of them a kill cannot be told apart. One per process, any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace faults {

// Where the call goes.
enum class Call { write, sync, name, send };

class Trigger {
 public:
  // From FAULT_AT, FAULT_DO and FAULT_COUNTER.
  Trigger();

  // Before a call. Does not return when the process is to die here.
  enum class Verdict { go, fail, half, kill_after };
  Verdict before(Call call);
  [[noreturn]] static void die();

  int error() const { return error_; }

 private:
  enum class Deed { nothing, kill_before, kill_after, fail, fail_on, half };
  uint64_t at_ = 0;
  Deed deed_ = Deed::nothing;
  int error_ = 0;
  std::atomic<uint64_t> own_{0};
  std::atomic<uint64_t>* count_ = &own_;  // shared with whoever reads FAULT_COUNTER
};

}  // namespace faults
