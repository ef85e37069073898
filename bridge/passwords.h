// Passwords: Argon2id (64 MiB, 3 passes) on a pool of its own, and which ones are taken.
//
// Any shard. One hash runs at a time and a few wait; what does not fit is refused with 429. A
// password is never cut, and every character counts (ASVS 5.0 section 6.2).
#pragma once

#include <atomic>
#include <string>

#include "bridge/problem.h"
#include "storage/base/blocking.h"

namespace wab::bridge {

using boost::asio::awaitable;

inline constexpr int64_t kPasswordMin = 12, kPasswordMax = 256;  // characters

class Passwords {
 public:
  explicit Passwords(BlockingPool& pool) : pool_(pool) {}

  awaitable<Outcome<std::string>> hash(std::string password);
  struct Verified {
    bool same = false;
    bool stale = false;  // right, but hashed with less than is used now: hash it again
  };
  // An empty `stored` costs the same as a real one and fits nothing.
  awaitable<Outcome<Verified>> verify(std::string stored, std::string password);

  // How many hashes were computed: what a sign-in costs.
  uint64_t operations() const { return operations_; }

 private:
  BlockingPool& pool_;
  std::atomic<uint64_t> operations_{0};
};

// Why this password is not taken for the user of this address: length, a well-known one, or one
// made of what everybody knows about the user. Code::weak_password.
Outcome<void> judge_password(std::string_view password, std::string_view email);

// What is hashed against when there is no user: nobody knows its password.
extern const char* const kDecoyHash;

}  // namespace wab::bridge
