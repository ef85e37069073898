// Tells an organization that its outbox fills up (outbox.high_watermark), and that it has room
// again (outbox.recovered): one operational event per crossing, across restarts.
//
// Owned by the service; lives on one shard. What was told last is a row of the store, written in
// the commit that holds the event; whatever happened in between, a look compares the two. A store
// that does not answer is asked again after a second, for a minute, and at the next crossing.
#pragma once

#include <map>
#include <set>

#include "bridge/backlog.h"
#include "bridge/deliveries.h"
#include "bridge/event_feed.h"
#include "storage/base/gate.h"

namespace wab::bridge {

class OutboxNotice {
 public:
  OutboxNotice(storage::Store& store, Backlog& backlog, Deliveries& deliveries, EventFeed& feed,
               Clock& clock, any_io_executor shard);
  ~OutboxNotice();

  // An organization that may come to owe something. Any thread.
  void know(const storage::OrgScope& org);
  // At the start, when what is owed was counted. Any shard.
  awaitable<void> open(storage::OrgScope org);
  // Of an organization that is known; of others it does nothing. Any thread, does not block.
  void look(const OrgId& org);
  // On the shard.
  awaitable<void> close();

 private:
  void begin(const OrgId& org);
  awaitable<void> run(storage::OrgScope org);
  // True when nothing is left to tell.
  awaitable<Result<bool>> tell(storage::OrgScope org);

  storage::Store& store_;
  Backlog& backlog_;
  Deliveries& deliveries_;
  EventFeed& feed_;
  Clock& clock_;
  any_io_executor shard_;
  std::map<OrgId, storage::OrgScope> known_;
  std::set<OrgId> running_, again_;
  Event stop_;
  bool closing_ = false;
  Gate gate_;
};

}  // namespace wab::bridge
