// Sessions after a start of the service: opened, held back when the store was restored, started.
#include "bridge/restored_state.h"
#include "bridge/session_erasure.h"
#include "bridge/session_row.h"
#include "bridge/sessions_impl.h"
#include "storage/base/log.h"

namespace wab::bridge {
namespace {

constexpr size_t kPage = 200;

}  // namespace

session::StatusView Sessions::status_of(const Entry& entry) const {
  session::StatusView out = entry.session->status();
  if (entry.held_back) show_held_back(out, *world_.restored);
  return out;
}

awaitable<Outcome<void>> Sessions::do_accept(Shard& shard, storage::OrgScope org, SessionId id) {
  const auto entry = find(shard, org.org(), id);
  if (!entry) co_return refuse(Code::not_found);
  if (shard.closing) co_return refuse(Code::stopping);
  if (!entry->held_back) co_return Outcome<void>();
  co_return co_await release(org, entry);
}

awaitable<Outcome<void>> Sessions::release(storage::OrgScope org, EntryPtr entry) {
  const auto status = entry->session->status();
  const storage::Scope scope(org, entry->view.id);
  // The ratchets first: a crash in between leaves the session held back.
  auto forgotten = co_await forget_ratchets(world_.store, scope, status);
  if (!forgotten) co_return refuse(problem_of(forgotten.error()));
  entry->view.restore_seen = restore_name(world_.restored);
  std::vector<storage::Row> none;
  auto stored = co_await store(org, entry, std::move(none));
  if (!stored) co_return refuse(stored.error());
  log_info("session.released", {{"session", entry->view.id.text()}, {"ratchets", *forgotten}});
  entry->held_back = false;
  ++entry->version;
  entry->changed.notify_all();
  co_return Outcome<void>();
}

awaitable<void> Sessions::do_recover(Shard& shard, storage::OrgScope org, SessionView stored) {
  const std::string mark = restore_name(world_.restored);
  const bool fresh = stored.restore_seen == mark;
  // One that does not open is in the log and in the list; the others go on.
  auto entry = co_await add(shard, org, std::move(stored));
  if (!entry || fresh) co_return;
  if (!(*entry)->session->status().pn.empty()) {
    (*entry)->held_back = true;
    log_warn("session.held_back",
             {{"session", (*entry)->view.id.text()}, {"reason", "a backup was restored"}});
    co_return;
  }
  // Never linked, or logged out: the ratchets of an earlier link are of no use to it.
  (void)co_await release(org, *entry);
}

awaitable<void> Sessions::do_start_wanted(Shard& shard) {
  std::vector<EntryPtr> entries;
  for (const auto& [id, entry] : shard.entries) entries.push_back(entry);
  for (const auto& entry : entries) {
    const bool may = !entry->erased && !entry->held_back && !shard.closing;
    if (entry->view.wanted && may) entry->session->start();
    co_await yield_shard();
  }
}

awaitable<Outcome<void>> Sessions::accept_restored(storage::OrgScope org, SessionId id) {
  Shard& shard = shard_of(id);
  std::function<awaitable<Outcome<void>>()> work = [this, &shard, org, id] {
    return do_accept(shard, org, id);
  };
  co_return co_await on<Outcome<void>>(shard.executor, std::move(work));
}

awaitable<Result<size_t>> Sessions::recover(storage::OrgScope org) {
  size_t found = 0;
  std::string after;
  do {
    CO_TRY(auto page, co_await world_.store.scan(org, storage::Kind::session_config, after, kPage));
    for (const auto& row : page.rows) {
      auto stored = read_session_row(row.value);
      if (!stored) continue;
      if (is_being_erased(row.value)) {
        auto erased = co_await finish_erasing_session(&world_.store, org, stored->id);
        if (!erased) {
          log_error("session.not_erased",
                    {{"session", stored->id.text()}, {"error", erased.error()}});
        }
        continue;
      }
      ++found;
      Shard& shard = shard_of(stored->id);
      std::function<awaitable<void>()> work = [this, &shard, org, view = *stored] {
        return do_recover(shard, org, view);
      };
      co_await on<void>(shard.executor, std::move(work));
    }
    after = page.next;
  } while (!after.empty());
  co_return found;
}

awaitable<void> Sessions::start_wanted() {
  for (auto& shard : state_) {
    Shard* one = shard.get();
    std::function<awaitable<void>()> work = [this, one] { return do_start_wanted(*one); };
    co_await on<void>(one->executor, std::move(work));
  }
}

}  // namespace wab::bridge
