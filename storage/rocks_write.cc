// The writing half of RocksStore: what a Commit puts into the group's batch.
#include <rocksdb/write_batch.h>

#include <boost/asio/this_coro.hpp>

#include "storage/base/log.h"
#include "storage/base/metrics.h"
#include "storage/kill_point.h"
#include "storage/rocks_impl.h"
#include "storage/seal.h"
#include "storage/split_batch.h"

namespace wab::storage {
namespace {

constexpr size_t kEraseChunk = 8192;

}  // namespace

// Sealed on the caller's shard when the organization's keys are in memory, else on the committer's
// thread, so that the order of a scope's commits never depends on where keys are.
class CommitTask final : public CommitWork {
 public:
  CommitTask(RocksStore::Impl& store, Commit commit, OneShot<Result<Committed>> done)
      : store_(store), owner_(commit.owner), commit_(std::move(commit)), done_(std::move(done)) {
    for (const Row& row : commit_.put) size_ += 256 + row.value.size();
    for (const Row& row : commit_.put_org) size_ += 256 + row.value.size();
    for (const EventRow& event : commit_.events) size_ += 256 + event.body.size();
    for (const DeliveryRow& delivery : commit_.deliveries) size_ += 256 + delivery.state.size();
    size_ += 64 * (commit_.erase.size() + commit_.marks.size() + commit_.delivered.size());
  }

  size_t size() const override { return size_; }

  Result<void> seal(RocksStore::Impl::Keys keys) {
    keys_ = std::move(keys);
    const Scope org_rows(owner_.org_scope());
    TRY_VOID(put_rows(owner_, commit_.put));
    TRY_VOID(put_rows(org_rows, commit_.put_org));
    for (const Key& key : commit_.erase) erase(Column::rows, row_key(*keys_, owner_, key));
    for (const Mark& mark : commit_.marks) {
      Bytes key = mark_key(*keys_, owner_, mark.name);
      Bytes value = encode_mark(*keys_, key, mark.expires);
      put(Column::marks, std::move(key), std::move(value));
    }
    for (const DeliveryRow& row : commit_.deliveries) {
      Bytes key = delivery_key(owner_.org(), DeliveryKey{row.endpoint, row.session, row.seq});
      TRY_VOID(put_sealed(Column::deliveries, row.session, std::move(key), encode_delivery(row)));
    }
    for (const DeliveryKey& key : commit_.delivered) {
      erase(Column::deliveries, delivery_key(owner_.org(), key));
    }
    for (const EventRow& event : commit_.events) {
      Bytes key = event_key(owner_.org(), event.session, event.seq);
      TRY(Bytes value, store_.seal_value(*keys_, Column::events, owner_.org(), event.session, key,
                                         encode_event(event)));
      events_.push_back({std::move(key), std::move(value), event.session, event.seq});
    }
    commit_ = Commit(owner_);  // the clear text is not needed any more
    return ok();
  }

  Result<void> add_to(rocksdb::WriteBatch& batch) override {
    // An earlier commit of this session may have failed to get here; then none may follow.
    TRY_VOID(store_.admit(owner_));
    auto prepared = prepare();
    if (!prepared) {
      if (!owner_.session().is_nil()) {
        store_.distrust(owner_.org(), owner_.session(), Column::keys, prepared.error().where());
        return fail(StoreError::quarantined, prepared.error().where());
      }
      return fail(prepared.error());
    }
    // All that can fail comes before anything is kept.
    RocksStore::Impl::ProofChange proof;
    const RocksStore::Impl::SessionKey session{owner_.org(), owner_.session()};
    if (!owner_.session().is_nil()) {
      auto proven = prove(session);
      if (!proven) {
        store_.distrust(session.first, session.second, Column::rows, proven.error().where());
        return fail(StoreError::quarantined, proven.error().where());
      }
      proof = std::move(*proven);
    }
    for (const Op& op : ops_) {
      auto* const column = store_.db->column(op.column);
      const auto status = op.does == Does::erase
                              ? batch.Delete(column, slice(op.key))
                              : batch.Put(column, slice(op.key), slice(op.value));
      if (!status.ok()) return fail(StoreError::io, "batch");
    }
    TRY_VOID(add_events(batch));
    store_.keep_proof(keys_, session, std::move(proof));
    return ok();
  }

  void finish(Result<void> outcome) override {
    if (!outcome) {
      done_.set(fail(outcome.error()));
    } else {
      done_.set(Committed{first_position_});
    }
  }

 private:
  enum class Does { put, put_sealed, erase };
  struct Op {
    Column column;
    Does does;
    Bytes key, value;
    SessionId session = {};  // of a sealed value
  };
  struct SealedEvent {
    Bytes key, value;
    SessionId session;
    uint64_t seq;
  };

  Result<void> prepare() {
    if (!keys_) {
      TRY(auto keys, store_.make_keys(owner_.org()));
      TRY_VOID(seal(std::move(keys)));
    }
    TRY_VOID(renew());
    if (!events_.empty()) {
      TRY(log_, store_.log_of(owner_.org()));
    }
    return ok();
  }

  Result<RocksStore::Impl::ProofChange> prove(const RocksStore::Impl::SessionKey& session) {
    std::vector<RocksStore::Impl::RowChange> rows;
    for (const Op& op : ops_) {
      if (op.column != Column::rows || !SessionProof::covers(op.key)) continue;
      RocksStore::Impl::RowChange row{op.key, {}};
      if (op.does != Does::erase) {
        TRY(const EnvelopeHeader header, peek(op.value));
        row.version = header.record_version;
      }
      rows.push_back(row);
    }
    if (rows.empty()) return RocksStore::Impl::ProofChange();
    return store_.change_proof(*keys_, session, rows);
  }

  // Sealed before a rotation of the data key began that stands before it in the queue: nothing may
  // be written under the old key any more, or the walk could miss it.
  Result<void> renew() {
    const auto newer = store_.rotated.find(owner_.org());
    if (newer == store_.rotated.end() || newer->second->write_version() <= keys_->write_version()) {
      return ok();
    }
    const auto again = [&](Column column, const SessionId& session, ByteView key,
                           Bytes& value) -> Result<void> {
      TRY(value,
          store_.reseal_value(*keys_, *newer->second, column, owner_.org(), session, key, value));
      return ok();
    };
    for (Op& op : ops_) {
      if (op.does == Does::put_sealed) TRY_VOID(again(op.column, op.session, op.key, op.value));
    }
    for (SealedEvent& event : events_) {
      TRY_VOID(again(Column::events, event.session, event.key, event.value));
    }
    keys_ = newer->second;
    return ok();
  }

  Result<void> add_events(rocksdb::WriteBatch& batch) {
    if (events_.empty()) return ok();
    first_position_ = log_->last + 1;
    auto* const events = store_.db->column(Column::events);
    auto* const positions = store_.db->column(Column::positions);
    for (const SealedEvent& event : events_) {
      const uint64_t position = ++log_->last;
      log_->bytes += kPositionHeader + event.value.size();
      const Bytes header = encode_position(*keys_, event.key, position);
      const Bytes place = encode_place(event.session, event.seq);
      const Bytes index = position_key(owner_.org(), position);
      const rocksdb::Slice key = slice(event.key);
      const rocksdb::Slice value[] = {slice(header), slice(event.value)};
      batch.Put(events, rocksdb::SliceParts(&key, 1), rocksdb::SliceParts(value, 2));
      batch.Put(positions, slice(index), slice(place));
    }
    store_.put_log(batch, owner_.org(), *log_);
    return ok();
  }

  void put(Column column, Bytes key, Bytes value) {
    ops_.push_back({column, Does::put, std::move(key), std::move(value)});
  }
  void erase(Column column, Bytes key) {
    ops_.push_back({column, Does::erase, std::move(key), {}});
  }
  Result<void> put_sealed(Column column, const SessionId& session, Bytes key, ByteView plaintext) {
    TRY(Bytes value, store_.seal_value(*keys_, column, owner_.org(), session, key, plaintext));
    ops_.push_back({column, Does::put_sealed, std::move(key), std::move(value), session});
    return ok();
  }
  Result<void> put_rows(const Scope& scope, const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      TRY_VOID(put_sealed(Column::rows, scope.session(), row_key(*keys_, scope, row.key),
                          encode_row(row)));
    }
    return ok();
  }

  RocksStore::Impl& store_;
  Scope owner_;
  Commit commit_;
  OneShot<Result<Committed>> done_;
  RocksStore::Impl::Keys keys_;
  std::vector<Op> ops_;
  std::vector<SealedEvent> events_;
  LogBounds* log_ = nullptr;
  uint64_t first_position_ = 0;
  size_t size_ = 64;
};

// Deletions, in order with the commits around them.
class EraseTask final : public CommitWork {
 public:
  EraseTask(RocksStore::Impl& store, OneShot<Result<void>> done)
      : store_(store), done_(std::move(done)) {}

  void key(Column column, Bytes key) { keys_.emplace_back(column, std::move(key)); }
  void prefix(Column column, Bytes prefix) { prefixes_.emplace_back(column, std::move(prefix)); }
  void whole_session(const OrgId& org, const SessionId& session) {
    for (const Column column : {Column::rows, Column::events, Column::marks}) {
      prefix(column, session_prefix(org, session));
    }
    session_.emplace(org, session);
  }
  // The bytes of erased events, which their log does not hold any more.
  void shrinks(const OrgId& org, uint64_t bytes) {
    shrinking_ = org;
    bytes_ = bytes;
  }
  void whole_organization(const OrgId& org) {
    for (const Column column : {Column::rows, Column::events, Column::deliveries, Column::marks,
                                Column::positions, Column::keys}) {
      prefix(column, org_prefix(org));
    }
    org_ = org;
  }

  size_t size() const override { return 64 + keys_.size() * 64; }
  bool alone() const override { return true; }
  Result<void> add_to(rocksdb::WriteBatch& batch) override {
    for (const auto& [column, key] : keys_) batch.Delete(store_.db->column(column), slice(key));
    for (const auto& [column, prefix] : prefixes_) {
      const Bytes bound = upper_bound(prefix);
      batch.DeleteRange(store_.db->column(column), slice(prefix), slice(bound));
    }
    if (bytes_ != 0) {
      TRY(LogBounds* const log, store_.log_of(shrinking_));
      log->bytes -= std::min(log->bytes, bytes_);
      store_.put_log(batch, shrinking_, *log);
    }
    if (session_) store_.proofs.erase(*session_);
    if (!org_.is_nil()) {
      store_.proofs.erase_if([this](const auto& key, const auto&) { return key.first == org_; });
      store_.logs.erase(org_);
      store_.rotated.erase(org_);
      std::erase_if(store_.new_key_rows, [this](const auto& row) {
        return std::equal(org_.bytes().begin(), org_.bytes().end(), row.first.begin());
      });
      store_.cache.forget(org_);
    }
    return ok();
  }
  void finish(Result<void> outcome) override { done_.set(std::move(outcome)); }

 private:
  RocksStore::Impl& store_;
  OneShot<Result<void>> done_;
  RocksStore::Impl::Keyed keys_, prefixes_;
  OrgId org_, shrinking_;
  uint64_t bytes_ = 0;
  std::optional<RocksStore::Impl::SessionKey> session_;
};

bool RocksStore::Impl::write(rocksdb::WriteBatch& batch, std::string& reason) {
  static Histogram sync_time = make_histogram("waslo_storage_sync_seconds",
                                              "One synced write of a group.", latency_bounds());
  static Counter groups = make_counter("waslo_storage_groups_total", "Synced writes.");
  for (const auto& [key, value] : new_key_rows) {
    batch.Put(db->column(Column::keys), slice(key), slice(value));
  }
  if (!put_proofs(batch)) {
    reason = "a proof could not be sealed";
    return false;
  }
  const SteadyTime begin = system_clock().steady();
  if (options.unsafe_marks_first_for_tests) {
    rocksdb::ColumnFamilyHandle* const marks = db->column(Column::marks);
    rocksdb::WriteBatch first;
    for (const auto& [key, value] : puts_of_column(batch, marks->GetID())) {
      first.Put(marks, key, value);
    }
    if (first.Count() > 0) db->write(first, true).PermitUncheckedError();
  }
  const rocksdb::Status status = db->write(batch, !options.unsafe_no_sync_for_tests);
  if (!status.ok()) {
    reason = status.ToString();
    return false;
  }
  new_key_rows.clear();
  proofs_written();
  sync_time.observe(std::chrono::duration<double>(system_clock().steady() - begin).count());
  groups.add();
  return true;
}

Result<LogBounds*> RocksStore::Impl::log_of(const OrgId& org) {
  const auto known = logs.find(org);
  if (known != logs.end()) return &known->second;
  TRY(LogBounds log, read_log(org));
  const Bytes from = position_key(org, 1), below = upper_bound(org_prefix(org));
  TRY(const auto key, db->last_key(Column::positions, from, below));
  if (key && key->size() == 24)
    log.last = std::max(log.last, read_be64(ByteView(*key).subspan(16)));
  return &logs.emplace(org, std::move(log)).first->second;
}

void RocksStore::Impl::put_log(rocksdb::WriteBatch& batch, const OrgId& org,
                               const LogBounds& log) const {
  const Bytes key = position_key(org, 0), value = encode_log(log);
  batch.Put(db->column(Column::positions), slice(key), slice(value));
}

awaitable<Result<Committed>> RocksStore::commit(Commit commit) {
  const auto here = co_await boost::asio::this_coro::executor;
  const Scope owner = commit.owner;
  CO_TRY_VOID(impl_->admit(owner));
  OneShot<Result<Committed>> done(here);
  auto task = std::make_unique<CommitTask>(*impl_, std::move(commit), done);
  if (auto keys = impl_->cache.find(owner.org())) {
    const auto sealed = task->seal(std::move(keys));
    if (!sealed) {
      log_error("store.commit_refused", {{"organization_id", owner.org().text()},
                                         {"session_id", owner.session().text()},
                                         {"error", sealed.error()}});
      co_return fail(StoreError::io, "row too long");
    }
  }
  impl_->committer->submit(std::move(task));
  co_return co_await done.wait();
}

awaitable<Result<void>> RocksStore::forget_deliveries(OrgScope org, EndpointId endpoint) {
  const auto here = co_await boost::asio::this_coro::executor;
  OneShot<Result<void>> done(here);
  auto task = std::make_unique<EraseTask>(*impl_, done);
  task->prefix(Column::deliveries, endpoint_prefix(org.org(), endpoint));
  impl_->committer->submit(std::move(task));
  co_return co_await done.wait();
}

awaitable<Result<void>> RocksStore::erase_all(Scope scope) {
  const auto here = co_await boost::asio::this_coro::executor;
  Impl* const store = impl_.get();
  const OrgId org = scope.org();
  const SessionId session = scope.session();
  if (session.is_nil()) {
    if (org.is_nil()) co_return fail(StoreError::not_found, "the deployment is never erased");
    {
      const std::lock_guard guard(store->trust_mutex);
      store->erased.insert(org);
      store->any_refused.store(true, std::memory_order_release);
    }
    // First the half key: from here on nothing of this organization opens, wherever a copy is.
    auto shred = [store, org]() -> Result<void> {
      store->cache.forget(org);
      kill_point("before the half key is destroyed");
      auto destroyed = store->keyring->destroy_half_key(org);
      kill_point("half key is destroyed");
      return destroyed;
    };
    CO_TRY_VOID(co_await store->disk->run(std::move(shred)));
    OneShot<Result<void>> done(here);
    auto task = std::make_unique<EraseTask>(*store, done);
    task->whole_organization(org);
    store->committer->submit(std::move(task));
    auto erased = co_await done.wait();
    kill_point("rows of the organization are erased");
    co_return erased;
  }
  for (bool more = true; more;) {
    auto collect = [store, org, session]() {
      return store->scattered_keys(org, session, kEraseChunk);
    };
    CO_TRY(auto found, co_await store->disk->run(std::move(collect)));
    more = found.keys.size() >= kEraseChunk;
    OneShot<Result<void>> done(here);
    auto task = std::make_unique<EraseTask>(*store, done);
    for (auto& [column, key] : found.keys) task->key(column, std::move(key));
    task->shrinks(org, found.event_bytes);
    if (!more) task->whole_session(org, session);
    store->committer->submit(std::move(task));
    CO_TRY_VOID(co_await done.wait());
  }
  store->release(org, session);
  co_return ok();
}

}  // namespace wab::storage
