#include "storage/rocks_store.h"

#include <fcntl.h>
#include <rocksdb/write_batch.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>

#include "storage/base/log.h"
#include "storage/base/metrics.h"
#include "storage/key_file.h"
#include "storage/rocks_impl.h"
#include "storage/seal.h"

namespace wab::storage {
namespace {

constexpr int kDiskThreads = 2;
constexpr size_t kDiskQueue = 1024;
constexpr size_t kMostVersions = 32;  // of data keys at a time; two is usual while one rotates

const char* column_name(Column column) {
  switch (column) {
    case Column::rows:
      return "rows";
    case Column::events:
      return "events";
    case Column::deliveries:
      return "deliveries";
    case Column::marks:
      return "marks";
    case Column::positions:
      return "positions";
    case Column::keys:
      return "keys";
  }
  return "unknown";
}

Counter& quarantined_counter() {
  static Counter counter = make_counter("waslo_storage_quarantined_total",
                                        "Sessions refused because a record did not open.");
  return counter;
}

}  // namespace

Result<DirectoryLock> DirectoryLock::take(const std::string& directory, std::string& message) {
  const std::string path = directory + "/lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    message = "cannot write in " + directory + "; make it a directory that this user owns";
    return fail(StoreError::io, "store lock");
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    message = directory +
              " is open in another process; stop that one first, or choose another "
              "storage.path";
    return fail(StoreError::busy, "store lock");
  }
  return DirectoryLock(fd);
}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::unique_ptr<RocksStore>> RocksStore::open(RocksOptions options, std::string& message) {
  if (!make_private_directory(options.path)) {
    message = "cannot make " + options.path + "; create it and give it to this user";
    return fail(StoreError::io, "data directory");
  }
  TRY(DirectoryLock lock, DirectoryLock::take(options.path, message));
  if (file_exists(options.path + kRestoringMark) && !options.finishes_restore) {
    message = options.path +
              " holds a restore that did not come to its end; run `waslo-bridge backup restore` "
              "again with the same --to";
    return fail(StoreError::corrupt, "unfinished restore");
  }
  const bool has_database = file_exists(options.path + "/db/CURRENT");
  KeyringOptions keyring_options;
  keyring_options.directory = options.path;
  keyring_options.root_key = options.root_key;
  keyring_options.passphrase_cost = options.passphrase_cost;
  keyring_options.exec_limit = options.exec_limit;
  keyring_options.random = options.random;
  keyring_options.given = options.given_root_key;
  TRY(auto keyring, Keyring::open(keyring_options, !has_database, message));
  if (!keyring->warning().empty()) {
    log_warn("store.root_key_beside_data", {{"advice", keyring->warning()}});
  }
  const RocksDatabase::Identity identity{keyring->deployment(), keyring->generation()};
  if (!make_private_directory(options.path + "/db")) {
    message = "cannot make " + options.path + "/db; give the directory to this user";
    return fail(StoreError::io, "database directory");
  }
  TRY(auto db, RocksDatabase::open(options, identity, keyring->has_half_keys(), message));
  const auto first_version = db->reserve_versions();
  if (!first_version) {
    message = "cannot write to " + options.path + "/db; check the disk";
    return fail(first_version.error());
  }
  auto impl = std::make_unique<Impl>(std::move(options), std::move(lock), std::move(keyring),
                                     std::move(db), *first_version);
  TRY_VOID(impl->read_own_rows(message));
  if (const auto finished = impl->finish_terms(); !finished) {
    message = "an interrupted rotation of the key-encryption key cannot be finished (" +
              finished.error().describe() + "); check the disk and the keystore directory";
    return fail(finished.error());
  }
  if (const auto proven = impl->prove_all(); !proven) {
    message = "the proofs of the sessions cannot be written (" + proven.error().describe() +
              "); check the disk";
    return fail(proven.error());
  }
  if (!impl->options.keep_root_key) {
    impl->keyring->forget_root();
    impl->options.given_root_key.reset();
  }
  // What is being put back is finished first.
  if (!impl->options.finishes_restore) impl->resume_walks();
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(impl)));
}

Result<void> RocksStore::Impl::read_own_rows(std::string& message) {
  TRY(const auto stored_ages, db->get_own(kAgesRow));
  TRY(const auto stamp, db->get_own(kRestoredRow));
  const auto table = stored_ages ? AgeTable::from_bytes(*stored_ages) : AgeTable();
  if (!table || (stamp && stamp->size() != 32)) {
    message = "the first rows of the database are damaged; restore the latest backup";
    return fail(StoreError::corrupt, "own rows");
  }
  ages = *table;
  if (stamp) restored = decode_restored(*stamp);
  return ok();
}

const std::optional<Restored>& RocksStore::restored() const { return impl_->restored; }

RocksStore::RocksStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksStore::~RocksStore() = default;

RocksStore::Impl::Impl(RocksOptions opts, DirectoryLock held, std::unique_ptr<Keyring> keys,
                       std::unique_ptr<RocksDatabase> database, uint64_t first_version)
    : options(std::move(opts)),
      lock(std::move(held)),
      random(options.random != nullptr ? *options.random : system_random()),
      keyring(std::move(keys)),
      db(std::move(database)),
      cache(options.cached_organizations),
      record_version(first_version),
      own_disk(options.disk != nullptr
                   ? nullptr
                   : std::make_unique<BlockingPool>("disk", kDiskThreads, kDiskQueue)),
      disk(options.disk != nullptr ? options.disk : own_disk.get()) {
  CommitterOptions committing;
  committing.write = [this](rocksdb::WriteBatch& batch, std::string& reason) {
    return write(batch, reason);
  };
  committing.on_fatal = options.on_fatal_for_tests;
  if (!committing.on_fatal) {
    committing.on_fatal = [](const std::string& reason) {
      log_error("store.write_failed", {{"reason", reason}});
      std::abort();
    };
  }
  committing.on_fatal = [this, otherwise = std::move(committing.on_fatal)](const auto& reason) {
    otherwise(reason);
    dead = true;
  };
  committer = std::make_unique<Committer>(std::move(committing));
}

RocksStore::Impl::~Impl() {
  worker.stop();
  committer.reset();
  own_disk.reset();
}

RocksStore::Impl::Keys RocksStore::Impl::derive_keys(
    const OrgId& org, const SecretKey32& half,
    const std::vector<OrgKeys::DataKey>& data_keys) const {
  const auto index = SecretKey32::from(keyring->keyed_hash(org, "index", half.reveal()));
  return std::make_shared<const OrgKeys>(index->clone(), data_keys);
}

Result<std::vector<OrgKeys::DataKey>> RocksStore::Impl::read_data_keys(const OrgId& org,
                                                                       const SecretKey32& half) {
  std::vector<OrgKeys::DataKey> data_keys;
  std::optional<Error> wrong;
  const Bytes prefix = org_prefix(org), bound = upper_bound(prefix);
  TRY_VOID(db->each(Column::keys, prefix, bound, [&](ByteView key, ByteView value) {
    if (key.size() != 20) return true;
    auto opened = keyring->unwrap(org, half, value);
    if (!opened) wrong = opened.error();
    if (data_keys.size() == kMostVersions) wrong = Error(StoreError::unsealed, "too many keys");
    if (wrong) return false;
    data_keys.push_back(OrgKeys::DataKey{read_be32(key.subspan(16)), std::move(*opened)});
    return true;
  }));
  if (wrong) return fail(*wrong);
  return data_keys;
}

Result<RocksStore::Impl::Keys> RocksStore::Impl::read_keys(const OrgId& org) {
  const Bytes prefix = org_prefix(org), bound = upper_bound(prefix);
  for (;;) {
    // A rotation of the key-encryption key that ends between two reads makes them disagree: again.
    const uint64_t generation = keyring->generation();
    bool any = false;
    TRY_VOID(db->each(Column::keys, prefix, bound, [&any](ByteView key, ByteView) {
      any = any || key.size() == 20;
      return !any;
    }));
    if (!any) return Keys();
    const auto half = keyring->half_key(org);
    if (half) {
      const auto data_keys = read_data_keys(org, *half);
      if (data_keys && data_keys->empty()) return Keys();  // erased meanwhile
      if (data_keys) return derive_keys(org, *half, *data_keys);
      if (!data_keys.error().is(StoreError::unsealed)) return fail(data_keys.error());
    }
    if (keyring->generation() != generation) continue;
    return distrust(org, SessionId(), Column::keys, half ? "wrapped key" : "half key");
  }
}

Result<RocksStore::Impl::Keys> RocksStore::Impl::load_keys(const OrgId& org) {
  if (Keys cached = cache.find(org)) return cached;
  const uint64_t epoch = cache.epoch();
  TRY(Keys keys, read_keys(org));
  if (keys) cache.put(org, keys, epoch);
  return keys;
}

Result<RocksStore::Impl::Keys> RocksStore::Impl::make_keys(const OrgId& org) {
  TRY(Keys existing, load_keys(org));
  if (existing) return existing;
  TRY(const SecretKey32 half, keyring->make_half_key(org));
  std::vector<OrgKeys::DataKey> data_keys(1);
  data_keys[0].version = 1;
  random.fill(data_keys[0].key.fill());
  TRY(Bytes wrapped, keyring->wrap(org, half, data_keys[0].key));
  new_key_rows.emplace_back(wrapped_key_key(org, 1), std::move(wrapped));
  Keys keys = derive_keys(org, half, data_keys);
  cache.replace(org, keys);
  return keys;
}

Result<Bytes> RocksStore::Impl::seal_value(const OrgKeys& keys, Column column, const OrgId& org,
                                           const SessionId& session, ByteView key,
                                           ByteView plaintext) {
  SealContext context{keyring->deployment(), org.bytes(), session.bytes(),
                      static_cast<uint8_t>(column), key};
  const EnvelopeHeader header{kValueSchema, keys.write_version(), record_version.fetch_add(1)};
  return seal(keys.column_key(column, header.key_version), context, header, random.array<24>(),
              plaintext);
}

Result<Bytes> RocksStore::Impl::open_value(const OrgKeys& keys, Column column, const OrgId& org,
                                           const SessionId& session, ByteView key, ByteView value) {
  const auto header = peek(value);
  if (!header) return distrust(org, session, column, header.error().where());
  ByteView column_key = keys.column_key(column, header->key_version);
  Keys newer;
  if (column_key.empty() && header->key_version > keys.write_version()) {
    // Sealed after these keys were looked up: a rotation began.
    TRY(newer, read_keys(org));
    if (newer) column_key = newer->column_key(column, header->key_version);
  }
  if (column_key.empty()) return distrust(org, session, column, "unknown key version");
  SealContext context{keyring->deployment(), org.bytes(), session.bytes(),
                      static_cast<uint8_t>(column), key};
  auto opened = storage::open(column_key, context, value);
  if (!opened) return distrust(org, session, column, opened.error().where());
  if (header->schema > kValueSchema) return distrust(org, session, column, "newer schema");
  return std::move(opened->plaintext);
}

Result<Bytes> RocksStore::Impl::reseal_value(const OrgKeys& from, const OrgKeys& to, Column column,
                                             const OrgId& org, const SessionId& session,
                                             ByteView key, ByteView value) {
  TRY(EnvelopeHeader header, peek(value));
  const ByteView column_key = from.column_key(column, header.key_version);
  if (column_key.empty()) return fail(SealError::wrong_key, "unknown key version");
  const SealContext context{keyring->deployment(), org.bytes(), session.bytes(),
                            static_cast<uint8_t>(column), key};
  TRY(Opened opened, storage::open(column_key, context, value));
  header.key_version = to.write_version();
  auto sealed = storage::seal(to.column_key(column, header.key_version), context, header,
                              random.array<24>(), opened.plaintext);
  wipe(opened.plaintext);
  return sealed;
}

bool RocksStore::Impl::is_erased(const OrgId& org) {
  const std::lock_guard guard(trust_mutex);
  return erased.contains(org);
}

Result<void> RocksStore::Impl::admit(const Scope& scope) {
  if (!any_refused.load(std::memory_order_acquire)) return ok();
  const std::lock_guard guard(trust_mutex);
  if (erased.contains(scope.org())) return fail(StoreError::fenced, "erased organization");
  if (quarantine.contains({scope.org(), scope.session()})) {
    return fail(StoreError::quarantined, "session");
  }
  return ok();
}

tl::unexpected<Error> RocksStore::Impl::distrust(const OrgId& org, const SessionId& session,
                                                 Column column, const char* where) {
  bool first = true;
  if (!session.is_nil()) {
    const std::lock_guard guard(trust_mutex);
    first = quarantine.emplace(org, session).second;
    any_refused.store(true, std::memory_order_release);
  }
  if (first) {
    log_error(session.is_nil() ? "store.unsealed" : "store.quarantined",
              {{"organization_id", org.text()},
               {"session_id", session.text()},
               {"column", column_name(column)},
               {"reason", where}});
    quarantined_counter().add();
    if (options.on_quarantine && !session.is_nil()) options.on_quarantine(org, session);
  }
  return fail(StoreError::unsealed, where);
}

void RocksStore::Impl::release(const OrgId& org, const SessionId& session) {
  const std::lock_guard guard(trust_mutex);
  quarantine.erase({org, session});
}

ByteArray<32> RocksStore::keyed_hash(OrgScope org, std::string_view purpose, ByteView data) {
  // Apart from the store's own purposes, whatever the caller says.
  return impl_->keyring->keyed_hash(org.org(), "caller|" + std::string(purpose), data);
}

const ByteArray<16>& RocksStore::deployment() const { return impl_->keyring->deployment(); }

RocksStats RocksStore::stats() const {
  const CommitterStats now = impl_->committer->stats();
  RocksStats stats{now.commits, now.groups, now.bytes, now.largest_group, now.depth, 0};
  const std::lock_guard guard(impl_->trust_mutex);
  stats.quarantined = impl_->quarantine.size();
  return stats;
}

}  // namespace wab::storage
