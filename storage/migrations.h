// From the layout of one version of the store to the next, one step after the other.
//
// Each step is one synced write that also raises the version: a kill leaves the store at a version
// that some program knows, and the next start goes on from there. A step reads as much as it must
// and runs before anything else sees the store. A program refuses a store that is newer than it.
//
//   1   the first
//   2   row 0 of `positions` tells the bytes of the log and its gaps beside the last position
#pragma once

#include <rocksdb/write_batch.h>

#include <functional>
#include <span>
#include <string>

#include "storage/rocks_database.h"

namespace wab::storage {

struct Migration {
  uint32_t from;  // to from + 1
  const char* what;
  Result<void> (*step)(const RocksDatabase& db, rocksdb::WriteBatch& into);
};
// Ascending, without holes, up to kStoreSchema.
std::span<const Migration> migrations();

}  // namespace wab::storage
