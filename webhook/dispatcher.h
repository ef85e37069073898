// The actor that carries due deliveries to the tenants' servers and records what became of them.
//
// One per shard; an endpoint lives on one of them its whole life. The queue is the store: memory
// holds a bounded window of it (backlog.h). A delivery leaves the store in the commit that records
// its success, together with the row of the attempt, so a crash at any moment repeats it under the
// same id or not at all. Whose turn it is decide fair.h and slots.h; whether an endpoint may be
// called at all, breaker.h and pace.h.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>

#include "storage/base/gate.h"
#include "storage/base/shards.h"
#include "storage/store.h"
#include "webhook/attempt.h"
#include "webhook/delivery_state.h"
#include "webhook/endpoint.h"
#include "webhook/fair.h"
#include "webhook/http_client.h"
#include "webhook/replay.h"
#include "webhook/schedule.h"
#include "webhook/slots.h"
#include "webhook/target.h"
#include "webhook/verdict.h"

namespace wab::webhook {

struct Worker;
struct Item;

struct DispatcherOptions {
  std::vector<Millis> schedule = default_schedule();
  Millis timeout = std::chrono::seconds(20);
  size_t window = 8;                  // attempts in flight per endpoint
  size_t max_in_flight = 256;         // of one dispatcher
  size_t in_memory = 2000;            // deliveries per endpoint
  size_t per_lane = 64;               // of those, of one lane
  std::optional<TargetRules> target;  // judged again before every attempt; none: no rule
  Egress egress;
};

// What the dispatcher asks of the bridge; each may be empty. On the dispatcher's shard.
struct DispatcherHooks {
  // A receiver answered 410 ("gone"), or nothing succeeded for five days ("failing").
  std::function<void(storage::OrgScope, EndpointId, std::string reason)> disable;
  // Before a commit with operational events: adds the deliveries that they owe.
  std::function<void(storage::Commit&)> owe;
  // More (replayed, operational events) or one less (delivered, given up) is owed to an endpoint.
  std::function<void(const OrgId&, int64_t change)> owes;
  // After it, with the events and deliveries of that commit.
  std::function<void(const storage::Commit&)> committed;
};

class Dispatcher {
 public:
  Dispatcher(DispatcherOptions options, storage::Store& store, wire::Dialer& dialer,
             wire::AddressJudge judge, Clock& clock, Random& random, any_io_executor executor,
             DispatcherHooks hooks);
  ~Dispatcher();

  // On this shard. A new endpoint starts with what the store owes it.
  void set_endpoint(storage::OrgScope org, Endpoint endpoint);
  void remove_endpoint(EndpointId id);
  // Deliveries that were just committed; `event` saves reading it again.
  void offer(EndpointId id, const storage::DeliveryRow& row, const storage::EventRow& event);
  // Sends an event of type webhook.test now, outside every queue and limit; logged, not repeated.
  // Nothing when the endpoint is not here.
  awaitable<std::optional<Attempt>> test(EndpointId id);
  // Starts a new job, or goes on with a stored one. False when the endpoint is not here or another
  // job of it is running.
  bool replay(ReplayJob job);
  bool replaying(EndpointId id) const;
  // Erases attempts and dead letters of an endpoint that is no more; a crash in between
  // leaves rows that the next call finds.
  void sweep(storage::OrgScope org, EndpointId id);
  // Lets running attempts end until the deadline, starts no more.
  awaitable<void> close(SteadyTime deadline);

  size_t waiting() const;
  size_t in_flight() const { return slots_.size(); }
  // Looks at the clock again; for tests that move it.
  void look();

 private:
  struct Outcome {
    Exchanges exchanges;  // empty: the event could not be read
    Verdict verdict;
    std::optional<std::chrono::seconds> retry_after;
    int64_t began_mono = 0;
    UnixMillis began = 0;
  };
  struct Flight {
    uint64_t slot = 0;
    bool probe = false;
  };
  using Shared = std::shared_ptr<Worker>;
  int64_t mono() const;
  awaitable<void> run(Shared worker);
  awaitable<Result<void>> load(Shared worker);
  awaitable<bool> read(Shared worker);
  awaitable<void> expire(Shared worker);
  // Adds to `commit` the erasure of rows [from, to) of a log, with what points to them.
  awaitable<Result<void>> erase_rows(storage::OrgScope org, EndpointId id, storage::Kind kind,
                                     uint64_t from, uint64_t to, storage::Commit* commit);
  void pump();
  bool start(const Shared& worker);
  awaitable<void> watch_age();
  awaitable<void> attempt(Shared worker, Item item, Flight flight);
  awaitable<Outcome> carry(Shared worker, const Item* item);
  Post make_post(const Worker& worker, const storage::EventRow& event,
                 const DeliveryState& state) const;
  // Adds what the outcome means to the commit; answers the delivery's next state, nothing when it
  // has ended.
  std::optional<DeliveryState> record(Worker& worker, const Item& item, const Outcome& outcome,
                                      bool probe, storage::Commit& commit);
  uint64_t log_attempts(Worker& worker, const storage::EventRow& event, const Outcome& outcome,
                        uint32_t attempt, Trigger trigger, UnixMillis next, uint64_t previous,
                        storage::Commit& commit, BodyFormat format);
  void tell(Worker& worker, std::string_view type, std::string data, storage::Commit& commit);
  awaitable<Result<void>> commit(storage::Commit commit);
  awaitable<void> run_replay(Shared worker, ReplayJob job);
  awaitable<Result<std::vector<std::optional<BodyFormat>>>> formats_of(
      Shared worker, std::vector<storage::Key> pointers);
  awaitable<Result<bool>> replay_step(Shared worker, ReplayJob* job);
  awaitable<void> run_sweep(storage::OrgScope org, EndpointId id);

  DispatcherOptions options_;
  storage::Store& store_;
  Clock& clock_;
  Random& random_;
  any_io_executor executor_;
  DispatcherHooks hooks_;
  HttpClient client_;
  std::map<EndpointId, Shared> workers_;
  std::map<OrgId, size_t> in_flight_of_;
  Fair fair_;
  Slots slots_;
  bool closing_ = false;
  bool watching_ = false;
  bool pumping_ = false;
  Event aged_;
  Gate gate_;
};

}  // namespace wab::webhook
