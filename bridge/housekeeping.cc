#include "bridge/housekeeping.h"

#include "bridge/stored.h"
#include "storage/base/log.h"
#include "storage/base/shards.h"

namespace wab::bridge {

using storage::Kind;

namespace {
constexpr size_t kStep = 200;
}  // namespace

Housekeeping::Housekeeping(storage::Store& store, const storage::ScopeIssuer& scopes, Clock& clock,
                           Auth& auth, People& people, Idempotency& idempotency, Quotas& quotas)
    : store_(store),
      scopes_(scopes),
      clock_(clock),
      auth_(auth),
      people_(people),
      idempotency_(idempotency),
      quotas_(quotas) {}

void Housekeeping::start(any_io_executor home) { spawn(home, gate_, run(), "housekeeping"); }

awaitable<void> Housekeeping::close() {
  closing_.set();
  co_await gate_.close();
}

awaitable<void> Housekeeping::run() {
  while (!closing_.is_set()) {
    const bool closed = co_await closing_.wait_until(clock_.steady() + kHousekeepingEvery);
    if (closed) co_return;
    const size_t gone = co_await round();
    log_info("housekeeping.done", {{"rows", gone}});
  }
}

// Requests go first.
awaitable<void> Housekeeping::rest() { co_await yield_shard(); }

awaitable<size_t> Housekeeping::round() {
  const auto deployment = scopes_.deployment();
  size_t gone = co_await one(deployment);
  gone += co_await browser_sessions();
  auto links = co_await people_.sweep_links(kStep);
  if (links) gone += *links;
  if (!links) log_warn("housekeeping.failed", {{"rows", "links"}});
  std::string after;
  do {
    auto page = co_await store_.scan(deployment, Kind::organization, after, kStep);
    if (!page) break;
    for (const auto& row : page->rows) {
      const auto id = OrgId::parse(row.key.name);
      if (!id || closing_.is_set()) continue;
      const auto org = scopes_.organization(*id);
      gone += co_await one(org);
      auto counted = co_await quotas_.recount(org);
      if (!counted) log_warn("housekeeping.uncounted", {{"organization", id->text()}});
      co_await rest();
    }
    after = page->next;
  } while (!after.empty() && !closing_.is_set());
  co_return gone;
}

awaitable<size_t> Housekeeping::one(storage::OrgScope owner) {
  size_t gone = 0;
  auto answers = co_await idempotency_.sweep(owner);
  if (answers) gone += *answers;
  co_await rest();
  auto tokens = co_await auth_.sweep(owner, kTokensKept, kStep);
  if (tokens) gone += *tokens;
  co_await rest();
  auto invitations = co_await people_.sweep_invitations(owner, kStep);
  if (invitations) gone += *invitations;
  if (!answers || !tokens || !invitations)
    log_warn("housekeeping.failed", {{"organization", owner.org().text()}});
  co_return gone;
}

awaitable<size_t> Housekeeping::browser_sessions() {
  size_t gone = 0;
  std::string after;
  do {
    auto page = co_await store_.scan(scopes_.deployment(), Kind::browser_session, after, kStep);
    if (!page) break;
    storage::Commit commit{storage::Scope(scopes_.deployment())};
    const auto now = clock_.now_ms();
    for (auto& row : page->rows) {
      const auto stored = parse_stored(row.value);
      const bool live = stored && now < number_at(*stored, "created_at") + kBrowserLifeMs &&
                        now < number_at(*stored, "seen_at") + kBrowserIdleMs;
      if (!live) commit.erase.push_back(std::move(row.key));
    }
    after = page->next;
    if (!commit.erase.empty()) {
      const size_t some = commit.erase.size();
      auto written = co_await store_.commit(std::move(commit));
      if (!written) break;
      gone += some;
    }
    co_await rest();
  } while (!after.empty());
  co_return gone;
}

}  // namespace wab::bridge
