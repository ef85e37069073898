// Whose turn it is, and the life of an endpoint. What an attempt does is in attempt_run.cc, sending
// again in replay_run.cc.
#include "webhook/dispatcher.h"

#include "storage/base/log.h"
#include "webhook/schedule.h"
#include "webhook/worker.h"

namespace wab::webhook {
namespace {

using namespace std::chrono_literals;
using storage::Kind;

constexpr auto kStoreTrouble = 1s;
constexpr int64_t kSweepEvery = 3600 * 1000;
constexpr uint64_t kProbeNames = 64;
constexpr uint64_t kEraseStep = 500;

storage::Key key_of(Kind kind, std::string name) {
  storage::Key key;
  key.kind = kind;
  key.name = std::move(name);
  return key;
}

}  // namespace

Dispatcher::Dispatcher(DispatcherOptions options, storage::Store& store, wire::Dialer& dialer,
                       wire::AddressJudge judge, Clock& clock, Random& random,
                       any_io_executor executor, DispatcherHooks hooks)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      random_(random),
      executor_(std::move(executor)),
      hooks_(std::move(hooks)),
      client_(dialer, std::move(judge), options_.egress),
      slots_(options_.max_in_flight) {}

Dispatcher::~Dispatcher() = default;

int64_t Dispatcher::mono() const {
  const auto since = clock_.steady().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

void Dispatcher::set_endpoint(storage::OrgScope org, Endpoint endpoint) {
  const EndpointId id = endpoint.id;
  if (const auto it = workers_.find(id); it != workers_.end()) {
    Worker& worker = *it->second;
    if (worker.endpoint.ordering == endpoint.ordering) {
      const bool again = endpoint.enabled && !worker.endpoint.enabled;
      const bool moved = endpoint.url != worker.endpoint.url;
      worker.endpoint = std::move(endpoint);
      worker.pace.set_rate(worker.endpoint.rate_limit);
      // Enabled by hand, or somewhere else now: what was held against it is forgotten.
      if (again || moved) worker.breaker = Breaker();
      if (again) worker.health.failing_since = 0;
      worker.wake.notify_all();
      return;
    }
    remove_endpoint(id);
  }
  auto worker = std::make_shared<Worker>(org, std::move(endpoint), options_);
  workers_.emplace(id, worker);
  spawn(executor_, gate_, run(worker), "webhook.endpoint");
}

void Dispatcher::remove_endpoint(EndpointId id) {
  const auto it = workers_.find(id);
  if (it == workers_.end()) return;
  auto worker = it->second;
  workers_.erase(it);
  worker->removed = true;
  worker->wake.notify_all();
  worker->progress.notify_all();
}

void Dispatcher::offer(EndpointId id, const storage::DeliveryRow& row,
                       const storage::EventRow& event) {
  const auto it = workers_.find(id);
  if (it == workers_.end()) return;
  Item item{row.session, row.seq, row.lane, decode_state(row.state), event};
  it->second->backlog.offer(std::move(item));
  it->second->wake.notify_all();
}

// Health, the ends of the logs, and a replay that was under way.
awaitable<Result<void>> Dispatcher::load(Shared worker) {
  const std::string name = worker->endpoint.id.text();
  std::vector<storage::Key> keys{key_of(Kind::endpoint_health, name),
                                 key_of(Kind::attempt_log, name), key_of(Kind::dead_log, name)};
  CO_TRY(const auto values, co_await store_.load(worker->org, std::move(keys)));
  if (values[0]) worker->health = decode_health(*values[0]).value_or(Health{});
  worker->suspect = worker->health.failing_since != 0;
  if (values[1]) worker->attempts = decode_log_head(*values[1]).value_or(LogHead{});
  if (values[2]) worker->dead = decode_log_head(*values[2]).value_or(LogHead{});
  // Rows written since the head was.
  for (bool more = true; more;) {
    std::vector<storage::Key> rows;
    for (uint64_t i = 0; i < kProbeNames; ++i) {
      const uint64_t number = worker->attempts.next + i;
      rows.push_back(key_of(Kind::attempt, log_name(worker->endpoint.id, number)));
    }
    CO_TRY(const auto found, co_await store_.load(worker->org, std::move(rows)));
    more = false;
    const uint64_t base = worker->attempts.next;
    for (uint64_t i = 0; i < kProbeNames; ++i) {
      if (!found[i]) continue;
      more = true;
      const auto attempt = decode_attempt(*found[i]);
      while (worker->attempts.next <= base + i) {
        worker->attempts.append(attempt ? attempt->at : clock_.now_ms());
      }
    }
  }
  std::string after;
  do {
    CO_TRY(auto page, co_await store_.scan(worker->org, Kind::replay_job, after, 100));
    for (const auto& row : page.rows) {
      const auto job = decode_replay_job(row.value);
      if (!job || job->endpoint != worker->endpoint.id) continue;
      if (job->state == ReplayJob::State::running && !worker->replaying) {
        worker->replaying = true;
        spawn(executor_, gate_, run_replay(worker, *job), "webhook.replay");
      }
    }
    after = page.next;
  } while (!after.empty());
  co_return ok();
}

// Takes deliveries from the store into memory, as many as fit. False when the store did not answer.
awaitable<bool> Dispatcher::read(Shared worker) {
  const auto from = worker->backlog.begin_read();
  const EndpointId id = worker->endpoint.id;
  std::optional<storage::DeliveryKey> after;
  if (from) after = storage::DeliveryKey{id, from->first, from->second};
  auto page = co_await store_.deliveries(worker->org, id, after, Backlog::kPage);
  if (!page) {
    log_warn("webhook.store_unavailable", {{"endpoint", id.text()}, {"error", page.error()}});
    worker->backlog.fail_read();
    co_return false;
  }
  std::vector<Item> rows;
  for (auto& row : *page) {
    DeliveryState state = decode_state(row.state);
    const Millis wait = longest_pause(options_.schedule, state.attempts);
    state.due = std::min(state.due, clock_.now_ms() + wait.count());
    rows.push_back(Item{row.session, row.seq, row.lane, state, std::nullopt});
  }
  worker->backlog.end_read(std::move(rows));
  co_return true;
}

awaitable<Result<void>> Dispatcher::erase_rows(storage::OrgScope org, EndpointId id, Kind kind,
                                               uint64_t from, uint64_t to,
                                               storage::Commit* commit) {
  std::vector<storage::Key> keys;
  for (uint64_t n = from; n < to; ++n) keys.push_back(key_of(kind, log_name(id, n)));
  if (kind == Kind::attempt && from < to) {
    std::vector<storage::Key> asked = keys;
    CO_TRY(const auto rows, co_await store_.load(org, std::move(asked)));
    std::map<std::string, uint64_t> last;
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto attempt = rows[i] ? decode_attempt(*rows[i]) : std::nullopt;
      if (attempt) last[attempt_of_event_name(attempt->event_id, id)] = from + i;
    }
    std::vector<storage::Key> pointers;
    for (const auto& [name, number] : last) {
      pointers.push_back(key_of(Kind::attempt_of_event, name));
    }
    std::vector<storage::Key> wanted = pointers;
    CO_TRY(const auto values, co_await store_.load(org, std::move(wanted)));
    for (size_t i = 0; i < values.size(); ++i) {
      const bool ours =
          values[i] && values[i]->size() == 8 && read_be64(*values[i]) == last.at(pointers[i].name);
      if (ours) commit->erase.push_back(pointers[i]);
    }
  }
  for (auto& key : keys) commit->erase.push_back(std::move(key));
  co_return ok();
}

// Rows that are over their time, in steps, beside everything else.
awaitable<void> Dispatcher::expire(Shared worker) {
  const EndpointId id = worker->endpoint.id;
  struct Log {
    LogHead* head;
    Kind row, log;
  };
  const Log logs[] = {{&worker->attempts, Kind::attempt, Kind::attempt_log},
                      {&worker->dead, Kind::dead_letter, Kind::dead_log}};
  for (const Log& log : logs) {
    for (;;) {
      const uint64_t from = log.head->first;
      const uint64_t keep = log.head->expired(clock_.now_ms(), kEraseStep);
      if (keep == from || worker->removed || closing_) break;
      storage::Commit commit{storage::Scope(worker->org)};
      storage::Commit* into = &commit;
      auto named = co_await erase_rows(worker->org, id, log.row, from, keep, into);
      if (!named || worker->removed) break;
      log.head->drop_before(keep);
      commit.put.push_back({key_of(log.log, id.text()), encode(*log.head)});
      auto done = co_await store_.commit(std::move(commit));
      if (!done) break;
    }
  }
  worker->sweeping = false;
}

awaitable<void> Dispatcher::run(Shared worker) {
  while (!closing_ && !worker->removed) {
    if (!worker->loaded) {
      auto loaded = co_await load(worker);
      if (!loaded) {
        co_await worker->wake.wait_until(clock_.steady() + kStoreTrouble);
        continue;
      }
      worker->loaded = true;
      worker->progress.notify_all();
    }
    const bool sweep_due = clock_.now_ms() - worker->swept_at >= kSweepEvery;
    if (!worker->sweeping && (sweep_due || worker->attempts.overfull())) {
      worker->swept_at = clock_.now_ms();
      worker->sweeping = true;
      if (!spawn(executor_, gate_, expire(worker), "webhook.expire")) co_return;
    }
    if (worker->backlog.wants_reading()) {
      const bool answered = co_await read(worker);
      if (!answered) co_await worker->wake.wait_until(clock_.steady() + kStoreTrouble);
      continue;
    }
    const auto in = worker->ready_in(clock_.now_ms(), mono());
    if (in && *in == 0) {
      if (!worker->queued) {
        worker->queued = true;
        fair_.add(worker->org.org(), worker->endpoint.id);
      }
      pump();
      if (worker->backlog.wants_reading()) continue;
      // Still in the row of turns, or its state is another now: pump() wakes it.
      if (worker->queued) {
        co_await worker->wake.wait();
        continue;
      }
    } else if (worker->backlog.lanes().in_flight() == 0 &&
               worker->backlog.make_room(clock_.now_ms())) {
      continue;
    }
    const auto wait = worker->ready_in(clock_.now_ms(), mono()).value_or(kSweepEvery);
    const auto pause = std::chrono::milliseconds(std::clamp<int64_t>(wait, 1, kSweepEvery));
    co_await worker->wake.wait_until(clock_.steady() + pause);
  }
}

// Starts attempts while there is room, one organization after another.
void Dispatcher::pump() {
  if (pumping_) return;
  pumping_ = true;
  const size_t share = std::max<size_t>(1, options_.max_in_flight / 4);
  size_t passed_over = 0;
  bool polite = true, waited_for_others = false;
  while (!closing_ && fair_.size() > 0) {
    if (passed_over >= fair_.size()) {
      // Nobody else could use the places that were left for others.
      if (!polite || !waited_for_others) break;
      polite = waited_for_others = false;
      passed_over = 0;
    }
    const bool others = polite && fair_.organizations() > 1;
    const auto turn = fair_.take();
    if (!turn) break;
    const auto it = workers_.find(turn->endpoint);
    if (it == workers_.end()) continue;
    const Shared worker = it->second;
    const auto in = worker->ready_in(clock_.now_ms(), mono());
    if (!in || *in > 0) {
      worker->queued = false;
      worker->wake.notify_all();
      continue;
    }
    // An organization with a quarter of all attempts under way lets others go first.
    const bool room = slots_.free(worker->suspect, mono());
    const auto flying = in_flight_of_.find(turn->org);
    const bool enough = others && flying != in_flight_of_.end() && flying->second >= share;
    if (enough || !room) {
      waited_for_others |= enough && room;
      fair_.add(turn->org, turn->endpoint);
      ++passed_over;
      continue;
    }
    if (!start(worker)) {
      worker->queued = false;
      worker->wake.notify_all();
      continue;
    }
    passed_over = 0;
    polite = true;
    waited_for_others = false;
    if (worker->backlog.wants_reading()) worker->wake.notify_all();
    fair_.add(turn->org, turn->endpoint);
  }
  pumping_ = false;
  if (fair_.size() > 0 && !closing_ && !watching_ && slots_.next_aging()) {
    watching_ = true;
    if (!spawn(executor_, gate_, watch_age(), "webhook.turns")) watching_ = false;
  }
}

// Attempts that take long leave the fast half; that frees places without anything ending.
awaitable<void> Dispatcher::watch_age() {
  while (!closing_ && fair_.size() > 0) {
    const auto at = slots_.next_aging();
    if (!at) break;
    const auto pause = std::chrono::milliseconds(std::max<int64_t>(*at - mono(), 1));
    co_await aged_.wait_until(clock_.steady() + pause);
    pump();
  }
  watching_ = false;
}

bool Dispatcher::start(const Shared& worker) {
  const int64_t now = mono();
  auto item = worker->backlog.lanes().next(clock_.now_ms());
  if (!item) return false;
  Flight flight;
  flight.probe = worker->breaker.start(now);
  flight.slot = slots_.start(worker->suspect || flight.probe, now);
  worker->pace.start(now);
  const OrgId org = worker->org.org();
  ++in_flight_of_[org];
  if (spawn(executor_, gate_, attempt(worker, std::move(*item), flight), "webhook.attempt")) {
    return true;
  }
  slots_.end(flight.slot);
  if (--in_flight_of_[org] == 0) in_flight_of_.erase(org);
  return false;
}

void Dispatcher::look() {
  for (auto& [id, worker] : workers_) worker->wake.notify_all();
  aged_.notify_all();
  pump();
}

awaitable<void> Dispatcher::close(SteadyTime deadline) {
  closing_ = true;
  for (auto& [id, worker] : workers_) {
    worker->wake.notify_all();
    worker->progress.notify_all();
  }
  aged_.notify_all();
  client_.close_idle();
  (void)deadline;  // every attempt has its own, shorter than any grace that callers give
  co_await gate_.close();
}

size_t Dispatcher::waiting() const {
  size_t out = 0;
  for (const auto& [id, worker] : workers_) out += worker->backlog.lanes().size();
  return out;
}

}  // namespace wab::webhook
