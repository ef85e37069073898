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
  const bool has_database = file_exists(options.path + "/db/CURRENT");
  KeyringOptions keyring_options;
  keyring_options.directory = options.path;
  keyring_options.root_key = options.root_key;
  keyring_options.passphrase_cost = options.passphrase_cost;
  keyring_options.exec_limit = options.exec_limit;
  keyring_options.random = options.random;
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
  return std::unique_ptr<RocksStore>(new RocksStore(std::make_unique<Impl>(
      std::move(options), std::move(lock), std::move(keyring), std::move(db))));
}

RocksStore::RocksStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksStore::~RocksStore() = default;

RocksStore::Impl::Impl(RocksOptions opts, DirectoryLock held, std::unique_ptr<Keyring> keys,
                       std::unique_ptr<RocksDatabase> database)
    : options(std::move(opts)),
      lock(std::move(held)),
      random(options.random != nullptr ? *options.random : system_random()),
      keyring(std::move(keys)),
      db(std::move(database)),
      cache(options.cached_organizations),
      // Every commit adds at least one to the database's own sequence, so starting there never
      // gives a version twice.
      record_version(db->sequence() + 1),
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
  committer = std::make_unique<Committer>(std::move(committing));
}

RocksStore::Impl::~Impl() {
  committer.reset();
  own_disk.reset();
}

Result<RocksStore::Impl::Keys> RocksStore::Impl::load_keys(const OrgId& org) {
  if (Keys cached = cache.find(org)) return cached;
  std::vector<std::pair<uint32_t, Bytes>> wrapped;
  const Bytes prefix = org_prefix(org), bound = upper_bound(prefix);
  TRY_VOID(db->each(Column::keys, prefix, bound, [&wrapped](ByteView key, ByteView value) {
    if (key.size() == 20) wrapped.emplace_back(read_be32(key.subspan(16)), to_bytes(value));
    return true;
  }));
  if (wrapped.empty()) return Keys();
  const auto half = keyring->half_key(org);
  if (!half) return distrust(org, SessionId(), Column::keys, "half key");
  std::vector<OrgKeys::DataKey> data_keys;
  for (const auto& [version, value] : wrapped) {
    auto key = keyring->unwrap(org, *half, value);
    if (!key) return distrust(org, SessionId(), Column::keys, "wrapped key");
    data_keys.push_back(OrgKeys::DataKey{version, std::move(*key)});
  }
  const auto index = SecretKey32::from(keyring->keyed_hash(org, "index", half->reveal()));
  auto keys = std::make_shared<const OrgKeys>(index->clone(), data_keys);
  cache.put(org, keys);
  return Keys(std::move(keys));
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
  const auto index = SecretKey32::from(keyring->keyed_hash(org, "index", half.reveal()));
  auto keys = std::make_shared<const OrgKeys>(index->clone(), data_keys);
  cache.put(org, keys);
  return Keys(std::move(keys));
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
  const ByteView column_key = keys.column_key(column, header->key_version);
  if (column_key.empty()) return distrust(org, session, column, "unknown key version");
  SealContext context{keyring->deployment(), org.bytes(), session.bytes(),
                      static_cast<uint8_t>(column), key};
  auto opened = storage::open(column_key, context, value);
  if (!opened) return distrust(org, session, column, opened.error().where());
  if (header->schema > kValueSchema) return distrust(org, session, column, "newer schema");
  return std::move(opened->plaintext);
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
