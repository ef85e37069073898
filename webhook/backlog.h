// What one endpoint is owed, in the store and in memory: which rows to read next, and what to do
// with those that were just committed. Pure: the dispatcher does the reading.
//
// The store is read once from its beginning, as memory has room. A lane that owes more than its
// share of memory is left at its share and remembered as open: its further rows are read when it
// has moved on, and no other lane waits for that. Whatever is committed for a place that was read
// already goes straight into memory.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "webhook/lanes.h"

namespace wab::webhook {

class Backlog {
 public:
  using Place = std::pair<SessionId, uint64_t>;
  static constexpr size_t kPage = 256;
  static constexpr size_t kMostOpen = 4096;
  static constexpr size_t kMostPending = 1000;

  Backlog(Ordering ordering, size_t bound, size_t per_lane)
      : lanes_(ordering, bound, per_lane), per_lane_(per_lane) {}

  Lanes& lanes() { return lanes_; }
  const Lanes& lanes() const { return lanes_; }

  // A delivery that was just committed.
  void offer(Item item);
  // A delivery has ended (delivered, given up); done() of the lanes included.
  void done(const Item& item);

  bool wants_reading() const;
  // Strictly after which place; call only when wants_reading(), and then end_read().
  std::optional<Place> begin_read();
  // Up to kPage rows in order; fewer mean that the store has no more.
  void end_read(std::vector<Item> rows);
  void fail_read();
  // Nothing can go although the store may owe more: drops what waits behind heads that are not
  // due. True when that made room.
  bool make_room(UnixMillis now);
  // Everything is in memory.
  bool complete() const { return complete_ && open_.empty(); }

 private:
  void scan(std::vector<Item>& rows);
  void refill(std::vector<Item>& rows);
  void leave_open(const Lanes::Name& name, Place after);
  void take(Item item);
  void start_again();

  Lanes lanes_;
  size_t per_lane_;
  std::optional<Place> scanned_;  // every row up to here is in memory, ended, or of an open lane
  bool complete_ = false;         // scanned_ is the end
  std::map<Lanes::Name, Place> open_;  // lanes with rows in the store after this place
  std::set<Lanes::Name> hungry_;       // of those, with room
  std::set<Lanes::Name> filling_;      // those that were hungry when the read began
  bool reading_ = false, refilling_ = false;
  std::set<Place> ended_;      // while reading: the answer may still hold them
  std::vector<Item> pending_;  // offered while reading
};

}  // namespace wab::webhook
