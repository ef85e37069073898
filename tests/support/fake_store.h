// storage::Store in memory, faithful to its contract: all-or-nothing commits, positions per
// organization, pages, marks with expiry, deliveries in order.
//
// Any thread. Nothing is sealed and nothing waits: a call answers before it suspends.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <tuple>

#include "storage/base/async.h"
#include "storage/store.h"

namespace wab::test {

class FakeStore : public storage::Store {
 public:
  explicit FakeStore(std::string deployment = "test") : deployment_(std::move(deployment)) {}

  awaitable<Result<std::vector<std::optional<Bytes>>>> load(
      storage::Scope scope, std::vector<storage::Key> keys) override;
  awaitable<Result<Page>> scan(storage::Scope scope, storage::Kind kind, std::string after,
                               size_t limit) override;
  awaitable<Result<std::vector<bool>>> marked(storage::Scope scope, std::vector<std::string> names,
                                              UnixSeconds now) override;
  awaitable<Result<storage::Committed>> commit(storage::Commit commit) override;
  awaitable<Result<std::vector<storage::EventRow>>> events_after(storage::OrgScope org,
                                                                 uint64_t position,
                                                                 size_t limit) override;
  awaitable<Result<std::optional<storage::EventRow>>> event(storage::Scope session,
                                                            uint64_t seq) override;
  awaitable<Result<std::vector<storage::DeliveryRow>>> deliveries(
      storage::OrgScope org, EndpointId endpoint, std::optional<storage::DeliveryKey> after,
      size_t limit) override;
  awaitable<Result<std::map<EndpointId, uint64_t>>> owed(storage::OrgScope org) override;
  awaitable<Result<void>> forget_deliveries(storage::OrgScope org, EndpointId endpoint) override;
  awaitable<Result<void>> erase_all(storage::Scope scope) override;
  ByteArray<32> keyed_hash(storage::OrgScope org, std::string_view purpose, ByteView data) override;
  awaitable<Result<uint64_t>> stored_bytes(storage::OrgScope org) override;
  awaitable<Result<storage::LogBounds>> event_log(storage::OrgScope org) override;
  // By bytes alone; nothing here knows ages.
  awaitable<Result<storage::Trimmed>> trim_events(storage::OrgScope org, storage::LogRetention keep,
                                                  size_t step) override;
  storage::ScopeIssuer issuer() const { return storage::ScopeIssuer(opener()); }

  // As a restore leaves it: positions in (from, to] were never kept.
  void hole(OrgId org, storage::LogGap gap) {
    std::lock_guard lock(mutex_);
    holes_[org].push_back(gap);
  }

  // What a test looks at.
  size_t loads() const { return loads_; }
  size_t commits() const { return commits_; }
  size_t rows() const;
  // Calls by what they touch: "load 17", "scan 17", "put 17", "erase 17", "events", ...
  std::map<std::string, size_t> operations() const;
  // Every stored value in one text, for "this must not be stored".
  std::string everything() const;
  // Answered instead of doing anything, by load and commit, until it is taken away.
  std::optional<Error> failure;
  // Called with each commit before it becomes true.
  std::function<void(const storage::Commit&)> on_commit;

 private:
  using RowKey = std::tuple<OrgId, SessionId, storage::Kind, std::string>;
  using MarkKey = std::tuple<OrgId, SessionId, std::string>;
  using DeliveryKeyFull = std::tuple<OrgId, EndpointId, SessionId, uint64_t>;

  mutable std::mutex mutex_;
  std::string deployment_;
  std::map<RowKey, Bytes> rows_;
  std::map<MarkKey, UnixSeconds> marks_;
  std::map<OrgId, std::vector<storage::EventRow>> events_;
  std::map<OrgId, uint64_t> positions_;
  std::map<OrgId, std::vector<storage::LogGap>> holes_;
  std::map<OrgId, uint64_t> trimmed_;  // positions up to here are gone
  std::map<DeliveryKeyFull, storage::DeliveryRow> deliveries_;
  size_t loads_ = 0, commits_ = 0;
  std::map<std::string, size_t> operations_;
  void count(const char* verb, std::optional<storage::Kind> kind = std::nullopt);
};

// For tests that need scopes and no store.
inline storage::ScopeIssuer any_issuer() { return FakeStore("scopes").issuer(); }

}  // namespace wab::test
