// How much each organization owes its endpoints, and when that is too much.
//
// Owned by the service; every call from any thread, none blocks. An organization is full from the
// limit on until it is below nine tenths of it: its sessions then leave with WhatsApp what would
// make more events (session/context.h). It is high from four fifths of the limit until below seven
// tenths, and whoever watches hears of both (outbox_notice.h). Counting starts with what the store
// holds.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>

#include "storage/base/ids.h"

namespace wab::bridge {

class Backlog {
 public:
  // An organization became high, or is not high any more. On the thread of the step that did it;
  // must not block.
  using Watcher = std::function<void(const OrgId&)>;

  // What one organization owes. Lives as long as somebody holds it.
  class Account {
   public:
    Account(const OrgId& org, uint64_t limit, std::shared_ptr<const Watcher> watcher = {})
        : org_(org), limit_(static_cast<int64_t>(limit)), watcher_(std::move(watcher)) {}
    bool full() const { return full_.load(std::memory_order_relaxed); }
    bool high() const { return high_.load(std::memory_order_relaxed); }
    uint64_t owed() const;
    uint64_t limit() const { return static_cast<uint64_t>(limit_); }
    void add(int64_t count);
    // It was high before the process began: it stays so unless it is below seven tenths now.
    void was_high();

   private:
    int64_t low() const { return limit_ - limit_ / 5 - limit_ / 10; }

    const OrgId org_;
    const int64_t limit_;
    const std::shared_ptr<const Watcher> watcher_;
    std::atomic<int64_t> owed_{0};
    std::atomic<bool> full_{false};
    std::atomic<bool> high_{false};
  };

  explicit Backlog(uint64_t limit, Watcher watcher = {});
  ~Backlog();

  std::shared_ptr<Account> of(const OrgId& org);
  void forget(const OrgId& org);
  // Of all organizations: for the metrics.
  uint64_t owed() const;
  size_t full() const;

 private:
  using Table = std::map<OrgId, std::shared_ptr<Account>>;
  const uint64_t limit_;
  const std::shared_ptr<const Watcher> watcher_;
  std::atomic<std::shared_ptr<const Table>> table_;
};

}  // namespace wab::bridge
