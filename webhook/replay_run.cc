// Sending again, step by step; and erasing what a removed endpoint leaves.
#include "storage/base/log.h"
#include "webhook/dispatcher.h"
#include "webhook/worker.h"

namespace wab::webhook {
namespace {

using namespace std::chrono_literals;
using storage::Kind;

constexpr size_t kStep = 100;     // events looked at, or dead letters, per commit
constexpr size_t kWaiting = 100;  // replayed deliveries that may wait at a time
constexpr auto kPatience = 60s;   // for those; then the next step goes on anyway
constexpr auto kTrouble = 1s;
constexpr uint64_t kEraseStep = 500;

struct Replayed {
  storage::DeliveryRow row;  // its state is written last
  DeliveryState state;
  std::optional<storage::EventRow> event;
  std::string event_id;  // "" when the format is known or nobody knows it
};

storage::Key key_of(Kind kind, std::string name) {
  storage::Key key;
  key.kind = kind;
  key.name = std::move(name);
  return key;
}

}  // namespace

bool Dispatcher::replay(ReplayJob job) {
  const auto it = workers_.find(job.endpoint);
  if (it == workers_.end() || it->second->replaying || closing_) return false;
  it->second->replaying = true;
  return spawn(executor_, gate_, run_replay(it->second, std::move(job)), "webhook.replay");
}

bool Dispatcher::replaying(EndpointId id) const {
  const auto it = workers_.find(id);
  return it != workers_.end() && it->second->replaying;
}

// In which format the newest attempts of events were made; one answer for each pointer.
awaitable<Result<std::vector<std::optional<BodyFormat>>>> Dispatcher::formats_of(
    Shared worker, std::vector<storage::Key> pointers) {
  std::vector<std::optional<BodyFormat>> out(pointers.size());
  if (pointers.empty()) co_return out;
  CO_TRY(const auto numbers, co_await store_.load(worker->org, std::move(pointers)));
  std::vector<storage::Key> rows;
  std::vector<size_t> places;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (!numbers[i] || numbers[i]->size() != 8) continue;
    rows.push_back(key_of(Kind::attempt, log_name(worker->endpoint.id, read_be64(*numbers[i]))));
    places.push_back(i);
  }
  if (rows.empty()) co_return out;
  CO_TRY(const auto values, co_await store_.load(worker->org, std::move(rows)));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto attempt = values[i] ? decode_attempt(*values[i]) : std::nullopt;
    if (attempt) out[places[i]] = attempt->format;
  }
  co_return out;
}

// One step: its deliveries and the job's new cursor in one commit. True at the end.
awaitable<Result<bool>> Dispatcher::replay_step(Shared worker, ReplayJob* job) {
  const EndpointId id = worker->endpoint.id;
  storage::Commit commit{storage::Scope(worker->org)};
  std::vector<Replayed> made;
  bool last = false;
  auto owe = [&](const SessionId& session, uint64_t seq, const ByteArray<8>& lane) -> Replayed& {
    Replayed one;
    one.row.endpoint = id;
    one.row.session = session;
    one.row.seq = seq;
    one.row.lane = lane;
    one.state.replay = true;
    made.push_back(std::move(one));
    return made.back();
  };
  if (job->wish.failed) {
    std::vector<storage::Key> keys;
    const uint64_t from = std::max(job->cursor + 1, worker->dead.first);
    for (uint64_t n = from; n < job->end && keys.size() < kStep; ++n) {
      keys.push_back(key_of(Kind::dead_letter, log_name(id, n)));
    }
    if (!keys.empty()) {
      std::vector<storage::Key> asked = keys;
      CO_TRY(const auto values, co_await store_.load(worker->org, std::move(asked)));
      for (size_t i = 0; i < values.size(); ++i) {
        if (!values[i]) continue;  // replayed before
        const auto letter = decode_dead_letter(*values[i]);
        if (letter) {
          Replayed& one = owe(letter->session, letter->seq, letter->lane);
          one.state.last_attempt = letter->last_attempt;
          one.state.format = letter->format;
        }
        commit.erase.push_back(keys[i]);
        ++job->examined;
      }
      job->cursor = from + keys.size() - 1;
    }
    last = from + keys.size() >= job->end;
  } else {
    bool found = false;
    if (!job->wish.event_id.empty() && job->cursor == 0) {
      // Known by its last attempt; otherwise it is looked for in the log.
      std::vector<storage::Key> keys{
          key_of(Kind::attempt_of_event, attempt_of_event_name(job->wish.event_id, id))};
      CO_TRY(const auto newest, co_await store_.load(worker->org, std::move(keys)));
      if (newest[0] && newest[0]->size() == 8) {
        const uint64_t number = read_be64(*newest[0]);
        std::vector<storage::Key> names{key_of(Kind::attempt, log_name(id, number))};
        CO_TRY(const auto rows, co_await store_.load(worker->org, std::move(names)));
        const auto attempt = rows[0] ? decode_attempt(*rows[0]) : std::nullopt;
        if (attempt) {
          const storage::Scope session(worker->org, attempt->session);
          CO_TRY(auto event, co_await store_.event(session, attempt->seq));
          if (event && event->id == job->wish.event_id) {
            ++job->examined;
            Replayed& one = owe(attempt->session, attempt->seq, event->lane);
            one.state.last_attempt = number;
            one.state.format = attempt->format;
            one.event = std::move(event);
            found = last = true;
          }
        }
      }
    }
    if (!found) {
      CO_TRY(auto events, co_await store_.events_after(worker->org, job->cursor, kStep));
      last = events.empty();
      for (auto& event : events) {
        job->cursor = event.position;
        ++job->examined;
        if (!job->wish.event_id.empty()) {
          if (event.id != job->wish.event_id) continue;
          last = true;
        } else {
          // Of an event of its own about itself an endpoint hears nothing, here neither.
          if (event.session == SessionId(id.bytes())) continue;
          if (!worker->endpoint.wants(event.type, event.session)) continue;
          if (event.at >= job->created_at || !selects(job->wish, event.at, event.body)) continue;
        }
        Replayed& one = owe(event.session, event.seq, event.lane);
        one.event_id = event.id;
        one.event = std::move(event);
        if (last) break;
      }
    }
  }
  // What still waits for its next attempt is not sent twice; only one event that somebody asked
  // for by its id goes at once.
  int64_t more = 0;
  std::vector<Replayed> fresh_ones;
  for (auto& one : made) {
    const storage::DeliveryKey before{id, one.row.session, one.row.seq - 1};
    CO_TRY(const auto there, co_await store_.deliveries(worker->org, id, before, 1));
    const bool owed = !there.empty() && there.front().session == one.row.session &&
                      there.front().seq == one.row.seq;
    if (owed && job->wish.event_id.empty()) continue;
    if (owed) one.state.format = decode_state(there.front().state).format;
    if (!owed) ++more;
    fresh_ones.push_back(std::move(one));
  }
  made = std::move(fresh_ones);
  std::vector<storage::Key> pointers;
  for (const auto& one : made) {
    if (one.state.format || one.event_id.empty()) continue;
    pointers.push_back(key_of(Kind::attempt_of_event, attempt_of_event_name(one.event_id, id)));
  }
  CO_TRY(const auto formats, co_await formats_of(worker, std::move(pointers)));
  auto known = formats.begin();
  for (auto& one : made) {
    if (!one.state.format && !one.event_id.empty()) one.state.format = *known++;
    if (!one.state.format) one.state.format = worker->endpoint.format;
    one.row.state = encode(one.state);
    commit.deliveries.push_back(one.row);
  }
  job->queued += made.size();
  job->updated_at = clock_.now_ms();
  if (last) job->state = ReplayJob::State::done;
  commit.put.push_back({key_of(Kind::replay_job, job->id.text()), encode(*job)});
  if (worker->removed) co_return true;
  auto done = co_await store_.commit(std::move(commit));
  if (!done) co_return fail(done.error());
  if (hooks_.owes && more > 0) hooks_.owes(worker->org.org(), more);
  worker->replays_waiting += made.size();
  for (auto& one : made) {
    const auto& row = one.row;
    Item item{row.session, row.seq, row.lane, one.state, std::move(one.event)};
    worker->backlog.offer(std::move(item));
  }
  worker->wake.notify_all();
  co_return last;
}

awaitable<void> Dispatcher::run_replay(Shared worker, ReplayJob job) {
  while (!worker->loaded && !worker->removed && !closing_) co_await worker->progress.wait();
  while (!worker->removed && !closing_) {
    ReplayJob next = job;
    ReplayJob* into = &next;
    auto last = co_await replay_step(worker, into);
    if (!last) {
      log_warn("webhook.replay_waits", {{"job", job.id.text()}, {"error", last.error()}});
      co_await worker->progress.wait_until(clock_.steady() + kTrouble);
      continue;
    }
    job = next;
    if (*last) break;
    const SteadyTime patience = clock_.steady() + kPatience;
    while (worker->replays_waiting >= kWaiting && !worker->removed && !closing_) {
      const bool moved = co_await worker->progress.wait_until(patience);
      if (!moved) break;
    }
    if (worker->replays_waiting >= kWaiting) worker->replays_waiting = 0;
  }
  worker->replaying = false;
}

void Dispatcher::sweep(storage::OrgScope org, EndpointId id) {
  spawn(executor_, gate_, run_sweep(org, id), "webhook.sweep");
}

awaitable<void> Dispatcher::run_sweep(storage::OrgScope org, EndpointId id) {
  const std::string name = id.text();
  struct Log {
    Kind head, row;
  };
  const Log logs[] = {{Kind::attempt_log, Kind::attempt}, {Kind::dead_log, Kind::dead_letter}};
  for (const Log& log : logs) {
    std::vector<storage::Key> keys{key_of(log.head, name)};
    auto values = co_await store_.load(org, std::move(keys));
    if (!values) co_return;
    if (!(*values)[0]) continue;
    auto head = decode_log_head(*(*values)[0]).value_or(LogHead{});
    // Rows may be up to 64 past the stored head.
    const uint64_t end = head.next + 2 * LogHead::kPersistEvery + 64;
    while (head.first < end) {
      if (closing_) co_return;
      storage::Commit commit{storage::Scope(org)};
      const uint64_t to = std::min(end, head.first + kEraseStep);
      storage::Commit* into = &commit;
      auto named = co_await erase_rows(org, id, log.row, head.first, to, into);
      if (!named) co_return;
      head.first = to;
      head.next = std::max(head.next, to);
      if (to == end) {
        commit.erase.push_back(key_of(log.head, name));
        commit.erase.push_back(key_of(Kind::endpoint_health, name));
      } else {
        LogHead left = head;
        left.days.clear();
        commit.put.push_back({key_of(log.head, name), encode(left)});
      }
      auto done = co_await store_.commit(std::move(commit));
      if (!done) co_return;
    }
  }
}

}  // namespace wab::webhook
