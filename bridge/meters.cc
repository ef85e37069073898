#include "bridge/meters.h"

#include <boost/asio/this_coro.hpp>

#include "bridge/version.h"
#include "session/probe.h"
#include "webhook/probe.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 1s;
constexpr size_t kMostStates = 200;  // pairs of state and reason; both are words of ours

struct Probe {
  Gauge owed = make_gauge("waslo_outbox_depth", "Deliveries that are owed to endpoints.");
  Gauge owed_age = make_gauge("waslo_outbox_oldest_seconds",
                              "Age of the oldest event that an endpoint has not taken.");
  Gauge owed_at = make_gauge("waslo_outbox_oldest_timestamp_seconds",
                             "When that event happened, seconds since 1970; 0 without any.");
  Gauge file_bytes = make_gauge("waslo_storage_bytes", "Files of the store, logs included.");
  Gauge free_bytes =
      make_gauge("waslo_storage_free_bytes", "Free bytes of the file system of the store.");
  Gauge queue = make_gauge("waslo_storage_queue", "Commits that wait for the next synced write.");
  Gauge quarantined = make_gauge("waslo_storage_quarantined",
                                 "Sessions refused now because a record did not open.");
  Gauge lag = make_gauge("waslo_loop_lag_seconds",
                         "The longest that an event loop took for its last answer.");
  Gauge build = make_gauge("waslo_build_info", "1; the version is the label.",
                           {{"version", kVersion}, {"compiler", __VERSION__}});
  Gauge rate = make_gauge("waslo_dial_rate", "Connections that may begin per second, in all.");
};
Probe& probe() {
  static Probe instance;
  return instance;
}

}  // namespace

Meters::Meters(Sessions& sessions, storage::RocksStore& store, Liveness& liveness, Clock& clock,
               double connects_per_second)
    : sessions_(sessions), store_(store), liveness_(liveness), clock_(clock) {
  probe().build.set(1);
  probe().rate.set(connects_per_second);
  webhook::prepare_probes();
  (void)session::probe();
  // The usual states are there from the start, at zero.
  for (const char* word : {"STOPPED", "STARTING", "SCAN_QR_CODE", "PASSKEY_REQUIRED",
                           "PASSKEY_CONFIRMATION_REQUIRED", "WORKING", "DEGRADED", "FAILED"}) {
    by_state_.emplace(std::make_pair(std::string(word), std::string()),
                      make_gauge("waslo_sessions", "Sessions by status and reason.",
                                 {{"status", word}, {"reason", ""}}));
  }
}

void Meters::show(const std::map<std::pair<std::string, std::string>, size_t>& sessions) {
  for (auto& [state, gauge] : by_state_) {
    const auto found = sessions.find(state);
    gauge.set(found == sessions.end() ? 0 : static_cast<double>(found->second));
  }
  for (const auto& [state, number] : sessions) {
    if (by_state_.contains(state) || by_state_.size() >= kMostStates) continue;
    Gauge gauge = make_gauge("waslo_sessions", "Sessions by status and reason.",
                             {{"status", state.first.c_str()}, {"reason", state.second.c_str()}});
    gauge.set(static_cast<double>(number));
    by_state_.emplace(state, gauge);
  }
}

awaitable<void> Meters::read_sessions() {
  const auto counted = co_await sessions_.count();
  show(counted);
  reading_sessions_ = false;
  done_.notify_all();
}

awaitable<void> Meters::read_store() {
  const auto survey = co_await store_.survey();
  if (survey) {
    auto& to = probe();
    const UnixMillis oldest = survey->oldest_owed;
    const auto age = std::max<UnixMillis>(0, clock_.now_ms() - oldest);
    to.owed.set(static_cast<double>(survey->owed));
    to.owed_age.set(oldest == 0 ? 0 : static_cast<double>(age) / 1000.0);
    to.owed_at.set(static_cast<double>(oldest) / 1000.0);
    to.file_bytes.set(static_cast<double>(survey->file_bytes));
    to.free_bytes.set(static_cast<double>(survey->free_bytes));
  }
  reading_store_ = false;
  done_.notify_all();
}

awaitable<void> Meters::read() {
  auto here = co_await boost::asio::this_coro::executor;
  if (!reading_sessions_) {
    reading_sessions_ = true;
    if (!spawn(here, gate_, read_sessions(), "metrics.sessions")) reading_sessions_ = false;
  }
  if (!reading_store_) {
    reading_store_ = true;
    if (!spawn(here, gate_, read_store(), "metrics.store")) reading_store_ = false;
  }
  const auto stats = store_.stats();
  probe().queue.set(static_cast<double>(stats.queued));
  probe().quarantined.set(static_cast<double>(stats.quarantined));
  const auto lag = liveness_.lag(clock_.steady());
  probe().lag.set(std::chrono::duration<double>(lag).count());
  const SteadyTime until = std::chrono::steady_clock::now() + kPatience;
  bool in_time = true;
  while (in_time && (reading_sessions_ || reading_store_)) {
    in_time = co_await done_.wait_until(until);
  }
}

}  // namespace wab::bridge
