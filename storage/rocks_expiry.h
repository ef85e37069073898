// What RocksDB drops by itself while it compacts: marks whose time is over, and rows of kinds that
// live for a while only. Nobody scans for them and nobody waits for it.
//
// A mark names its expiry. A row is dated by its record version (ages.h). Both stand in clear and
// are not proven here: whoever could change them could as well delete the record. Readers check
// expiry themselves, so dropping late is harmless.
#pragma once

#include <rocksdb/compaction_filter.h>

#include <array>
#include <atomic>
#include <memory>

#include "storage/base/clock.h"

namespace wab::storage {

// Set by the store, read by compactions. Any thread.
struct Expiry {
  std::atomic<UnixSeconds> marks_until{0};              // marks that expire before
  std::array<std::atomic<uint64_t>, 256> rows_below{};  // by kind: record versions before; 0: none
};

std::shared_ptr<rocksdb::CompactionFilterFactory> expire_marks(std::shared_ptr<Expiry> expiry);
std::shared_ptr<rocksdb::CompactionFilterFactory> expire_rows(std::shared_ptr<Expiry> expiry);

}  // namespace wab::storage
