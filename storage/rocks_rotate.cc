// Rotation of keys in a running store. README, "Rotation", tells the order of the steps and why
// each may be the last one before a power cut.
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "storage/base/log.h"
#include "storage/key_task.h"
#include "storage/kill_point.h"
#include "storage/rocks_impl.h"
#include "storage/seal.h"

namespace wab::storage {
namespace {

constexpr size_t kStepRecords = 128;       // sealed anew in one write
constexpr size_t kStepBytes = 256u << 10;  // of their values
constexpr size_t kStepScanned = 4096;      // looked at for them
constexpr size_t kFingerprint = 16 + 24;   // header and nonce: no two values share them
constexpr auto kLongestPause = std::chrono::milliseconds(50);

constexpr Column kWalked[] = {Column::rows, Column::events, Column::deliveries};

ByteView fingerprint(ByteView envelope) {
  return envelope.first(std::min(envelope.size(), kFingerprint));
}

}  // namespace

Result<void> RocksStore::Impl::commit_and_wait(std::unique_ptr<KeyTask> task) {
  const auto outcome = task->outcome();
  committer->submit(std::move(task));
  std::unique_lock lock(outcome->mutex);
  while (!outcome->value) {
    outcome->known.wait_for(lock, std::chrono::milliseconds(20));
    // After a fatal write that the process survives (tests) nobody answers any more.
    if (!outcome->value && dead) return fail(StoreError::busy, "closing");
  }
  return std::move(*outcome->value);
}

void RocksStore::Impl::post_walk(const OrgId& org) {
  worker.post([this, org] { walk(org); });
}

void RocksStore::Impl::resume_walks() {
  const auto found = db->each_key(Column::keys, [this](ByteView key) {
    if (key.size() != 17 || key[16] != 'w') return true;
    const OrgId org(*to_array<16>(key.first(16)));
    {
      const std::lock_guard guard(rotation_mutex);
      rotations[org].org = org;
    }
    post_walk(org);
    return true;
  });
  if (!found) log_error("store.rotations_unread", {{"error", found.error()}});
}

void RocksStore::Impl::walk(const OrgId& org) {
  for (;;) {
    if (worker.stopping()) return;
    const auto begin = std::chrono::steady_clock::now();
    const auto more = walk_step(org);
    if (!more) {
      if (more.error().is(StoreError::busy)) return;
      if (is_erased(org)) {
        const std::lock_guard guard(rotation_mutex);
        rotations.erase(org);
        return;
      }
      log_error("store.rotation_stopped",
                {{"organization_id", org.text()}, {"error", more.error()}});
      const std::lock_guard guard(rotation_mutex);
      rotations[org].state = DataKeyRotation::State::blocked;
      return;
    }
    if (!*more) return;
    // Never more than half of the time: commits of sessions come first.
    const auto spent = std::chrono::steady_clock::now() - begin;
    worker.pause(std::min<std::chrono::steady_clock::duration>(spent, kLongestPause));
  }
}

Result<bool> RocksStore::Impl::walk_step(const OrgId& org) {
  TRY(const auto stored, db->get(Column::keys, walk_key(org)));
  if (!stored) {
    const std::lock_guard guard(rotation_mutex);
    rotations.erase(org);
    return false;
  }
  auto walk = decode_walk(*stored);
  if (!walk) {
    // Nobody but a vandal wrote this; beginning again is always right.
    TRY(const Keys keys, read_keys(org));
    if (!keys) return false;
    walk.emplace();
    walk->target = keys->write_version();
  }
  {
    using State = DataKeyRotation::State;
    const std::lock_guard guard(rotation_mutex);
    DataKeyRotation& told = rotations[org];
    told = {org, walk->target,
            walk->phase == Walk::Phase::seal     ? State::sealing
            : walk->phase == Walk::Phase::verify ? State::verifying
                                                 : State::cleaning,
            walk->sealed, walk->unreadable};
  }
  switch (walk->phase) {
    case Walk::Phase::seal:
      return seal_step(org, std::move(*walk));
    case Walk::Phase::verify:
      return verify_step(org, std::move(*walk));
    case Walk::Phase::clean:
      return clean_step(org, *walk);
  }
  return false;
}

// Seals the next records anew, and the place in the same write.
Result<bool> RocksStore::Impl::seal_step(const OrgId& org, Walk walk) {
  struct Sealed {
    Bytes key, was, value;
  };
  std::vector<Sealed> found;
  TRY(const Keys keys, read_keys(org));
  if (!keys) return fail(StoreError::not_found, "keys of a rotation");
  const auto column = static_cast<Column>(walk.column);
  const Bytes prefix = org_prefix(org), below = upper_bound(prefix);
  Bytes from = prefix, last;
  if (!walk.after.empty()) {
    from = walk.after;
    from.push_back(0);
  }
  size_t bytes = 0, scanned = 0;
  bool full = false;
  TRY_VOID(db->each(column, from, below, [&](ByteView key, ByteView value) {
    if (found.size() >= kStepRecords || bytes >= kStepBytes || scanned >= kStepScanned) {
      full = true;
      return false;
    }
    ++scanned;
    last = to_bytes(key);
    const size_t at = envelope_at(column);
    const auto session = session_of(column, key);
    if (!session || value.size() < at) return true;
    const ByteView envelope = value.subspan(at);
    const auto header = peek(envelope);
    if (header && header->key_version >= walk.target) return true;
    auto again = header ? reseal_value(*keys, *keys, column, org, *session, key, envelope)
                        : Result<Bytes>(fail(header.error()));
    if (!again) {
      distrust(org, *session, column, again.error().where());
      ++walk.unreadable;
      return true;
    }
    bytes += value.size();
    found.push_back(
        {to_bytes(key), to_bytes(fingerprint(envelope)), concat({value.first(at), *again})});
    return true;
  }));
  walk.sealed += found.size();
  walk.after = last;
  if (!full) {
    walk.after.clear();
    if (walk.column < kSealedColumns) {
      ++walk.column;
    } else {
      walk.phase = Walk::Phase::verify;
    }
  }
  kill_point("before records are sealed anew");
  auto add = [&](rocksdb::WriteBatch& batch) -> Result<void> {
    if (is_erased(org)) return fail(StoreError::fenced, "erased organization");
    for (const Sealed& each : found) {
      TRY(const auto now, db->get(column, each.key));
      // Gone or written again meanwhile: then it is sealed under the new key already.
      const size_t at = envelope_at(column);
      const bool same = now && now->size() > at &&
                        std::ranges::equal(fingerprint(ByteView(*now).subspan(at)), each.was);
      if (same) batch.Put(db->column(column), slice(each.key), slice(each.value));
    }
    batch.Put(db->column(Column::keys), slice(walk_key(org)), slice(encode_walk(walk)));
    return ok();
  };
  TRY_VOID(commit_and_wait(std::make_unique<KeyTask>(std::move(add), bytes + 4096)));
  kill_point("records are sealed anew");
  return true;
}

// A look at every record: no old key goes while one of them names it.
Result<bool> RocksStore::Impl::verify_step(const OrgId& org, Walk walk) {
  uint64_t old = 0;
  bool closing = false;
  const Bytes prefix = org_prefix(org), below = upper_bound(prefix);
  for (const Column column : kWalked) {
    TRY_VOID(db->each(column, prefix, below, [&](ByteView, ByteView value) {
      const size_t at = envelope_at(column);
      const auto header = peek(value.subspan(std::min(at, value.size())));
      if (!header || header->key_version < walk.target) ++old;
      closing = worker.stopping();
      return !closing;
    }));
  }
  if (closing) return false;
  kill_point("records are verified");
  if (old > 0) {
    // Either they do not open, or somebody moved the place of the walk.
    const bool blocked = walk.unreadable > 0;
    Walk again;
    again.target = walk.target;
    auto add = [&](rocksdb::WriteBatch& batch) -> Result<void> {
      if (is_erased(org)) return fail(StoreError::fenced, "erased organization");
      batch.Put(db->column(Column::keys), slice(walk_key(org)), slice(encode_walk(again)));
      return ok();
    };
    TRY_VOID(commit_and_wait(std::make_unique<KeyTask>(std::move(add), 4096)));
    if (!blocked) return true;
    log_error("store.rotation_blocked", {{"organization_id", org.text()},
                                         {"unreadable", static_cast<int64_t>(old)},
                                         {"advice",
                                          "erase the quarantined sessions; the old data "
                                          "key is kept until then"}});
    const std::lock_guard guard(rotation_mutex);
    rotations[org].state = DataKeyRotation::State::blocked;
    rotations[org].unreadable = old;
    return false;
  }
  auto add = [&](rocksdb::WriteBatch& batch) -> Result<void> {
    if (is_erased(org)) return fail(StoreError::fenced, "erased organization");
    TRY(const SecretKey32 half, keyring->half_key(org));
    TRY(auto data_keys, read_data_keys(org, half));
    for (const auto& each : data_keys) {
      if (each.version >= walk.target) continue;
      batch.Delete(db->column(Column::keys), slice(wrapped_key_key(org, each.version)));
    }
    std::erase_if(data_keys, [&](const auto& each) { return each.version < walk.target; });
    if (data_keys.empty()) return fail(StoreError::unsealed, "no data key would be left");
    walk.phase = Walk::Phase::clean;
    batch.Put(db->column(Column::keys), slice(walk_key(org)), slice(encode_walk(walk)));
    Keys left = derive_keys(org, half, data_keys);
    rotated[org] = left;
    cache.replace(org, std::move(left));
    return ok();
  };
  TRY_VOID(commit_and_wait(std::make_unique<KeyTask>(std::move(add), 4096)));
  kill_point("old data key is dropped");
  return true;
}

// What the old key had sealed leaves the disk.
Result<bool> RocksStore::Impl::clean_step(const OrgId& org, const Walk& walk) {
  const Bytes prefix = org_prefix(org), below = upper_bound(prefix);
  const std::vector<Column> all = {Column::rows, Column::events, Column::deliveries, Column::keys};
  TRY_VOID(db->scrub(all, prefix, below));
  kill_point("files are compacted");
  auto add = [&](rocksdb::WriteBatch& batch) -> Result<void> {
    batch.Delete(db->column(Column::keys), slice(walk_key(org)));
    return ok();
  };
  TRY_VOID(commit_and_wait(std::make_unique<KeyTask>(std::move(add), 4096)));
  kill_point("rotation of a data key is over");
  log_info("store.data_key_rotated", {{"organization_id", org.text()},
                                      {"version", static_cast<int64_t>(walk.target)},
                                      {"records", static_cast<int64_t>(walk.sealed)}});
  return true;
}

awaitable<Result<bool>> RocksStore::rotate_data_key(OrgScope scope) {
  const auto here = co_await boost::asio::this_coro::executor;
  Impl* const store = impl_.get();
  const OrgId org = scope.org();
  CO_TRY_VOID(store->admit(Scope(scope)));
  OneShot<Result<bool>> done(here);
  auto begin = [store, org, done]() mutable {
    bool begun = false;
    auto add = [&](rocksdb::WriteBatch& batch) -> Result<void> {
      if (store->is_erased(org)) return fail(StoreError::fenced, "erased organization");
      TRY(const auto running, store->db->get(Column::keys, walk_key(org)));
      if (running) return ok();
      TRY(const Impl::Keys keys, store->read_keys(org));
      if (!keys) return ok();
      TRY(const SecretKey32 half, store->keyring->half_key(org));
      TRY(auto data_keys, store->read_data_keys(org, half));
      OrgKeys::DataKey fresh{keys->write_version() + 1, {}};
      store->random.fill(fresh.key.fill());
      TRY(const Bytes wrapped, store->keyring->wrap(org, half, fresh.key));
      Walk walk;
      walk.target = fresh.version;
      auto* const column = store->db->column(Column::keys);
      batch.Put(column, slice(wrapped_key_key(org, fresh.version)), slice(wrapped));
      batch.Put(column, slice(walk_key(org)), slice(encode_walk(walk)));
      data_keys.push_back(std::move(fresh));
      Impl::Keys both = store->derive_keys(org, half, data_keys);
      kill_point("a data key is being chosen");
      store->rotated[org] = both;
      store->cache.replace(org, std::move(both));
      begun = true;
      return ok();
    };
    kill_point("before a data key is chosen");
    const auto chosen = store->commit_and_wait(std::make_unique<KeyTask>(std::move(add), 4096));
    kill_point("data key is chosen");
    if (!chosen) {
      done.set(fail(chosen.error()));
      return;
    }
    // Readers that looked between the two find both keys on the disk from here on.
    store->cache.forget(org);
    done.set(begun);
    store->walk(org);
  };
  store->worker.post(std::move(begin));
  co_return co_await done.wait();
}

std::vector<DataKeyRotation> RocksStore::rotations() const {
  const std::lock_guard guard(impl_->rotation_mutex);
  std::vector<DataKeyRotation> out;
  for (const auto& [org, rotation] : impl_->rotations) out.push_back(rotation);
  return out;
}

uint32_t RocksStore::key_term() const { return impl_->keyring->current_term(); }

void RocksStore::finish_rotations() { impl_->worker.wait_idle(); }

}  // namespace wab::storage
