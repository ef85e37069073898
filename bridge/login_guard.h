// Guessing costs time: a delay that doubles with each failure of one sign-in from one place.
//
// Any thread. The key is what is guessed (an e-mail address, hashed) and where from (the address
// group), so that a stranger's guesses never shut out the user himself, and nobody is shut out for
// good: the delay ends at 15 minutes, is told in Retry-After and is forgotten a day after the last
// failure, or with a success. Memory is fixed; where two keys meet they share the slot, which
// makes it stricter.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>

#include "bridge/problem.h"
#include "storage/base/clock.h"

namespace wab::bridge {

inline constexpr int kFreeFailures = 3;  // typing errors
inline constexpr std::chrono::seconds kLongestDelay{900};

class LoginGuard {
 public:
  LoginGuard(const Clock& clock, Random& random);

  // Code::rate_limited while the delay runs.
  Outcome<void> may_try(std::string_view identifier, std::string_view place) const;
  void failed(std::string_view identifier, std::string_view place);
  void succeeded(std::string_view identifier, std::string_view place);

 private:
  struct Slot {
    uint64_t key = 0;
    int failures = 0;
    SteadyTime until{};   // of the delay
    SteadyTime forget{};  // of the failures
  };
  static constexpr size_t kSlots = 1 << 14;
  uint64_t key_of(std::string_view identifier, std::string_view place) const;

  const Clock& clock_;
  ByteArray<16> seed_;
  mutable std::mutex mutex_;
  std::unique_ptr<Slot[]> slots_;
};

}  // namespace wab::bridge
