#include "bridge/login_guard.h"

#include <sodium.h>

#include <algorithm>

namespace wab::bridge {
namespace {

constexpr std::chrono::hours kMemory{24};

// 0 for the first few, then 2, 4, 8 ... seconds.
std::chrono::seconds delay_after(int failures) {
  const int beyond = failures - kFreeFailures;
  if (beyond <= 0) return std::chrono::seconds(0);
  if (beyond > 12) return kLongestDelay;
  return std::min(std::chrono::seconds(1 << beyond), kLongestDelay);
}

}  // namespace

LoginGuard::LoginGuard(const Clock& clock, Random& random)
    : clock_(clock), seed_(random.array<16>()), slots_(new Slot[kSlots]) {}

uint64_t LoginGuard::key_of(std::string_view identifier, std::string_view place) const {
  Bytes data = to_bytes(identifier);
  data.push_back(0);
  append(data, view(place));
  ByteArray<8> out;
  crypto_shorthash(out.data(), data.data(), data.size(), seed_.data());
  return read_be64(out);
}

Outcome<void> LoginGuard::may_try(std::string_view identifier, std::string_view place) const {
  const auto key = key_of(identifier, place);
  const auto now = clock_.steady();
  std::lock_guard lock(mutex_);
  const Slot& slot = slots_[key % kSlots];
  if (slot.failures == 0 || now >= slot.forget || now >= slot.until) return {};
  Problem problem;
  problem.code = Code::rate_limited;
  problem.detail = "Too many failed attempts; each further one takes longer.";
  const auto left = std::chrono::ceil<std::chrono::seconds>(slot.until - now);
  problem.retry_after = static_cast<int>(left.count());
  return refuse(std::move(problem));
}

void LoginGuard::failed(std::string_view identifier, std::string_view place) {
  const auto key = key_of(identifier, place);
  const auto now = clock_.steady();
  std::lock_guard lock(mutex_);
  Slot& slot = slots_[key % kSlots];
  if (now >= slot.forget) slot.failures = 0;
  slot.key = key;
  slot.failures = std::min(slot.failures + 1, 1000);
  slot.until = now + delay_after(slot.failures);
  slot.forget = now + kMemory;
}

void LoginGuard::succeeded(std::string_view identifier, std::string_view place) {
  const auto key = key_of(identifier, place);
  std::lock_guard lock(mutex_);
  Slot& slot = slots_[key % kSlots];
  if (slot.key == key) slot = Slot();
}

}  // namespace wab::bridge
