// Opening RocksDB under our rules, and the few calls that the store makes of it.
//
// Recovery: a torn end of the log is tolerated, anything else that does not check is refused; a log
// that is missing although the manifest knows it is refused; nothing is repaired.
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "storage/org_keys.h"
#include "storage/rocks_expiry.h"
#include "storage/rocks_store.h"

namespace wab::storage {

// Of the layout as a whole. Raise it when an older program must not touch the store.
// What changed, and how an older store is brought here: migrations.h.
inline constexpr uint32_t kStoreSchema = 2;

inline rocksdb::Slice slice(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline ByteView bytes_of(const rocksdb::Slice& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

class RocksDatabase {
 public:
  struct Identity {
    ByteArray<16> deployment;
    uint64_t keyring_generation;
  };
  // `has_data`: keys of organizations exist, so that a database that is missing or empty is a loss
  // and not a beginning.
  static Result<std::unique_ptr<RocksDatabase>> open(const RocksOptions& options,
                                                     const Identity& identity, bool has_data,
                                                     std::string& message);
  // One backup as it lies there, never written: `env` maps its files, `path` is its name there.
  static Result<std::unique_ptr<RocksDatabase>> open_backup(rocksdb::Env* env,
                                                            const std::string& path,
                                                            std::string& message);
  ~RocksDatabase();

  rocksdb::ColumnFamilyHandle* column(Column column) const {
    return handles_[static_cast<size_t>(column)];
  }
  // The database as it is now, for reads that must agree with each other.
  using Moment = std::shared_ptr<const rocksdb::Snapshot>;
  Moment now() const;
  // StoreError::io and ::corrupt; nothing when absent.
  Result<std::optional<Bytes>> get(Column column, ByteView key, const Moment& at = nullptr) const;
  // Calls `row` for keys in [from, below) of one organization until it answers false. The views
  // live for the call.
  Result<void> each(Column column, ByteView from, ByteView below,
                    const std::function<bool(ByteView key, ByteView value)>& row,
                    const Moment& at = nullptr) const;
  // Every row of all organizations, in order, until `row` answers false: for migrations, and to
  // verify a backup.
  Result<void> each_row(Column column,
                        const std::function<bool(ByteView key, ByteView value)>& row) const;
  // Every key of all organizations, in order, until `row` answers false: for counting only.
  Result<void> each_key(Column column, const std::function<bool(ByteView key)>& row) const;
  uint64_t estimated_rows(Column column) const;
  // The largest key in [from, below).
  Result<std::optional<Bytes>> last_key(Column column, ByteView from, ByteView below) const;
  // Of the keys in [from, below), with what is not yet in files.
  uint64_t approximate_size(Column column, ByteView from, ByteView below) const;
  rocksdb::Status write(rocksdb::WriteBatch& batch, bool sync);
  // The highest generation of the keyring that this database has seen; durable on return.
  Result<void> note_generation(uint64_t generation);
  // Takes overwritten and deleted values in [from, below) off the disk, and the logs they stood in.
  // Blocks for as long as it takes.
  Result<void> scrub(const std::vector<Column>& columns, ByteView from, ByteView below);
  uint64_t sequence() const { return db_->GetLatestSequenceNumber(); }
  // The first record version that no earlier opening gave; durable on return.
  Result<uint64_t> reserve_versions();
  // Rows of the store as a whole, in the default column: absent is nothing.
  Result<std::optional<Bytes>> get_own(const char* name) const;
  rocksdb::ColumnFamilyHandle* own_column() const { return handles_[0]; }
  // The layout that was found when it was opened.
  uint32_t found_schema() const { return found_schema_; }
  Expiry& expiry() const { return *expiry_; }
  rocksdb::DB& raw() const { return *db_; }  // for backups

 private:
  RocksDatabase() = default;
  Result<void> identify(const Identity& identity, bool has_data, std::string& message);
  Result<void> migrate(uint32_t from, std::string& message);
  std::vector<rocksdb::ColumnFamilyDescriptor> families(const RocksOptions& options) const;
  bool is_empty() const;

  std::unique_ptr<rocksdb::Env> env_;
  std::array<rocksdb::ColumnFamilyHandle*, 7> handles_{};  // by Column; 0 is the default family
  std::unique_ptr<rocksdb::DB> db_;
  std::shared_ptr<Expiry> expiry_ = std::make_shared<Expiry>();
  uint32_t found_schema_ = kStoreSchema;
};

}  // namespace wab::storage
