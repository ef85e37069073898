// The actor that carries due deliveries to the tenants' servers and records what became of them.
//
// One per shard; an endpoint lives on one of them its whole life. The queue is the store: memory
// holds a bounded window of it, and what does not fit is read again when there is room. A delivery
// leaves the store in the commit that records its success, so a crash at any moment repeats it
// under the same id or not at all.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>

#include "storage/base/gate.h"
#include "storage/base/shards.h"
#include "storage/store.h"
#include "webhook/endpoint.h"
#include "webhook/http_client.h"
#include "webhook/lanes.h"
#include "webhook/schedule.h"

namespace wab::webhook {

struct DispatcherOptions {
  std::vector<Millis> schedule = default_schedule();
  Millis timeout = std::chrono::seconds(20);
  size_t window = 8;           // attempts in flight per endpoint
  size_t max_in_flight = 256;  // of one dispatcher
  size_t in_memory = 2000;     // deliveries per endpoint
};

class Dispatcher {
 public:
  // A receiver answered 410: the bridge disables the endpoint. On this dispatcher's shard.
  using Gone = std::function<void(storage::OrgScope, EndpointId)>;
  // A delivery is not owed any more: delivered or given up. On this dispatcher's shard.
  using Settled = std::function<void(const OrgId&)>;

  Dispatcher(DispatcherOptions options, storage::Store& store, wire::Dialer& dialer,
             wire::AddressJudge judge, Clock& clock, Random& random, any_io_executor executor,
             Gone gone);
  ~Dispatcher();

  // On this shard. A new endpoint starts with what the store owes it.
  void set_endpoint(storage::OrgScope org, Endpoint endpoint);
  void remove_endpoint(EndpointId id);
  // Deliveries that were just committed; `event` saves reading it again.
  void offer(EndpointId id, const storage::DeliveryRow& row, const storage::EventRow& event);
  // Lets running attempts end until the deadline, starts no more.
  awaitable<void> close(SteadyTime deadline);
  void on_settled(Settled settled) { settled_ = std::move(settled); }

  size_t waiting() const;

 private:
  struct Worker;
  awaitable<void> run(std::shared_ptr<Worker> worker);
  awaitable<void> attempt(std::shared_ptr<Worker> worker, Item item);
  awaitable<bool> reload(std::shared_ptr<Worker> worker);
  awaitable<Result<PostResult>> post(std::shared_ptr<Worker> worker,
                                     const storage::EventRow& event);

  DispatcherOptions options_;
  storage::Store& store_;
  Clock& clock_;
  Random& random_;
  any_io_executor executor_;
  Gone gone_;
  Settled settled_;
  HttpClient client_;
  std::map<EndpointId, std::shared_ptr<Worker>> workers_;
  size_t in_flight_ = 0;
  bool closing_ = false;
  Event room_;
  Gate gate_;
};

}  // namespace wab::webhook
