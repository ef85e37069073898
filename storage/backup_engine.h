// RocksDB's backup engine under our rules. Not for other rooms.
#pragma once

#include <rocksdb/utilities/backup_engine.h>

#include "storage/backup.h"
#include "storage/rocks_impl.h"

namespace wab::storage {

// What BackupEntry needs and the engine does not know, in the backup's own description.
std::string describe_backup(const ByteArray<16>& deployment);
std::optional<BackupEntry> entry_of(const rocksdb::BackupInfo& info);

rocksdb::BackupEngineOptions engine_options(const std::string& directory);
Result<std::unique_ptr<rocksdb::BackupEngineReadOnly>> open_engine(const std::string& from,
                                                                   std::string& message);
struct Found {
  BackupEntry entry;
  rocksdb::BackupInfo info;  // with its files
};
// The one with this id, or the latest.
Result<Found> find_backup(const rocksdb::BackupEngineReadOnly& engine, uint32_t id,
                          std::string& message);

tl::unexpected<Error> refuse_backup(std::string& message, StoreError code, std::string text,
                                    const char* where);

}  // namespace wab::storage
