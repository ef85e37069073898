// Rotation of the key-encryption key and of the root key. README, "Rotation".
#include <rocksdb/write_batch.h>

#include <boost/asio/this_coro.hpp>

#include "storage/base/log.h"
#include "storage/key_task.h"
#include "storage/kill_point.h"
#include "storage/rocks_impl.h"

namespace wab::storage {

Result<std::vector<OrgId>> RocksStore::Impl::organizations_with_keys() {
  std::vector<OrgId> out;
  TRY_VOID(db->each_key(Column::keys, [&out](ByteView key) {
    const auto org = to_array<16>(key.first(std::min<size_t>(key.size(), 16)));
    if (key.size() == 20 && org && (out.empty() || out.back().bytes() != *org)) {
      out.emplace_back(*org);
    }
    return true;
  }));
  return out;
}

Result<bool> RocksStore::Impl::rotate_term() {
  // An earlier rotation that did not end comes first: one old term at a time.
  TRY(const bool finished, finish_terms());
  if (!finished) return false;
  TRY_VOID(keyring->begin_term());
  kill_point("term begun");
  TRY_VOID(db->note_generation(keyring->generation()));
  kill_point("term noted");
  return finish_terms();
}

// Everything that names an old term is sealed and wrapped under the current one.
Result<bool> RocksStore::Impl::leave_old_terms(uint32_t current) {
  bool all = true;
  const auto cannot = [&](const OrgId& org, const char* what) {
    distrust(org, SessionId(), Column::keys, what);
    all = false;
  };
  TRY(const auto owners, keyring->half_key_owners());
  for (const OrgId& org : owners) {
    if (worker.stopping()) return false;
    const auto renewed = keyring->renew_half_key(org);
    if (!renewed && !renewed.error().is(StoreError::unsealed)) return fail(renewed.error());
    if (!renewed) cannot(org, "half key");
    kill_point("half key sealed anew");
  }
  TRY(const auto organizations, organizations_with_keys());
  for (const OrgId& org : organizations) {
    if (worker.stopping()) return false;
    auto wrap = [&](rocksdb::WriteBatch& batch) -> Result<void> {
      const auto half = keyring->half_key(org);
      // Erased: what is left of its rows is worth nothing and about to go.
      if (!half && half.error().is(StoreError::not_found)) return ok();
      if (!half) return fail(half.error());
      TRY(const auto data_keys, read_data_keys(org, *half));
      for (const auto& each : data_keys) {
        const Bytes key = wrapped_key_key(org, each.version);
        TRY(const auto was, db->get(Column::keys, key));
        if (was && was->size() > 4 && read_be32(*was) == current) continue;
        TRY(const Bytes wrapped, keyring->wrap(org, *half, each.key));
        batch.Put(db->column(Column::keys), slice(key), slice(wrapped));
      }
      return ok();
    };
    const auto wrapped = commit_and_wait(std::make_unique<KeyTask>(std::move(wrap), 4096));
    if (!wrapped && !wrapped.error().is(StoreError::unsealed)) return fail(wrapped.error());
    if (!wrapped) cannot(org, "wrapped key");
    kill_point("data keys wrapped anew");
  }
  return all;
}

Result<bool> RocksStore::Impl::names_old_term(uint32_t current) {
  TRY(const auto owners, keyring->half_key_owners());
  for (const OrgId& org : owners) {
    const auto term = keyring->half_key_term(org);
    if (!term && term.error().is(StoreError::not_found)) continue;
    if (!term || *term != current) return true;
    const Bytes prefix = org_prefix(org), below = upper_bound(prefix);
    bool named = false;
    TRY_VOID(db->each(Column::keys, prefix, below, [&](ByteView key, ByteView value) {
      named = key.size() == 20 && (value.size() < 4 || read_be32(value) != current);
      return !named;
    }));
    if (named) return true;
  }
  return false;
}

Result<bool> RocksStore::Impl::finish_terms() {
  if (keyring->terms().size() < 2) return true;
  const uint32_t current = keyring->current_term();
  // Keys that were made but not written yet are wrapped under whatever term was current then.
  auto flush = [this](rocksdb::WriteBatch& batch) -> Result<void> {
    for (const auto& [key, value] : new_key_rows) {
      batch.Put(db->column(Column::keys), slice(key), slice(value));
    }
    return ok();
  };
  TRY_VOID(commit_and_wait(std::make_unique<KeyTask>(std::move(flush), 4096)));
  TRY(const bool left, leave_old_terms(current));
  TRY(const bool named, names_old_term(current));
  kill_point("terms verified");
  if (!left || named) {
    if (worker.stopping()) return fail(StoreError::busy, "closing");
    log_error("store.rotation_blocked",
              {{"advice",
                "keys of an organization do not open (see above); the old "
                "key-encryption key is kept until it is erased or restored"}});
    return false;
  }
  TRY_VOID(keyring->drop_old_terms());
  kill_point("old term is dropped");
  TRY_VOID(db->note_generation(keyring->generation()));
  TRY_VOID(db->scrub({Column::keys}, {}, {}));
  kill_point("rotation of the term is over");
  log_info("store.key_encryption_key_rotated", {{"term", static_cast<int64_t>(current)}});
  return true;
}

Result<void> RocksStore::Impl::with_root(std::string& message, std::function<Result<void>()> work) {
  if (!keyring->has_root()) {
    KeyringOptions source;
    source.root_key = options.root_key;
    source.exec_limit = options.exec_limit;
    source.given = options.given_root_key;
    TRY_VOID(keyring->recall_root(source, message));
  }
  auto done = work();
  if (!options.keep_root_key) keyring->forget_root();
  if (!done && message.empty()) message = "the rotation stopped: " + done.error().describe();
  return done;
}

awaitable<Result<void>> RocksStore::rotate_key_encryption_key(std::string& message) {
  const auto here = co_await boost::asio::this_coro::executor;
  Impl* const store = impl_.get();
  OneShot<Result<void>> done(here);
  auto rotate = [store, &message]() -> Result<void> {
    TRY(const bool whole, store->rotate_term());
    if (whole) return ok();
    message =
        "the old key-encryption key is kept: keys of an organization do not open (see the "
        "log); it goes when that organization is erased or restored, at the next start";
    return fail(StoreError::unsealed, "key of an organization");
  };
  auto job = [store, done, &message, rotate]() mutable {
    done.set(store->with_root(message, rotate));
  };
  store->worker.post(std::move(job));
  co_return co_await done.wait();
}

awaitable<Result<void>> RocksStore::rotate_root_key(std::string to, std::string& message) {
  const auto here = co_await boost::asio::this_coro::executor;
  Impl* const store = impl_.get();
  OneShot<Result<void>> done(here);
  auto rotate = [store, to, &message]() -> Result<void> {
    KeyringOptions target;
    target.root_key = to;
    target.exec_limit = store->options.exec_limit;
    target.passphrase_cost = store->options.passphrase_cost;
    TRY_VOID(store->keyring->change_root(target, message));
    kill_point("root key is changed");
    store->options.root_key = to;
    store->options.given_root_key.reset();
    return store->db->note_generation(store->keyring->generation());
  };
  auto job = [store, done, &message, rotate]() mutable {
    done.set(store->with_root(message, rotate));
  };
  store->worker.post(std::move(job));
  co_return co_await done.wait();
}

}  // namespace wab::storage
