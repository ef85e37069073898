// The gauges that are read when /metrics is asked: sessions, what is owed, disk, loops, build.
//
// On the watching loop. What the other loops and the disk must say is waited for a second at most;
// a loop that does not answer leaves the values of the time before.
#pragma once

#include <map>
#include <string>

#include "bridge/liveness.h"
#include "bridge/sessions.h"
#include "storage/base/metrics.h"
#include "storage/rocks_store.h"

namespace wab::bridge {

class Meters {
 public:
  Meters(Sessions& sessions, storage::RocksStore& store, Liveness& liveness, Clock& clock,
         double connects_per_second);
  awaitable<void> read();
  awaitable<void> close() { return gate_.close(); }

 private:
  awaitable<void> read_sessions();
  awaitable<void> read_store();
  void show(const std::map<std::pair<std::string, std::string>, size_t>& sessions);

  Sessions& sessions_;
  storage::RocksStore& store_;
  Liveness& liveness_;
  Clock& clock_;
  std::map<std::pair<std::string, std::string>, Gauge> by_state_;
  bool reading_sessions_ = false, reading_store_ = false;
  Event done_;
  Gate gate_;
};

}  // namespace wab::bridge
