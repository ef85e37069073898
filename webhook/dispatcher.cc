#include "webhook/dispatcher.h"

#include <set>

#include "storage/base/log.h"
#include "storage/base/trace.h"
#include "webhook/probe.h"
#include "webhook/signature.h"
#include "webhook/verdict.h"

namespace wab::webhook {
namespace {

using namespace std::chrono_literals;

constexpr size_t kPage = 256;
constexpr auto kStoreTrouble = 1s;

// Of the request that caused the event; else one of its own, the same for all its attempts.
TraceContext trace_of(const storage::EventRow& event) {
  const auto caused = TraceContext::parse(event.trace);
  return caused ? *caused : TraceContext::of(event.id);
}

}  // namespace

struct Dispatcher::Worker {
  Worker(storage::OrgScope scope, Endpoint what, const DispatcherOptions& options)
      : org(scope),
        endpoint(std::move(what)),
        lanes(endpoint.ordered, options.in_memory, options.window) {}

  storage::OrgScope org;
  Endpoint endpoint;
  Lanes lanes;
  bool removed = false;
  // The store may owe more than `lanes` holds; true at the start and after an overflow.
  bool behind = true;
  bool missed = false;  // something was offered and not taken since the reload began
  // What ended while the store was being read: its answer may still hold it.
  bool reading = false;
  std::set<std::pair<SessionId, uint64_t>> ended;
  struct Reading {
    explicit Reading(Worker& worker) : of(worker) { of.reading = true; }
    ~Reading() {
      of.reading = false;
      of.ended.clear();
    }
    Worker& of;
  };
  Event wake;
};

Dispatcher::Dispatcher(DispatcherOptions options, storage::Store& store, wire::Dialer& dialer,
                       wire::AddressJudge judge, Clock& clock, Random& random,
                       any_io_executor executor, Gone gone)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      random_(random),
      executor_(std::move(executor)),
      gone_(std::move(gone)),
      client_(dialer, std::move(judge)) {}

Dispatcher::~Dispatcher() = default;

void Dispatcher::set_endpoint(storage::OrgScope org, Endpoint endpoint) {
  const EndpointId id = endpoint.id;
  if (const auto it = workers_.find(id); it != workers_.end()) {
    auto& worker = *it->second;
    const bool same_order = worker.endpoint.ordered == endpoint.ordered;
    worker.endpoint = std::move(endpoint);
    worker.wake.notify_all();
    if (same_order) return;
    remove_endpoint(id);
    set_endpoint(org, worker.endpoint);
    return;
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
}

void Dispatcher::offer(EndpointId id, const storage::DeliveryRow& row,
                       const storage::EventRow& event) {
  const auto it = workers_.find(id);
  if (it == workers_.end()) return;
  Worker& worker = *it->second;
  if (worker.behind) {
    worker.missed = true;
    return;
  }
  Item item{row.session, row.seq, row.lane, decode_state(row.state), event};
  if (!worker.lanes.push(std::move(item))) {
    worker.behind = true;
    worker.missed = true;
  }
  worker.wake.notify_all();
}

// Takes deliveries from the store into memory, as many as fit. False when the store did not answer.
awaitable<bool> Dispatcher::reload(std::shared_ptr<Worker> worker) {
  worker->missed = false;
  const Worker::Reading reading(*worker);
  std::optional<storage::DeliveryKey> after;
  for (;;) {
    const EndpointId id = worker->endpoint.id;
    auto page = co_await store_.deliveries(worker->org, id, after, kPage);
    if (!page) {
      log_warn("webhook.store_unavailable", {{"endpoint", id.text()}, {"error", page.error()}});
      co_return false;
    }
    for (auto& row : *page) {
      Item item{row.session, row.seq, row.lane, decode_state(row.state), std::nullopt};
      if (item.state.exhausted || worker->ended.contains({row.session, row.seq})) continue;
      if (!worker->lanes.push(std::move(item))) co_return true;
    }
    if (page->size() < kPage) break;
    const auto& last = page->back();
    after = storage::DeliveryKey{last.endpoint, last.session, last.seq};
  }
  // Complete, unless something was committed behind the reader's back.
  worker->behind = worker->missed;
  co_return true;
}

awaitable<void> Dispatcher::run(std::shared_ptr<Worker> worker) {
  while (!closing_ && !worker->removed) {
    // Half empty is enough: what waits for a later try must not keep the rest out.
    if (worker->behind && worker->lanes.size() <= options_.in_memory / 2) {
      const bool answered = co_await reload(worker);
      if (!answered) {
        co_await worker->wake.wait_until(clock_.steady() + kStoreTrouble);
        continue;
      }
    }
    bool started = false;
    while (worker->endpoint.enabled && in_flight_ < options_.max_in_flight) {
      auto item = worker->lanes.next(clock_.now_ms());
      if (!item) break;
      ++in_flight_;
      count_in_flight(1);
      started = true;
      if (!spawn(executor_, gate_, attempt(worker, std::move(*item)), "webhook.attempt")) {
        --in_flight_;
        count_in_flight(-1);
        co_return;
      }
    }
    if (started) continue;
    if (worker->behind && worker->lanes.size() <= options_.in_memory / 2) continue;
    if (in_flight_ >= options_.max_in_flight) {
      co_await room_.wait();
      continue;
    }
    const auto due = worker->endpoint.enabled ? worker->lanes.next_due() : std::nullopt;
    if (due) {
      const auto pause = std::max<UnixMillis>(*due - clock_.now_ms(), 1);
      const SteadyTime until = clock_.steady() + std::chrono::milliseconds(pause);
      co_await worker->wake.wait_until(until);
    } else {
      co_await worker->wake.wait();
    }
  }
}

awaitable<Result<PostResult>> Dispatcher::post(std::shared_ptr<Worker> worker,
                                               const storage::EventRow& event) {
  auto url = wire::parse_url(worker->endpoint.url);
  if (!url) co_return fail(url.error());
  const UnixSeconds now = clock_.now_s();
  wire::HttpFields headers;
  headers.set("content-type", "application/json");
  headers.set("user-agent", "Waslo-Bridge");
  for (const auto& [name, value] : worker->endpoint.headers) headers.set(name, value);
  headers.set("traceparent", trace_of(event).child(random_).traceparent());
  headers.set("webhook-id", event.id);
  headers.set("webhook-timestamp", std::to_string(now));
  headers.set("webhook-signature",
              signature_header(event.id, now, event.body, worker->endpoint.secrets));
  Bytes body = event.body;
  const OrgId org = worker->org.org();
  co_return co_await client_.post(org, std::move(*url), std::move(headers), std::move(body),
                                  options_.timeout);
}

awaitable<void> Dispatcher::attempt(std::shared_ptr<Worker> worker, Item item) {
  const storage::Scope session(worker->org, item.session);
  if (!item.event) {
    auto loaded = co_await store_.event(session, item.seq);
    if (loaded && *loaded) item.event = std::move(**loaded);
  }
  Verdict verdict{Fate::later, false, "event_unreadable"};
  std::optional<std::chrono::seconds> retry_after;
  int status = 0;
  if (item.event) {
    if (item.state.attempts == 0) count_first_post(*item.event, clock_.now_ms());
    auto answer = co_await post(worker, *item.event);
    if (answer) {
      status = answer->status;
      verdict = judge_status(status);
      retry_after = parse_retry_after(answer->retry_after, clock_.now_s());
    } else {
      verdict = judge_error(answer.error());
    }
  }
  if (item.event) {
    log_debug("webhook.attempt", {{"endpoint", worker->endpoint.id.text()},
                                  {"event_id", item.event->id},
                                  {"trace", trace_of(*item.event).id()},
                                  {"verdict", verdict.code},
                                  {"attempt", item.state.attempts + 1}});
  }
  storage::Commit commit{storage::Scope(worker->org)};
  storage::DeliveryRow row;
  row.endpoint = worker->endpoint.id;
  row.session = item.session;
  row.seq = item.seq;
  row.lane = item.lane;
  DeliveryState state = item.state;
  ++state.attempts;
  const bool delivered = verdict.fate == Fate::done;
  count_attempt(verdict, state.attempts > 1);
  if (delivered) {
    commit.delivered.push_back(storage::DeliveryKey{row.endpoint, row.session, row.seq});
    if (state.attempts == 1) count_first_delivery(*item.event, clock_.now_ms());
  } else {
    const auto pause = next_pause(options_.schedule, state.attempts, retry_after, verdict.throttled,
                                  random_.unit());
    state.exhausted = !pause;
    state.due = pause ? clock_.now_ms() + pause->count() : 0;
    row.state = encode(state);
    commit.deliveries.push_back(row);
    if (state.exhausted) count_exhausted();
    log_info("webhook.attempt_failed", {{"endpoint", row.endpoint.text()},
                                        {"verdict", verdict.code},
                                        {"status", status},
                                        {"attempt", state.attempts},
                                        {"exhausted", state.exhausted}});
  }
  // A removed endpoint has no rows any more: none may come back.
  if (!worker->removed) {
    auto recorded = co_await store_.commit(std::move(commit));
    if (!recorded) log_warn("webhook.outcome_not_recorded", {{"error", recorded.error()}});
  }
  if (delivered || state.exhausted) {
    if (settled_ && !worker->removed) settled_(worker->org.org());
    worker->lanes.done(item);
    if (worker->reading) worker->ended.insert({item.session, item.seq});
  } else {
    worker->lanes.later(item, state);
  }
  --in_flight_;
  count_in_flight(-1);
  if (verdict.fate == Fate::disable && worker->endpoint.enabled) {
    worker->endpoint.enabled = false;
    if (gone_) gone_(worker->org, worker->endpoint.id);
  }
  worker->wake.notify_all();
  room_.notify_all();
}

awaitable<void> Dispatcher::close(SteadyTime deadline) {
  closing_ = true;
  for (auto& [id, worker] : workers_) worker->wake.notify_all();
  room_.notify_all();
  client_.close_idle();
  (void)deadline;  // every attempt has its own, shorter than any grace that callers give
  co_await gate_.close();
}

size_t Dispatcher::waiting() const {
  size_t out = 0;
  for (const auto& [id, worker] : workers_) out += worker->lanes.size();
  return out;
}

}  // namespace wab::webhook
