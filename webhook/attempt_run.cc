// One attempt: from the stored event to the wire, and what came of it to the store.
#include <nlohmann/json.hpp>

#include "storage/base/log.h"
#include "storage/base/trace.h"
#include "webhook/dispatcher.h"
#include "webhook/format.h"
#include "webhook/probe.h"
#include "webhook/signature.h"
#include "webhook/worker.h"

namespace wab::webhook {
namespace {

using storage::Kind;

// Of the request that caused the event; else one of its own, the same for all its attempts.
TraceContext trace_of(const storage::EventRow& event) {
  const auto caused = TraceContext::parse(event.trace);
  return caused ? *caused : TraceContext::of(event.id);
}

storage::Row row_of(Kind kind, std::string name, Bytes value) {
  storage::Row row;
  row.key.kind = kind;
  row.key.name = std::move(name);
  row.value = std::move(value);
  return row;
}

bool overloaded(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

Post Dispatcher::make_post(const Worker& worker, const storage::EventRow& event,
                           const DeliveryState& state) const {
  const Endpoint& endpoint = worker.endpoint;
  const UnixMillis now = clock_.now_ms();
  const auto secrets = endpoint.secrets_at(now);
  Post post;
  const BodyFormat format = state.format.value_or(endpoint.format);
  post.body = format_body(format, event);
  wire::HttpFields& headers = post.headers;
  headers.set("content-type", "application/json");
  headers.set("user-agent", "Waslo-Bridge");
  for (const auto& [name, value] : endpoint.headers) headers.set(name, value);
  headers.set("traceparent", trace_of(event).child(random_).traceparent());
  headers.set("webhook-id", event.id);
  headers.set("webhook-timestamp", std::to_string(now / 1000));
  headers.set("webhook-signature",
              signature_header(event.id, now / 1000, post.body, secrets, endpoint.signing_key));
  if (state.replay) headers.set("webhook-replay", "1");
  add_dialect_headers(format, secrets.empty() ? "" : secrets.front(), event.id, now, post.body,
                      headers);
  post.org = worker.org.org();
  post.timeout = options_.timeout;
  post.identity = endpoint.identity;
  if (endpoint.identity) post.pool = endpoint.id.text();
  return post;
}

awaitable<Dispatcher::Outcome> Dispatcher::carry(Shared worker, const Item* item) {
  Outcome out;
  out.began = clock_.now_ms();
  out.began_mono = mono();
  out.verdict = {Fate::later, false, "event_unreadable"};
  if (!item->event) co_return out;
  Post post = make_post(*worker, *item->event, item->state);
  auto url = wire::parse_url(worker->endpoint.url);
  // The rules may be other ones than when the endpoint was made.
  if (!url || (options_.target && options_.target->refused(*url))) {
    Exchange refused;
    refused.error = url ? Error(wire::WireError::not_allowed, "target") : url.error();
    out.exchanges.push_back(std::move(refused));
    out.verdict = judge_error(*out.exchanges.back().error);
    co_return out;
  }
  post.url = std::move(*url);
  out.exchanges = co_await client_.post(std::move(post));
  const Exchange& last = out.exchanges.back();
  out.verdict = last.error ? judge_error(*last.error) : judge_status(last.status);
  if (!last.error) out.retry_after = parse_retry_after(last.retry_after, clock_.now_s());
  co_return out;
}

uint64_t Dispatcher::log_attempts(Worker& worker, const storage::EventRow& event,
                                  const Outcome& outcome, uint32_t attempt, Trigger trigger,
                                  UnixMillis next, uint64_t previous, storage::Commit& commit,
                                  BodyFormat format) {
  const EndpointId id = worker.endpoint.id;
  const UnixMillis now = clock_.now_ms();
  bool head_due = false;
  for (size_t i = 0; i < outcome.exchanges.size(); ++i) {
    const Exchange& exchange = outcome.exchanges[i];
    const bool last = i + 1 == outcome.exchanges.size();
    Attempt row;
    row.event_id = event.id;
    row.event_type = event.type;
    row.session = event.session;
    row.seq = event.seq;
    row.at = outcome.began;
    row.attempt = attempt;
    row.trigger = trigger;
    row.status = exchange.status;
    row.verdict =
        exchange.error ? judge_error(*exchange.error).code : judge_status(exchange.status).code;
    row.address = exchange.address;
    row.reused = exchange.reused;
    row.timings = exchange.timings;
    row.next_attempt = last ? next : outcome.began;
    row.answer = exchange.answer;
    row.answer_bytes = exchange.answer_bytes;
    row.previous = previous;
    row.format = format;
    const size_t days = worker.attempts.days.size();
    const uint64_t number = worker.attempts.append(now);
    head_due |= number % LogHead::kPersistEvery == 1 || worker.attempts.days.size() != days;
    commit.put.push_back(row_of(Kind::attempt, log_name(id, number), encode(row)));
    previous = number;
  }
  if (outcome.exchanges.empty()) return previous;
  if (head_due) {
    commit.put.push_back(row_of(Kind::attempt_log, id.text(), encode(worker.attempts)));
  }
  Bytes newest;
  put_be64(newest, previous);
  commit.put.push_back(
      row_of(Kind::attempt_of_event, attempt_of_event_name(event.id, id), std::move(newest)));
  return previous;
}

void Dispatcher::tell(Worker& worker, std::string_view type, std::string data,
                      storage::Commit& commit) {
  commit.events.push_back(operational_event(store_, worker.org, worker.endpoint.id.bytes(), type,
                                            ++worker.health.events, clock_.now_ms(), data));
}

std::optional<DeliveryState> Dispatcher::record(Worker& worker, const Item& item,
                                                const Outcome& outcome, bool probe,
                                                storage::Commit& commit) {
  const UnixMillis now = clock_.now_ms();
  const EndpointId id = worker.endpoint.id;
  const storage::DeliveryKey key{id, item.session, item.seq};
  const bool good = outcome.verdict.fate == Fate::done;
  const int status = outcome.exchanges.empty() ? 0 : outcome.exchanges.back().status;
  DeliveryState state = item.state;
  const uint32_t number = state.attempts + 1;
  const bool opened_before = worker.breaker.open();
  worker.breaker.ended(probe, good, mono());
  const bool opened = worker.breaker.open() && !opened_before;
  if (opened) count_breaker_opened();

  std::optional<DeliveryState> next;
  if (!good) {
    const auto pause = next_pause(options_.schedule, number, outcome.retry_after,
                                  outcome.verdict.throttled, random_.unit());
    if (probe) {
      // The breaker's own question: it is not held against the delivery.
      state.due = now + std::max<int64_t>(worker.breaker.until() - mono(), 0);
      next = state;
    } else if (pause) {
      state.attempts = number;
      state.due = now + pause->count();
      next = state;
    }
  }
  if (item.event) {
    const auto trigger = item.state.replay ? Trigger::replay : Trigger::scheduled;
    state.last_attempt = log_attempts(worker, *item.event, outcome, number, trigger,
                                      next ? next->due : 0, item.state.last_attempt, commit,
                                      state.format.value_or(worker.endpoint.format));
    if (next) next->last_attempt = state.last_attempt;
  }
  const auto change = worker.health.ended(good, number, opened, now);
  const std::string_view type = item.event ? std::string_view(item.event->type) : "";
  const bool quiet = is_operational(type);
  nlohmann::json about{
      {"webhook_id", id.text()}, {"url", worker.endpoint.url}, {"verdict", outcome.verdict.code}};
  if (status != 0) about["status"] = status;
  const bool disabling = outcome.verdict.fate == Fate::disable || change.give_up;
  if (change.failing && !disabling) {
    about["failing_since"] = to_iso8601(worker.health.failing_since);
    tell(worker, kFailing, about.dump(), commit);
  }
  if (change.recovered) tell(worker, kRecovered, about.dump(), commit);

  if (next) {
    storage::DeliveryRow row{id, item.session, item.seq, item.lane, encode(*next)};
    commit.deliveries.push_back(std::move(row));
  } else {
    commit.delivered.push_back(key);
  }
  if (!good && !next) {
    DeadLetter letter;
    letter.event_id = item.event ? item.event->id : "";
    letter.event_type = std::string(type);
    letter.session = item.session;
    letter.seq = item.seq;
    letter.lane = item.lane;
    letter.at = now;
    letter.attempts = number;
    letter.status = status;
    letter.verdict = outcome.verdict.code;
    letter.last_attempt = state.last_attempt;
    letter.format = state.format;
    const uint64_t place = worker.dead.append(now);
    commit.put.push_back(row_of(Kind::dead_letter, log_name(id, place), encode(letter)));
    commit.put.push_back(row_of(Kind::dead_log, id.text(), encode(worker.dead)));
    count_exhausted();
    if (!quiet) {
      about["event_id"] = letter.event_id;
      about["event_type"] = letter.event_type;
      about["attempts"] = number;
      tell(worker, kExhausted, about.dump(), commit);
    }
  }
  if (disabling && worker.endpoint.enabled) {
    about["reason"] = outcome.verdict.fate == Fate::disable ? "gone" : "failing";
    tell(worker, kDisabled, about.dump(), commit);
    worker.endpoint.enabled = false;
  }
  if (change.row || !commit.events.empty()) {
    commit.put.push_back(row_of(Kind::endpoint_health, id.text(), encode(worker.health)));
  }
  return next;
}

awaitable<Result<void>> Dispatcher::commit(storage::Commit commit) {
  if (commit.events.empty()) {
    auto done = co_await store_.commit(std::move(commit));
    if (!done) co_return fail(done.error());
    co_return ok();
  }
  const size_t before = commit.deliveries.size();
  if (hooks_.owe) hooks_.owe(commit);
  const auto owed = static_cast<int64_t>(commit.deliveries.size() - before);
  storage::Commit told(commit.owner);
  told.events = commit.events;
  told.deliveries = commit.deliveries;
  auto done = co_await store_.commit(std::move(commit));
  if (!done) co_return fail(done.error());
  if (hooks_.owes && owed > 0) hooks_.owes(told.owner.org(), owed);
  if (hooks_.committed) hooks_.committed(told);
  co_return ok();
}

awaitable<void> Dispatcher::attempt(Shared worker, Item item, Flight flight) {
  count_in_flight(1);
  if (!item.event) {
    const storage::Scope session(worker->org, item.session);
    auto loaded = co_await store_.event(session, item.seq);
    if (loaded && *loaded) item.event = std::move(**loaded);
  }
  const bool first = item.state.attempts == 0 && !item.state.replay;
  if (!item.state.format) item.state.format = worker->endpoint.format;
  if (item.event && first) count_first_post(*item.event, clock_.now_ms());
  const Item* carried = &item;
  Outcome outcome = co_await carry(worker, carried);
  const int64_t took = mono() - outcome.began_mono;
  const bool good = outcome.verdict.fate == Fate::done;
  const bool answered = !outcome.exchanges.empty() && !outcome.exchanges.back().error;
  const int status = answered ? outcome.exchanges.back().status : 0;
  count_attempt(outcome.verdict, item.state.attempts > 0);
  if (item.event) {
    log_debug("webhook.attempt", {{"endpoint", worker->endpoint.id.text()},
                                  {"event_id", item.event->id},
                                  {"trace", trace_of(*item.event).id()},
                                  {"verdict", outcome.verdict.code},
                                  {"attempt", item.state.attempts + 1}});
  }
  worker->suspect = !good || took >= Worker::kSlow;
  if (good) {
    worker->window = std::min(worker->window * 2, std::max<size_t>(options_.window, 1));
    worker->pace.relax();
    if (first) count_first_delivery(*item.event, clock_.now_ms());
  } else {
    if (outcome.verdict.throttled || !answered) worker->window = 1;
    if (overloaded(status)) {
      const int64_t asked = outcome.retry_after ? outcome.retry_after->count() * 1000 : 0;
      worker->pace.throttle(mono(), asked);
    }
  }
  storage::Commit made{storage::Scope(worker->org)};
  const bool was_enabled = worker->endpoint.enabled;
  auto next = record(*worker, item, outcome, flight.probe, made);
  const bool disabled = was_enabled && !worker->endpoint.enabled;
  const bool ended = !next;
  if (!good) {
    log_info("webhook.attempt_failed", {{"endpoint", worker->endpoint.id.text()},
                                        {"verdict", outcome.verdict.code},
                                        {"status", status},
                                        {"attempt", item.state.attempts + 1},
                                        {"exhausted", ended}});
  }
  // A removed endpoint has no rows any more: none may come back.
  if (!worker->removed) {
    auto recorded = co_await commit(std::move(made));
    if (!recorded) log_warn("webhook.outcome_not_recorded", {{"error", recorded.error()}});
  }
  if (ended) {
    if (hooks_.owes && !worker->removed) hooks_.owes(worker->org.org(), -1);
    worker->backlog.done(item);
  } else {
    worker->backlog.lanes().later(item, *next);
  }
  if (item.state.replay && worker->replays_waiting > 0) --worker->replays_waiting;
  slots_.end(flight.slot);
  const OrgId org = worker->org.org();
  if (--in_flight_of_[org] == 0) in_flight_of_.erase(org);
  count_in_flight(-1);
  if (disabled && !worker->removed) {
    std::string reason = outcome.verdict.fate == Fate::disable ? "gone" : "failing";
    if (hooks_.disable) hooks_.disable(worker->org, worker->endpoint.id, std::move(reason));
  }
  worker->wake.notify_all();
  worker->progress.notify_all();
  pump();
}

awaitable<std::optional<Attempt>> Dispatcher::test(EndpointId id) {
  const auto it = workers_.find(id);
  if (it == workers_.end()) co_return std::nullopt;
  const Shared worker = it->second;
  const auto pass = gate_.enter();
  while (!worker->loaded && !worker->removed && !closing_) co_await worker->progress.wait();
  if (!pass || worker->removed || closing_) co_return std::nullopt;
  Item item;
  nlohmann::json data{{"webhook_id", id.text()}, {"text", "This is a test."}};
  // Every test is an event of its own; it is not in the event log.
  storage::EventRow event = operational_event(store_, worker->org, id.bytes(), kTest,
                                              random_.u64() >> 12, clock_.now_ms(), data.dump());
  item.session = event.session;
  item.seq = event.seq;
  item.event = event;
  const Item* carried = &item;
  Outcome outcome = co_await carry(worker, carried);
  if (outcome.exchanges.empty()) co_return std::nullopt;
  storage::Commit made{storage::Scope(worker->org)};
  log_attempts(*worker, event, outcome, 1, Trigger::manual, 0, 0, made, worker->endpoint.format);
  Attempt shown;
  for (const auto& row : made.put) {
    if (row.key.kind != Kind::attempt) continue;
    if (auto decoded = decode_attempt(row.value)) shown = std::move(*decoded);
  }
  if (!worker->removed) {
    auto recorded = co_await commit(std::move(made));
    if (!recorded) log_warn("webhook.outcome_not_recorded", {{"error", recorded.error()}});
  }
  co_return shown;
}

}  // namespace wab::webhook
