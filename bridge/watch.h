// What operations sees of the service: /healthz, /readyz and /metrics, on a loop and thread of
// their own, so that they answer about loops that do not.
//
// Owned by the service; open() and start() from any thread, close() on a shard of the service
// before the store and the sessions go.
#pragma once

#include "bridge/liveness.h"
#include "bridge/meters.h"
#include "bridge/ops.h"
#include "bridge/readiness.h"

namespace wab::bridge {

class Watch {
 public:
  // `not_ready` is called on the watching loop.
  Watch(Shards& watched, const Config& config, storage::RocksStore& store,
        storage::Scope deployment, Sessions& sessions, Clock& clock, Random& random,
        std::function<std::string()> not_ready);
  ~Watch();
  tl::expected<void, std::string> open() { return ops_.open(); }
  uint16_t port() const { return ops_.port(); }
  void start();
  awaitable<void> close();

 private:
  awaitable<void> look();
  awaitable<void> end();

  Clock& clock_;
  Shards loop_{1};
  Liveness liveness_;
  Readiness readiness_;
  Meters meters_;
  Ops ops_;
  bool stopping_ = false;
  Event stop_;
  Gate gate_;
};

}  // namespace wab::bridge
