// Which endpoints an organization has, and the dispatchers that serve them.
//
// Owned by the service. endpoints_of() may be asked from any shard: the answer is an immutable
// snapshot. Changes and offers hop to the shard where the endpoint's delivery lives.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "bridge/backlog.h"
#include "bridge/endpoint_directory.h"
#include "storage/base/shards.h"
#include "webhook/dispatcher.h"

namespace wab::bridge {

class Deliveries {
 public:
  Deliveries(Shards& shards, storage::Store& store, wire::Dialer& dialer, const Config& config,
             Clock& clock, Random& random, Backlog& backlog);
  ~Deliveries();

  using List = std::vector<webhook::Endpoint>;
  std::shared_ptr<const List> endpoints_of(const OrgId& org) const;

  // A new, changed or (null) erased endpoint. Any shard.
  void changed(const storage::OrgScope& org, EndpointId id, const EndpointRecord* record);
  // After a start, when the endpoints are known: counts what is owed, and drops what is owed to
  // endpoints that are gone. After that, when one goes.
  awaitable<Result<void>> recount(storage::OrgScope org);
  awaitable<Result<void>> forget(storage::OrgScope org, EndpointId id);
  // Adds the rows that `commit` owes its endpoints, and remembers nothing.
  void add_rows(storage::Commit& commit) const;
  // After the commit: wakes the dispatchers. `commit` as add_rows() left it.
  void offer(const storage::Commit& commit);
  // A receiver answered 410: called on a shard, to store the endpoint as disabled.
  void on_gone(webhook::Dispatcher::Gone gone) { gone_ = std::move(gone); }

  awaitable<void> close(SteadyTime deadline);

  static webhook::Endpoint to_endpoint(const EndpointRecord& record);

 private:
  using Table = std::map<OrgId, std::shared_ptr<const List>>;
  size_t shard_of(const EndpointId& id) const;

  Shards& shards_;
  storage::Store& store_;
  Backlog& backlog_;
  std::atomic<std::shared_ptr<const Table>> table_;
  webhook::Dispatcher::Gone gone_;
  std::vector<std::unique_ptr<webhook::Dispatcher>> dispatchers_;  // one per shard
};

}  // namespace wab::bridge
