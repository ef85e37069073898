// "The log of this organization grew": from whoever commits events to whoever follows them.
//
// grew() and close() may be called from any thread. A Subscription belongs to the shard of the
// coroutine that made it. Subscribe, read the log, then wait: nothing is missed.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "storage/base/async.h"
#include "storage/base/ids.h"

namespace wab::bridge {

class EventFeed {
 public:
  // One entry per shard; all of them outlive the feed's last notification.
  explicit EventFeed(std::vector<any_io_executor> shards);
  ~EventFeed();

  void grew(OrgId org);
  // Wakes everybody for good; part of stopping.
  void close();
  bool closed() const { return closed_; }

  class Subscription {
   public:
    ~Subscription();
    Subscription(const Subscription&) = delete;
    // True when the log grew since the last wait (or since subscribing), false at the deadline and
    // when the feed closes.
    awaitable<bool> wait_until(SteadyTime deadline);

   private:
    friend class EventFeed;
    Subscription(EventFeed& feed, size_t shard, OrgId org);
    EventFeed& feed_;
    size_t shard_;
    OrgId org_;
    Signal grew_;
  };
  // On one of the shards.
  awaitable<std::unique_ptr<Subscription>> subscribe(OrgId org);

 private:
  struct Shard {
    any_io_executor executor;
    std::atomic<int> watching{0};
    std::multimap<OrgId, Subscription*> subscriptions;  // of the shard's thread alone
  };
  void wake(Shard& shard, std::optional<OrgId> org);

  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<bool> closed_{false};
};

}  // namespace wab::bridge
