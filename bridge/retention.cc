#include "bridge/retention.h"

#include "storage/base/log.h"
#include "storage/base/metrics.h"
#include "storage/base/shards.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;
using storage::Kind;

constexpr auto kEvery = 1h;
constexpr size_t kStep = 500, kPage = 200;

Counter& trimmed_counter() {
  static Counter counter =
      make_counter("waslo_events_expired_total", "Events that the retention took out of a log.");
  return counter;
}

}  // namespace

Retention::Retention(storage::RocksStore& store, const storage::ScopeIssuer& scopes, Clock& clock,
                     const Config& config)
    : store_(store), scopes_(scopes), clock_(clock), config_(config) {
  trimmed_counter();
}

void Retention::start(any_io_executor home) { spawn(home, gate_, run(), "retention"); }

awaitable<void> Retention::close() {
  closing_.set();
  co_await gate_.close();
}

awaitable<void> Retention::run() {
  while (!closing_.is_set()) {
    const size_t gone = co_await round();
    if (gone > 0) log_info("retention.done", {{"events", gone}});
    const bool closed = co_await closing_.wait_until(clock_.steady() + kEvery);
    if (closed) co_return;
  }
}

awaitable<size_t> Retention::trim(storage::OrgScope org) {
  storage::LogRetention keep;
  keep.age = config_.retention.events;
  keep.bytes = static_cast<uint64_t>(config_.retention.event_bytes);
  size_t gone = 0;
  bool more = true;
  while (more && !closing_.is_set()) {
    auto step = co_await store_.trim_events(org, keep, kStep);
    if (!step) {
      log_warn("retention.failed", {{"organization", org.org().text()}, {"error", step.error()}});
      co_return gone;
    }
    gone += step->events;
    more = step->more;
    co_await yield_shard();
  }
  co_return gone;
}

awaitable<size_t> Retention::round() {
  const SteadyTime now = clock_.steady();
  const auto passed = noted_ == SteadyTime{}
                          ? 0ms
                          : std::chrono::duration_cast<std::chrono::milliseconds>(now - noted_);
  noted_ = now;
  auto noted = co_await store_.note_age(clock_.now_ms(), passed, config_.retention.messages);
  if (!noted) log_warn("retention.failed", {{"error", noted.error()}});
  const auto deployment = scopes_.deployment();
  size_t gone = 0;
  std::string after;
  do {
    auto page = co_await store_.scan(deployment, Kind::organization, after, kPage);
    if (!page) break;
    for (const auto& row : page->rows) {
      const auto id = OrgId::parse(row.key.name);
      if (!id || closing_.is_set()) continue;
      const size_t some = co_await trim(scopes_.organization(*id));
      gone += some;
    }
    after = page->next;
  } while (!after.empty() && !closing_.is_set());
  trimmed_counter().add(static_cast<double>(gone));
  co_return gone;
}

}  // namespace wab::bridge
