// What a session asks of the outside, on a store in memory: for tests of the session room.
//
// One shard. Loads and commits pass a valve each, so that a test decides what overtakes what: a
// load has read its values before it waits at its valve, a commit has not written anything yet.
#pragma once

#include "session/context.h"
#include "storage/base/async.h"
#include "tests/support/fake_store.h"
#include "tests/support/manual_clock.h"

namespace wab::test {

class Valve {
 public:
  void shut() { open_ = false; }
  void open() {
    open_ = true;
    moved_.notify_all();
  }
  size_t waiting() const { return waiting_; }
  awaitable<void> pass();

 private:
  bool open_ = true;
  size_t waiting_ = 0;
  Event moved_;
};

class FakeSessionContext final : public session::SessionContext {
 public:
  explicit FakeSessionContext(any_io_executor executor);

  const storage::Scope& scope() const override { return scope_; }
  const session::Settings& settings() const override { return options; }
  Clock& clock() override { return time; }
  Random& random() override { return dice; }
  any_io_executor executor() override { return executor_; }
  awaitable<Result<std::vector<std::optional<Bytes>>>> load(
      std::vector<storage::Key> keys) override;
  awaitable<Result<storage::Store::Page>> scan(storage::Kind kind, std::string after,
                                               size_t limit) override;
  awaitable<Result<std::vector<bool>>> marked(std::vector<std::string> names) override;
  awaitable<Result<void>> commit(storage::Commit commit) override;
  bool outbox_full() const override { return full; }
  ByteArray<32> keyed_hash(std::string_view purpose, ByteView data) override;
  awaitable<Result<std::unique_ptr<wire::WebSocket>>> dial() override;  // always refused
  awaitable<void> compute(std::function<void()> work) override;
  void changed() override { ++changes; }

  // What is durable, without the session's own view over it.
  std::optional<Bytes> stored(storage::Kind kind, const std::string& name);

  FakeStore store;
  ManualClock time;
  SeededRandom dice;
  session::Settings options;
  Valve loads, commits;
  std::vector<storage::Commit> written;  // in order, as they became durable
  std::optional<Error> commit_failure;
  bool full = false;
  size_t changes = 0;

 private:
  any_io_executor executor_;
  storage::ScopeIssuer issuer_ = any_issuer();
  storage::Scope scope_;
};

}  // namespace wab::test
