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
             Clock& clock, Random& random, Backlog& backlog, std::string ca_pem = {});
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
  // An endpoint is to be stored as disabled, and an organization's event log grew: both on a shard,
  // both set before the first endpoint.
  using Disable = std::function<void(storage::OrgScope, EndpointId, std::string reason)>;
  void on_disable(Disable disable) { disable_ = std::move(disable); }
  void on_events(std::function<void(OrgId)> grew) { grew_ = std::move(grew); }

  // Of an endpoint of that organization, which the caller has proven. Any shard.
  awaitable<std::optional<webhook::Attempt>> test(EndpointId id);
  awaitable<bool> replaying(EndpointId id);
  // False when another job of the endpoint is running.
  awaitable<bool> replay(webhook::ReplayJob job);
  // The endpoint was erased: erases what it leaves.
  void sweep(const storage::OrgScope& org, EndpointId id);

  awaitable<void> close(SteadyTime deadline);

  webhook::Endpoint to_endpoint(const EndpointRecord& record) const;
  // Trust for receivers with this client certificate; nothing when it is not usable.
  std::optional<wire::TlsContext> identity(const std::string& certificate,
                                           const std::string& key) const;

 private:
  using Table = std::map<OrgId, std::shared_ptr<const List>>;
  size_t shard_of(const EndpointId& id) const;

  Shards& shards_;
  storage::Store& store_;
  Backlog& backlog_;
  std::atomic<std::shared_ptr<const Table>> table_;
  std::string ca_pem_;  // "": the system's
  Disable disable_;
  std::function<void(OrgId)> grew_;
  std::vector<std::unique_ptr<webhook::Dispatcher>> dispatchers_;  // one per shard
};

}  // namespace wab::bridge
