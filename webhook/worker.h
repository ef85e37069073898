// Everything a dispatcher holds about one endpoint. Of the dispatcher's shard; only its own files
// include this.
#pragma once

#include "webhook/backlog.h"
#include "webhook/breaker.h"
#include "webhook/dispatcher.h"
#include "webhook/health.h"
#include "webhook/log_head.h"
#include "webhook/pace.h"

namespace wab::webhook {

struct Worker {
  static constexpr int64_t kSlow = 1000;  // milliseconds of an attempt

  Worker(storage::OrgScope scope, Endpoint what, const DispatcherOptions& options)
      : org(scope),
        endpoint(std::move(what)),
        backlog(endpoint.ordering, options.in_memory, options.per_lane) {
    pace.set_rate(endpoint.rate_limit);
  }

  storage::OrgScope org;
  Endpoint endpoint;
  Backlog backlog;
  Breaker breaker;
  Pace pace;
  Health health;
  LogHead attempts, dead;
  size_t window = 1;    // grows to the option's while the endpoint answers
  bool suspect = true;  // failed, slow, or not yet known (slots.h)
  bool loaded = false;  // health and logs are read
  bool removed = false;
  bool queued = false;  // in the dispatcher's row of turns
  bool replaying = false;
  size_t replays_waiting = 0;
  bool sweeping = false;
  UnixMillis swept_at = 0;
  Event wake;      // of its coroutine
  Event progress;  // an attempt has ended, or the state was loaded

  // When an attempt may start, in both clocks; nothing while only an event can change that.
  std::optional<int64_t> ready_in(UnixMillis now, int64_t mono) const {
    if (!endpoint.enabled || !loaded || removed) return std::nullopt;
    if (backlog.lanes().in_flight() >= window) return std::nullopt;
    const auto due = backlog.lanes().next_due();
    const auto allowed = breaker.ready_at(mono);
    if (!due || !allowed) return std::nullopt;
    const int64_t at = std::max(*allowed, pace.ready_at(mono));
    return std::max<int64_t>({0, *due - now, at - mono});
  }
};

}  // namespace wab::webhook
