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

using Replayed = std::pair<storage::DeliveryRow, std::optional<storage::EventRow>>;

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

// One step: its deliveries and the job's new cursor in one commit. True at the end.
awaitable<Result<bool>> Dispatcher::replay_step(Shared worker, ReplayJob* job) {
  const EndpointId id = worker->endpoint.id;
  storage::Commit commit{storage::Scope(worker->org)};
  std::vector<Replayed> made;
  DeliveryState fresh;
  fresh.replay = true;
  bool last = false;
  auto owe = [&](const SessionId& session, uint64_t seq, const ByteArray<8>& lane,
                 std::optional<storage::EventRow> event, uint64_t last_attempt) {
    fresh.last_attempt = last_attempt;
    storage::DeliveryRow row{id, session, seq, lane, encode(fresh)};
    made.emplace_back(std::move(row), std::move(event));
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
        if (letter) owe(letter->session, letter->seq, letter->lane, {}, letter->last_attempt);
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
            const auto lane = event->lane;
            owe(attempt->session, attempt->seq, lane, std::move(event), number);
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
        const auto session = event.session;
        const auto lane = event.lane;
        const uint64_t seq = event.seq;
        owe(session, seq, lane, std::move(event), 0);
        if (last) break;
      }
    }
  }
  // What still waits for its next attempt is not sent twice; only one event that somebody asked
  // for by its id goes at once.
  int64_t more = 0;
  std::vector<Replayed> fresh_ones;
  for (auto& one : made) {
    const storage::DeliveryKey before{id, one.first.session, one.first.seq - 1};
    CO_TRY(const auto there, co_await store_.deliveries(worker->org, id, before, 1));
    const bool owed = !there.empty() && there.front().session == one.first.session &&
                      there.front().seq == one.first.seq;
    if (owed && job->wish.event_id.empty()) continue;
    if (!owed) ++more;
    commit.deliveries.push_back(one.first);
    fresh_ones.push_back(std::move(one));
  }
  made = std::move(fresh_ones);
  job->queued += made.size();
  job->updated_at = clock_.now_ms();
  if (last) job->state = ReplayJob::State::done;
  commit.put.push_back({key_of(Kind::replay_job, job->id.text()), encode(*job)});
  if (worker->removed) co_return true;
  auto done = co_await store_.commit(std::move(commit));
  if (!done) co_return fail(done.error());
  if (hooks_.owes && more > 0) hooks_.owes(worker->org.org(), more);
  worker->replays_waiting += made.size();
  for (auto& [row, event] : made) {
    Item item{row.session, row.seq, row.lane, decode_state(row.state), std::move(event)};
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
