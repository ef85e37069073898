// What a session asks of the outside world, answered with the store, the dialer and the deliveries
// (session/context.h says what each call promises).
//
// One per session, owned by the session manager beside it, same shard.
#pragma once

#include "bridge/backlog.h"
#include "bridge/deliveries.h"
#include "bridge/event_feed.h"
#include "session/context.h"
#include "session/wire/dial.h"
#include "session/wire/url.h"
#include "storage/rocks_store.h"

namespace wab::bridge {

// How fast one shard's sessions may connect; a restart of thousands is spread by it.
class DialBudget {
 public:
  DialBudget(double per_second, size_t at_once);
  // Waits for a slot. Hold the pass while the handshake runs.
  class Pass {
   public:
    explicit Pass(DialBudget* budget) : budget_(budget) {}
    Pass(Pass&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (budget_ != nullptr) budget_->release();
    }

   private:
    DialBudget* budget_;
  };
  awaitable<Pass> take();

 private:
  void release();
  std::chrono::steady_clock::duration gap_;
  size_t at_once_;
  size_t running_ = 0;
  SteadyTime next_{};
  Event freed_;
};

// Shared by all contexts of the process.
struct SessionWorld {
  storage::Store& store;
  Deliveries& deliveries;
  Backlog& backlog;
  EventFeed& feed;
  wire::Dialer& whatsapp;
  BlockingPool& compute;
  Clock& clock;
  Random& random;
  session::Settings settings;
  wire::Url url;
  std::string proxy;                  // the operator's, may be anywhere
  wire::AddressJudge tenant_proxies;  // where a proxy may be that a session brings
  // The store was put back from a backup: see restored_state.h.
  std::optional<storage::Restored> restored = {};
};

class SessionContextImpl final : public session::SessionContext {
 public:
  SessionContextImpl(SessionWorld& world, storage::Scope scope, any_io_executor executor,
                     DialBudget& budget, std::string proxy, std::function<void()> changed);

  const storage::Scope& scope() const override { return scope_; }
  const session::Settings& settings() const override { return settings_; }
  Clock& clock() override { return world_.clock; }
  Random& random() override { return world_.random; }
  any_io_executor executor() override { return executor_; }
  awaitable<Result<std::vector<std::optional<Bytes>>>> load(
      std::vector<storage::Key> keys) override;
  awaitable<Result<storage::Store::Page>> scan(storage::Kind kind, std::string after,
                                               size_t limit) override;
  awaitable<Result<std::vector<bool>>> marked(std::vector<std::string> names) override;
  awaitable<Result<void>> commit(storage::Commit commit) override;
  bool outbox_full() const override { return backlog_->full(); }
  ByteArray<32> keyed_hash(std::string_view purpose, ByteView data) override;
  awaitable<Result<std::unique_ptr<wire::WebSocket>>> dial() override;
  awaitable<void> compute(std::function<void()> work) override;
  void changed() override { changed_(); }

  void set_proxy(std::string proxy) { proxy_ = std::move(proxy); }

 private:
  awaitable<Result<std::unique_ptr<wire::WebSocket>>> connect();

  SessionWorld& world_;
  storage::Scope scope_;
  std::shared_ptr<Backlog::Account> backlog_;
  any_io_executor executor_;
  DialBudget& budget_;
  std::string proxy_;
  std::function<void()> changed_;
  const session::Settings& settings_;
};

}  // namespace wab::bridge
