#include "storage/migrations.h"

#include <map>

#include "storage/rocks_layout.h"

namespace wab::storage {
namespace {

// The counters were eight bytes, the last position; the sizes of the logs are counted once.
Result<void> count_logs(const RocksDatabase& db, rocksdb::WriteBatch& into) {
  std::map<ByteArray<16>, LogBounds> logs;
  TRY_VOID(db.each_row(Column::positions, [&](ByteView key, ByteView value) {
    if (key.size() != 24) return true;
    LogBounds& log = logs[*to_array<16>(key.first(16))];
    const uint64_t position = read_be64(key.subspan(16));
    if (position == 0 && value.size() == 8) {
      log.last = std::max(log.last, read_be64(value));
    } else {
      log.last = std::max(log.last, position);
    }
    return true;
  }));
  TRY_VOID(db.each_row(Column::events, [&](ByteView key, ByteView value) {
    if (key.size() == 40) logs[*to_array<16>(key.first(16))].bytes += value.size();
    return true;
  }));
  for (const auto& [org, log] : logs) {
    const Bytes key = position_key(OrgId(org), 0), value = encode_log(log);
    into.Put(db.column(Column::positions), slice(key), slice(value));
  }
  return ok();
}

constexpr Migration kMigrations[] = {
    {1, "count the logs of events", count_logs},
};

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

}  // namespace wab::storage
