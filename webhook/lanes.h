// Order and window of one endpoint: which delivery may go next. Pure; time is an argument.
//
// Deliveries of one lane (one chat) go one after another, a failing head blocks only its own lane.
// Unordered endpoints put every delivery into a lane of its own. Bounded: beyond `bound` deliveries
// push() refuses and the caller reads them from the store later.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "storage/store.h"
#include "webhook/delivery_state.h"

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
  using Name = std::pair<ByteArray<8>, uint64_t>;  // lane, and the sequence number when unordered

  Lanes(bool ordered, size_t bound, size_t window)
      : ordered_(ordered), bound_(bound), window_(window) {}

  // Known deliveries are ignored. False: full.
  bool push(Item item);
  // The next delivery that may be attempted now; it counts as in flight until done() or later().
  std::optional<Item> next(UnixMillis now);
  void done(const Item& item);                        // delivered, or given up
  void later(const Item& item, DeliveryState state);  // stays at the head of its lane
  // When next() may have something, if not now; nothing when all is empty or in flight.
  std::optional<UnixMillis> next_due() const;

  size_t size() const { return size_; }
  size_t in_flight() const { return in_flight_; }
  bool empty() const { return size_ == 0; }
  void clear();

 private:
  struct Lane {
    std::deque<Item> items;
    bool busy = false;
  };
  Name name_of(const Item& item) const { return {item.lane, ordered_ ? 0 : item.seq}; }
  void make_ready(const Name& name, Lane& lane);

  bool ordered_;
  size_t bound_, window_;
  std::map<Name, Lane> lanes_;
  std::set<std::pair<UnixMillis, Name>> due_;  // heads that are not in flight
  std::set<std::pair<SessionId, uint64_t>> known_;
  size_t size_ = 0;
  size_t in_flight_ = 0;
};

}  // namespace wab::webhook
