// Opens every record of a backup, where it lies.
#include <stdlib.h>

#include <filesystem>

#include "storage/backup_engine.h"
#include "storage/key_backup.h"
#include "storage/key_file.h"

namespace wab::storage {
namespace {

constexpr uint64_t kTellEvery = 1000;
constexpr size_t kMostNamed = 20;
constexpr Column kAll[] = {Column::rows, Column::events, Column::deliveries, Column::marks,
                           Column::positions};

// The keys of a backup in a private directory of their own: sealed as they are.
class UnpackedKeys {
 public:
  static Result<std::unique_ptr<UnpackedKeys>> make(const KeyBackup& keys) {
    std::string name = (std::filesystem::temp_directory_path() / "waslo-keys-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) return fail(StoreError::io, "temporary directory");
    std::unique_ptr<UnpackedKeys> out(new UnpackedKeys(name));
    TRY_VOID(unpack_keys(keys, name));
    return out;
  }
  ~UnpackedKeys() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit UnpackedKeys(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace

// One reading of everything; damage is noted and the reading goes on.
class Verification {
 public:
  Verification(RocksOptions options, std::unique_ptr<Keyring> keyring,
               std::unique_ptr<RocksDatabase> db, const VerifyWish& wish, Verified& out)
      : store_(std::move(options), DirectoryLock::none(), std::move(keyring), std::move(db), 0),
        wish_(wish),
        out_(out) {
    for (const Column column : kAll) all_ += store_.db->estimated_rows(column);
  }

  Result<void> run() {
    for (const Column column : kAll) {
      TRY_VOID(store_.db->each_row(column, [&](ByteView key, ByteView value) {
        judge(column, key, value);
        if (++done_ % kTellEvery == 0 && wish_.progress) wish_.progress("verified", done_, all_);
        return true;
      }));
    }
    if (wish_.progress) wish_.progress("verified", done_, done_);
    for (const auto& [org, keys] : organizations_) {
      if (keys) ++out_.organizations;
    }
    return ok();
  }

 private:
  using Keys = RocksStore::Impl::Keys;

  // Null for an organization that was deleted since.
  const Keys& keys_of(const OrgId& org) {
    const auto known = organizations_.find(org);
    if (known != organizations_.end()) return known->second;
    Keys keys;
    const auto half = store_.keyring->half_key(org);
    if (half) {
      auto loaded = store_.load_keys(org);
      if (loaded && *loaded) {
        keys = std::move(*loaded);
      } else {
        damage(Column::keys, org, SessionId());
      }
    } else if (half.error().is(StoreError::not_found) && !org.is_nil()) {
      ++out_.without_keys;
    } else {
      damage(Column::keys, org, SessionId());
    }
    return organizations_.emplace(org, std::move(keys)).first->second;
  }

  void damage(Column column, const OrgId& org, const SessionId& session) {
    ++out_.damaged;
    if (out_.first_damaged.size() >= kMostNamed) return;
    out_.first_damaged.push_back("column " + std::to_string(static_cast<int>(column)) + ", " +
                                 org.text() + ", " + session.text());
  }

  // Its rows are the ones that its proof tells of, none older, none missing.
  bool is_proven(const OrgKeys& keys, const OrgId& org, const SessionId& session) {
    const Scope scope(scopes_.organization(org), session);
    for (uint8_t kind = 0; kind < 64; ++kind) {
      if (SessionProof::covers(kind) && !store_.prove_kind(keys, scope, kind)) return false;
    }
    return true;
  }

  bool sound(Column column, const OrgKeys& keys, const OrgId& org, const SessionId& session,
             ByteView key, ByteView value) {
    switch (column) {
      case Column::rows: {
        if (key.size() != 49) return false;
        const auto opened = store_.open_value(keys, column, org, session, key, value);
        if (std::ranges::equal(key, SessionProof::row_key(org, session))) {
          return opened && SessionProof::decode(*opened) && is_proven(keys, org, session);
        }
        const auto kind = static_cast<Kind>(key[32]);
        const auto row = opened ? decode_row(kind, *opened) : std::nullopt;
        if (!row) return false;
        // The name inside is the one that its place stands for.
        const auto blind = keys.blind(Column::rows, session.bytes(), key[32], row->key.name);
        return equal_constant_time(blind, key.subspan(33));
      }
      case Column::events: {
        const auto placed = decode_position(keys, key, value);
        if (key.size() != 40 || !placed) return false;
        const auto opened = store_.open_value(keys, column, org, session, key, placed->envelope);
        return opened && decode_event(*opened);
      }
      case Column::deliveries: {
        if (key.size() != 56) return false;
        const auto opened = store_.open_value(keys, column, org, session, key, value);
        DeliveryRow row;
        return opened && decode_delivery(*opened, row);
      }
      case Column::marks:
        return key.size() == 48 && decode_mark(keys, key, value);
      case Column::positions: {
        if (key.size() != 24) return false;
        if (read_be64(key.subspan(16)) == 0) return decode_log(value).has_value();
        // An index: what it names is there and says the same.
        const auto place = decode_place(value);
        if (!place) return false;
        const auto event =
            store_.db->get(Column::events, event_key(org, place->session, place->seq));
        return event && *event && (*event)->size() > kPositionHeader &&
               read_be64(**event) == read_be64(key.subspan(16));
      }
      case Column::keys:
        break;
    }
    return false;
  }

  void judge(Column column, ByteView key, ByteView value) {
    if (key.size() < 24) {
      damage(column, OrgId(), SessionId());
      return;
    }
    const OrgId org(*to_array<16>(key.first(16)));
    const size_t session_at = column == Column::deliveries ? 32 : 16;
    const auto session = column != Column::positions && key.size() >= session_at + 16
                             ? SessionId(*to_array<16>(key.subspan(session_at, 16)))
                             : SessionId();
    const Keys& keys = keys_of(org);
    if (!keys) {
      ++out_.sealed_for_ever;
      return;
    }
    if (!sound(column, *keys, org, session, key, value)) {
      damage(column, org, session);
      return;
    }
    uint64_t* const counts[] = {nullptr,          &out_.rows,  &out_.events,
                                &out_.deliveries, &out_.marks, &out_.positions};
    ++*counts[static_cast<size_t>(column)];
  }

  RocksStore::Impl store_;
  ScopeIssuer scopes_{RocksStore::opener()};
  const VerifyWish& wish_;
  Verified& out_;
  std::map<OrgId, Keys> organizations_;
  uint64_t done_ = 0, all_ = 0;
};

Result<Verified> verify_backup(const VerifyWish& wish, std::string& message) {
  TRY(const auto engine, open_engine(wish.from, message));
  TRY(const Found found, find_backup(*engine, wish.id, message));
  TRY(const KeyBackup key_backup, read_keys(wish.keys, message));
  if (!equal_constant_time(key_backup.deployment, found.entry.deployment)) {
    return refuse_backup(message, StoreError::root_key,
                         wish.keys + " holds the keys of another store than this backup is of",
                         "key backup deployment");
  }
  if (wish.progress) wish.progress("checksums", 0, 0);
  const auto checksums = engine->VerifyBackup(found.entry.id, true);
  if (!checksums.ok()) {
    return refuse_backup(message, StoreError::corrupt,
                         "backup " + std::to_string(found.entry.id) + " is damaged (" +
                             checksums.ToString() + "); use another one, and make a new one",
                         "backup checksum");
  }
  auto unpacked = UnpackedKeys::make(key_backup);
  if (!unpacked) {
    message = "cannot make a temporary directory for the sealed keys; check TMPDIR";
    return fail(unpacked.error());
  }
  KeyringOptions keyring_options;
  keyring_options.directory = (*unpacked)->path();
  keyring_options.root_key = wish.root_key;
  keyring_options.exec_limit = wish.exec_limit;
  TRY(auto keyring, Keyring::open(keyring_options, false, message));
  TRY(auto db,
      RocksDatabase::open_backup(found.info.env_for_open.get(), found.info.name_for_open, message));
  RocksOptions options;
  options.path = (*unpacked)->path();
  Verified out;
  out.backup = found.entry;
  Verification reading(std::move(options), std::move(keyring), std::move(db), wish, out);
  const auto read = reading.run();
  if (!read) {
    message = "the backup cannot be read to its end; use another one";
    return fail(read.error());
  }
  return out;
}

}  // namespace wab::storage
