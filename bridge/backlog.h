// How much each organization owes its endpoints, and when that is too much.
//
// Owned by the service; every call from any thread, none blocks. An organization is full from the
// limit on until it is below nine tenths of it: its sessions then leave with WhatsApp what would
// make more events (session/context.h). Counting starts with what the store holds.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>

#include "storage/base/ids.h"

namespace wab::bridge {

class Backlog {
 public:
  // What one organization owes. Lives as long as somebody holds it.
  class Account {
   public:
    explicit Account(uint64_t limit) : limit_(static_cast<int64_t>(limit)) {}
    bool full() const { return full_.load(std::memory_order_relaxed); }
    uint64_t owed() const;
    // True when this step crossed four fifths of the limit on the way up.
    bool add(int64_t count);

   private:
    const int64_t limit_;
    std::atomic<int64_t> owed_{0};
    std::atomic<bool> full_{false};
    std::atomic<bool> high_{false};
  };

  explicit Backlog(uint64_t limit);
  ~Backlog();

  std::shared_ptr<Account> of(const OrgId& org);
  void forget(const OrgId& org);
  // Of all organizations: for the metrics.
  uint64_t owed() const;
  size_t full() const;

 private:
  using Table = std::map<OrgId, std::shared_ptr<Account>>;
  const uint64_t limit_;
  std::atomic<std::shared_ptr<const Table>> table_;
};

}  // namespace wab::bridge
