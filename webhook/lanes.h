// Order and window of one endpoint: which delivery may go next. Pure; time is an argument.
//
// Deliveries of one lane (one chat, or one session) go one after another, a failing head blocks
// only its own lane. Unordered endpoints put every delivery into a lane of its own. Bounded twice:
// `bound` deliveries in all and `per_lane` of one lane; what is not taken is read from the store
// later (backlog.h).
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "storage/store.h"
#include "webhook/delivery_state.h"
#include "webhook/endpoint.h"

namespace wab::webhook {

struct Item {
  SessionId session;
  uint64_t seq = 0;
  ByteArray<8> lane{};
  DeliveryState state;
  std::optional<storage::EventRow> event;  // at hand when it was just committed
};

class Lanes {
 public:
  // Session, chat and, when unordered, the sequence number.
  struct Name {
    SessionId session;
    ByteArray<8> lane{};
    uint64_t seq = 0;
    auto operator<=>(const Name&) const = default;
  };
  enum class Push { taken, lane_full, full };

  Lanes(Ordering ordering, size_t bound, size_t per_lane)
      : ordering_(ordering), bound_(bound), per_lane_(per_lane) {}

  // Known deliveries are ignored: taken. `beyond`: one more than the lane's share may be taken.
  Push push(Item item, bool beyond = false);
  // The next delivery that may be attempted now; it is in flight until done() or later().
  std::optional<Item> next(UnixMillis now);
  void done(const Item& item);                        // delivered, or given up
  void later(const Item& item, DeliveryState state);  // stays at the head of its lane
  // When next() may have something, if not now; nothing when all is empty or in flight.
  std::optional<UnixMillis> next_due() const;

  Name name_of(const Item& item) const;
  size_t lane_size(const Name& name) const;
  uint64_t last_seq(const Name& name) const;  // of a lane that is not empty
  // Keeps only the heads of lanes that wait for a time after `now`; calls `cut` with each lane
  // and its head's number. For making room: what was dropped is in the store.
  template <class Cut>
  void trim(UnixMillis now, Cut cut) {
    for (auto& [name, lane] : lanes_) {
      if (lane.busy || lane.items.size() < 2 || lane.items.front().state.due <= now) continue;
      while (lane.items.size() > 1) {
        forget(lane.items.back());
        lane.items.pop_back();
      }
      cut(name, lane.items.front().seq);
    }
  }

  size_t size() const { return size_; }
  size_t bound() const { return bound_; }
  size_t in_flight() const { return in_flight_; }
  bool empty() const { return size_ == 0; }

 private:
  struct Lane {
    std::deque<Item> items;
    bool busy = false;
  };
  void make_ready(const Name& name, Lane& lane);
  void forget(const Item& item) {
    known_.erase({item.session, item.seq});
    --size_;
  }

  Ordering ordering_;
  size_t bound_, per_lane_;
  std::map<Name, Lane> lanes_;
  std::set<std::pair<UnixMillis, Name>> due_;  // heads that are not in flight
  std::set<std::pair<SessionId, uint64_t>> known_;
  size_t size_ = 0;
  size_t in_flight_ = 0;
};

}  // namespace wab::webhook
