#include "storage/rocks_database.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <algorithm>

#include "storage/base/log.h"
#include "storage/migrations.h"
#include "storage/rocks_layout.h"

namespace wab::storage {
namespace {

constexpr const char* kColumnNames[] = {"default", "rows",      "events", "deliveries",
                                        "marks",   "positions", "keys"};
constexpr const char *kSchemaRow = "schema", *kDeploymentRow = "deployment",
                     *kGenerationRow = "keyring-generation", *kVersionsRow = "record-versions";
// Record versions that one opening may give: more than it can.
constexpr uint64_t kVersionsReserved = uint64_t{1} << 40;
// Files that nothing else rewrites are compacted at least this often, so that what expired goes.
constexpr uint64_t kMarksEverySeconds = 24 * 3600, kRowsEverySeconds = 7 * 24 * 3600;

tl::unexpected<Error> refuse(std::string& message, StoreError code, std::string text,
                             const char* where) {
  message = std::move(text);
  return fail(code, where);
}

rocksdb::DBOptions database_options(const RocksOptions& options, rocksdb::Env* env) {
  rocksdb::DBOptions db;
  if (env != nullptr) db.env = env;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  // What the promise to WhatsApp rests on: see storage/README.md, "Recovery".
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.track_and_verify_wals_in_manifest = true;
  db.recycle_log_file_num = 0;
  db.avoid_flush_during_shutdown = true;  // the log holds everything; stopping must be quick
  db.max_total_wal_size = 4 * options.write_buffer_bytes;
  db.db_write_buffer_size = options.write_buffer_bytes;
  db.max_background_jobs = 2;
  db.max_open_files = 512;
  db.bytes_per_sync = 1u << 20;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.max_log_file_size = 4u << 20;
  db.keep_log_file_num = 2;
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  return db;
}

rocksdb::ColumnFamilyOptions family_options(const RocksOptions& options, bool by_organization,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = options.write_buffer_bytes / 4;
  family.compression = rocksdb::kNoCompression;  // sealed bytes do not compress
  if (by_organization) family.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(16));
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

tl::unexpected<Error> refuse_status(std::string& message, const rocksdb::Status& status,
                                    const std::string& path) {
  if (status.IsNoSpace()) {
    return refuse(message, StoreError::io, "the disk of " + path + " is full; free space",
                  "database open");
  }
  if (status.IsIOError() && status.ToString().find("lock") != std::string::npos) {
    return refuse(message, StoreError::busy,
                  path + " is open in another process; stop that one first", "database lock");
  }
  if (status.IsCorruption()) {
    return refuse(message, StoreError::corrupt,
                  path + " is damaged and was left as it is (" + status.ToString() +
                      "); restore the latest backup, or the missing files if you have them",
                  "database open");
  }
  return refuse(message, StoreError::io,
                "cannot open " + path + " (" + status.ToString() +
                    "); check the disk and the permissions of this directory",
                "database open");
}

Error read_error(const rocksdb::Status& status) {
  return Error(status.IsCorruption() ? StoreError::corrupt : StoreError::io, "database read");
}

// A database without its CURRENT file would silently begin anew.
bool lost_its_current(rocksdb::Env& env, const std::string& path, bool has_data) {
  if (env.FileExists(path + "/CURRENT").ok()) return false;
  if (has_data) return true;
  std::vector<std::string> files;
  if (!env.GetChildren(path, &files).ok()) return false;
  return std::any_of(files.begin(), files.end(),
                     [](const std::string& name) { return name.ends_with(".sst"); });
}

}  // namespace

Result<std::unique_ptr<RocksDatabase>> RocksDatabase::open(const RocksOptions& options,
                                                           const Identity& identity, bool has_data,
                                                           std::string& message) {
  const std::string path = options.path + "/db";
  std::unique_ptr<RocksDatabase> self(new RocksDatabase);
  if (options.file_system) self->env_ = rocksdb::NewCompositeEnv(options.file_system);
  const rocksdb::DBOptions db_options = database_options(options, self->env_.get());
  rocksdb::Env& env = *db_options.env;
  if (lost_its_current(env, path, has_data)) {
    return refuse(message, StoreError::corrupt,
                  path +
                      " has lost its files (no CURRENT) although organizations have keys; "
                      "restore the latest backup",
                  "database missing");
  }
  std::vector<std::string> present;
  if (env.FileExists(path + "/CURRENT").ok()) {
    const auto listed = rocksdb::DB::ListColumnFamilies(db_options, path, &present);
    if (!listed.ok()) return refuse_status(message, listed, path);
  }
  for (const std::string& name : present) {
    if (std::find(std::begin(kColumnNames), std::end(kColumnNames), name) ==
        std::end(kColumnNames)) {
      return refuse(message, StoreError::version,
                    path + " was written by a newer program (column family " + name +
                        "); start that program, or restore a backup made by this one",
                    "column family");
    }
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const auto status = rocksdb::DB::Open(db_options, path, self->families(options), &handles, &db);
  if (!status.ok()) return refuse_status(message, status, path);
  self->db_.reset(db);
  std::copy(handles.begin(), handles.end(), self->handles_.begin());
  TRY_VOID(self->identify(identity, has_data, message));
  return self;
}

std::vector<rocksdb::ColumnFamilyDescriptor> RocksDatabase::families(
    const RocksOptions& options) const {
  const auto cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> out;
  for (const char* name : kColumnNames) {
    out.emplace_back(name, family_options(options, !out.empty(), cache));
  }
  auto& rows = out[static_cast<size_t>(Column::rows)].options;
  rows.compaction_filter_factory = expire_rows(expiry_);
  rows.periodic_compaction_seconds = kRowsEverySeconds;
  auto& marks = out[static_cast<size_t>(Column::marks)].options;
  marks.compaction_filter_factory = expire_marks(expiry_);
  marks.periodic_compaction_seconds = kMarksEverySeconds;
  return out;
}

Result<std::unique_ptr<RocksDatabase>> RocksDatabase::open_backup(rocksdb::Env* env,
                                                                  const std::string& path,
                                                                  std::string& message) {
  std::unique_ptr<RocksDatabase> self(new RocksDatabase);
  const RocksOptions options;
  rocksdb::DBOptions db_options = database_options(options, env);
  db_options.create_if_missing = db_options.create_missing_column_families = false;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const auto status =
      rocksdb::DB::OpenForReadOnly(db_options, path, self->families(options), &handles, &db);
  if (!status.ok()) {
    return refuse(message, StoreError::corrupt,
                  "the backup is damaged (" + status.ToString() + "); use another one",
                  "backup open");
  }
  self->db_.reset(db);
  std::copy(handles.begin(), handles.end(), self->handles_.begin());
  TRY(const auto schema, self->get_own(kSchemaRow));
  if (!schema || schema->size() != 4) {
    return refuse(message, StoreError::corrupt,
                  "the backup has lost its first rows; use another one", "schema row");
  }
  self->found_schema_ = read_be32(*schema);
  if (self->found_schema_ > kStoreSchema) {
    return refuse(message, StoreError::version,
                  "the backup was made by a newer program; use that one", "schema version");
  }
  return self;
}

RocksDatabase::~RocksDatabase() {
  if (!db_) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  db_->Close().PermitUncheckedError();
}

bool RocksDatabase::is_empty() const {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    rocksdb::ReadOptions all;
    all.total_order_seek = true;
    const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(all, handle));
    rows->SeekToFirst();
    if (rows->Valid() || !rows->status().ok()) return false;
  }
  return true;
}

Result<void> RocksDatabase::identify(const Identity& identity, bool has_data,
                                     std::string& message) {
  std::string schema, deployment, generation;
  const auto found = db_->Get({}, handles_[0], kSchemaRow, &schema);
  rocksdb::WriteBatch batch;
  if (found.IsNotFound()) {
    if (has_data || !is_empty()) {
      return refuse(message, StoreError::corrupt,
                    "the database has lost its first rows; restore the latest backup",
                    "schema row");
    }
    batch.Put(handles_[0], kSchemaRow, slice(be32(kStoreSchema)));
    batch.Put(handles_[0], kDeploymentRow, slice(identity.deployment));
    batch.Put(handles_[0], kGenerationRow, slice(be64(identity.keyring_generation)));
    return write(batch, true).ok() ? ok() : fail(StoreError::io, "schema row");
  }
  if (!found.ok() || schema.size() != 4 ||
      !db_->Get({}, handles_[0], kDeploymentRow, &deployment).ok() ||
      !db_->Get({}, handles_[0], kGenerationRow, &generation).ok() || generation.size() != 8) {
    return refuse(message, StoreError::corrupt,
                  "the first rows of the database are damaged; restore the latest backup",
                  "schema row");
  }
  const uint32_t version = found_schema_ = read_be32(view(schema));
  if (version > kStoreSchema) {
    return refuse(message, StoreError::version,
                  "the store was written by a newer program (layout " + std::to_string(version) +
                      ", this program knows " + std::to_string(kStoreSchema) +
                      "); start that program, or restore a backup made by this one",
                  "schema version");
  }
  if (!equal_constant_time(view(deployment), identity.deployment)) {
    return refuse(message, StoreError::corrupt,
                  "keyring and database belong to different stores; restore both from one backup",
                  "deployment id");
  }
  const uint64_t seen = read_be64(view(generation));
  if (identity.keyring_generation < seen) {
    return refuse(message, StoreError::root_key,
                  "the keyring is older than the database (generation " +
                      std::to_string(identity.keyring_generation) + ", last seen " +
                      std::to_string(seen) + "); put the latest keyring back",
                  "keyring generation");
  }
  if (identity.keyring_generation > seen) {
    batch.Put(handles_[0], kGenerationRow, slice(be64(identity.keyring_generation)));
  }
  if (batch.Count() != 0 && !write(batch, true).ok()) return fail(StoreError::io, "schema row");
  return migrate(version, message);
}

Result<void> RocksDatabase::migrate(uint32_t from, std::string& message) {
  for (const Migration& one : migrations()) {
    if (one.from < from) continue;
    rocksdb::WriteBatch batch;
    const auto prepared = one.step(*this, batch);
    if (!prepared) {
      return refuse(message, StoreError::corrupt,
                    "the store could not be brought from layout " + std::to_string(one.from) +
                        " to the next (" + one.what +
                        "); nothing was changed. Restore a backup, "
                        "or start the program that wrote it",
                    "migration");
    }
    batch.Put(handles_[0], kSchemaRow, slice(be32(one.from + 1)));
    if (!write(batch, true).ok()) return fail(StoreError::io, "migration");
    log_info("store.migrated", {{"layout", one.from + 1}, {"what", one.what}});
  }
  return ok();
}

Result<std::optional<Bytes>> RocksDatabase::get_own(const char* name) const {
  std::string value;
  const auto status = db_->Get({}, handles_[0], name, &value);
  if (status.IsNotFound()) return std::optional<Bytes>();
  if (!status.ok()) return fail(read_error(status));
  return std::optional<Bytes>(to_bytes(view(value)));
}

RocksDatabase::Moment RocksDatabase::now() const {
  rocksdb::DB* const db = db_.get();
  return {db->GetSnapshot(), [db](const rocksdb::Snapshot* at) { db->ReleaseSnapshot(at); }};
}

Result<std::optional<Bytes>> RocksDatabase::get(Column in, ByteView key, const Moment& at) const {
  rocksdb::PinnableSlice value;
  rocksdb::ReadOptions options;
  options.snapshot = at.get();
  const auto status = db_->Get(options, column(in), slice(key), &value);
  if (status.IsNotFound()) return std::optional<Bytes>();
  if (!status.ok()) return fail(read_error(status));
  return std::optional<Bytes>(to_bytes(bytes_of(value)));
}

Result<void> RocksDatabase::each(Column in, ByteView from, ByteView below,
                                 const std::function<bool(ByteView key, ByteView value)>& row,
                                 const Moment& at) const {
  const rocksdb::Slice bound = slice(below);
  rocksdb::ReadOptions options;
  options.snapshot = at.get();
  options.iterate_upper_bound = &bound;  // never into the next organization
  options.prefix_same_as_start = true;
  const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(options, column(in)));
  for (rows->Seek(slice(from)); rows->Valid(); rows->Next()) {
    if (!row(bytes_of(rows->key()), bytes_of(rows->value()))) return ok();
  }
  if (!rows->status().ok()) return fail(read_error(rows->status()));
  return ok();
}

Result<void> RocksDatabase::each_key(Column in,
                                     const std::function<bool(ByteView key)>& row) const {
  return each_row(in, [&row](ByteView key, ByteView) { return row(key); });
}

Result<void> RocksDatabase::each_row(
    Column in, const std::function<bool(ByteView key, ByteView value)>& row) const {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(options, column(in)));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    if (!row(bytes_of(rows->key()), bytes_of(rows->value()))) return ok();
  }
  if (!rows->status().ok()) return fail(read_error(rows->status()));
  return ok();
}

uint64_t RocksDatabase::estimated_rows(Column in) const {
  uint64_t out = 0;
  db_->GetIntProperty(column(in), rocksdb::DB::Properties::kEstimateNumKeys, &out);
  return out;
}

Result<std::optional<Bytes>> RocksDatabase::last_key(Column in, ByteView from,
                                                     ByteView below) const {
  const rocksdb::Slice lower = slice(from), bound = slice(below);
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &bound;
  options.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(options, column(in)));
  rows->SeekToLast();
  if (!rows->status().ok()) return fail(read_error(rows->status()));
  if (!rows->Valid()) return std::optional<Bytes>();
  return std::optional<Bytes>(to_bytes(bytes_of(rows->key())));
}

uint64_t RocksDatabase::approximate_size(Column in, ByteView from, ByteView below) const {
  const rocksdb::Range range(slice(from), slice(below));
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  options.include_files = true;
  uint64_t size = 0;
  const auto status = db_->GetApproximateSizes(options, column(in), &range, 1, &size);
  return status.ok() ? size : 0;
}

rocksdb::Status RocksDatabase::write(rocksdb::WriteBatch& batch, bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  options.protection_bytes_per_key = 8;
  return db_->Write(options, &batch);
}

Result<uint64_t> RocksDatabase::reserve_versions() {
  std::string stored;
  const auto found = db_->Get({}, handles_[0], kVersionsRow, &stored);
  if (!found.ok() && !found.IsNotFound()) return fail(read_error(found));
  uint64_t first = sequence() + 1;
  if (stored.size() == 8) first = std::max(first, read_be64(view(stored)));
  rocksdb::WriteBatch batch;
  batch.Put(handles_[0], kVersionsRow, slice(be64(first + kVersionsReserved)));
  if (!write(batch, true).ok()) return fail(StoreError::io, "record versions");
  return first;
}

Result<void> RocksDatabase::note_generation(uint64_t generation) {
  rocksdb::WriteBatch batch;
  batch.Put(handles_[0], kGenerationRow, slice(be64(generation)));
  return write(batch, true).ok() ? ok() : fail(StoreError::io, "generation row");
}

Result<void> RocksDatabase::scrub(const std::vector<Column>& columns, ByteView from,
                                  ByteView below) {
  rocksdb::FlushOptions flush;
  flush.wait = true;
  const std::vector<rocksdb::ColumnFamilyHandle*> all(handles_.begin(), handles_.end());
  if (!db_->Flush(flush, all).ok()) return fail(StoreError::io, "flush");
  rocksdb::CompactRangeOptions compact;
  compact.exclusive_manual_compaction = false;
  compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  const rocksdb::Slice begin = slice(from), end = slice(below);
  for (const Column each : columns) {
    const auto done = db_->CompactRange(compact, column(each), from.empty() ? nullptr : &begin,
                                        below.empty() ? nullptr : &end);
    if (!done.ok()) return fail(StoreError::io, "compaction");
  }
  return ok();
}

}  // namespace wab::storage
