// What an organization keeps, and for how long: once at the start and then once an hour, beside
// everything else.
//
// Dates what was written (RocksStore::note_age), so that marks, kept messages and old message
// states go by themselves, and takes from the front of each event log what is over its time or its
// bytes, a few hundred events at a time. Nobody waits for it. Owned by the service, on one shard.
#pragma once

#include "bridge/config.h"
#include "storage/base/gate.h"
#include "storage/rocks_store.h"

namespace wab::bridge {

using boost::asio::awaitable;

class Retention {
 public:
  Retention(storage::RocksStore& store, const storage::ScopeIssuer& scopes, Clock& clock,
            const Config& config);

  // One round over everything; how many events went.
  awaitable<size_t> round();
  void start(any_io_executor home);
  awaitable<void> close();

 private:
  awaitable<void> run();
  awaitable<size_t> trim(storage::OrgScope org);

  storage::RocksStore& store_;
  const storage::ScopeIssuer& scopes_;
  Clock& clock_;
  const Config& config_;
  SteadyTime noted_{};
  Signal closing_;
  Gate gate_;
};

}  // namespace wab::bridge
