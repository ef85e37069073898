// What the store holds, counted for the metrics: nothing here is on anybody's way.
#include <rocksdb/db.h>
#include <sys/statvfs.h>

#include <filesystem>

#include "storage/rocks_impl.h"

namespace wab::storage {
namespace {

constexpr uint64_t kCounted = 100'000;  // rows looked at; beyond them RocksDB's own estimate counts
constexpr size_t kQueues = 2'000;       // pairs of endpoint and session whose head is looked up
constexpr size_t kQueueKey = 48;        // org, endpoint, session

uint64_t bytes_below(const std::string& directory) {
  uint64_t sum = 0;
  std::error_code ec;
  std::filesystem::recursive_directory_iterator it(directory, ec);
  while (!ec && it != std::filesystem::recursive_directory_iterator()) {
    std::error_code gone;  // files come and go while we look
    if (it->is_regular_file(gone) && !gone) {
      const auto size = it->file_size(gone);
      if (!gone) sum += size;
    }
    it.increment(ec);
  }
  return sum;
}

}  // namespace

Result<RocksSurvey> RocksStore::Impl::survey() {
  RocksSurvey out;
  struct Head {
    OrgId org;
    SessionId session;
    uint64_t seq;
  };
  std::vector<Head> heads;  // the first of each queue is its oldest: numbers of a session only rise
  Bytes last;
  uint64_t counted = 0;
  TRY_VOID(db->each_key(Column::deliveries, [&](ByteView key) {
    if (key.size() != kQueueKey + 8) return true;
    ++counted;
    const ByteView queue = key.first(kQueueKey);
    if (!std::equal(queue.begin(), queue.end(), last.begin(), last.end())) {
      last = to_bytes(queue);
      const auto org = to_array<16>(key.first(16));
      const auto session = to_array<16>(key.subspan(32, 16));
      if (heads.size() < kQueues) {
        heads.push_back(Head{OrgId(*org), SessionId(*session), read_be64(key.subspan(kQueueKey))});
      }
    }
    return counted < kCounted;
  }));
  out.owed = counted;
  if (counted >= kCounted) out.owed = std::max(counted, db->estimated_rows(Column::deliveries));
  for (const Head& head : heads) {
    TRY(const auto keys, load_keys(head.org));
    if (!keys) continue;
    // A record that does not open is somebody else's business: it was logged.
    const auto event = read_event(*keys, head.org, head.session, head.seq, 0);
    if (!event || !*event) continue;
    const UnixMillis at = (*event)->at;
    if (out.oldest_owed == 0 || at < out.oldest_owed) out.oldest_owed = at;
  }
  out.file_bytes = bytes_below(options.path);
  struct statvfs disk_of {};
  if (::statvfs(options.path.c_str(), &disk_of) == 0) {
    out.free_bytes = static_cast<uint64_t>(disk_of.f_bavail) * disk_of.f_frsize;
  }
  return out;
}

awaitable<Result<RocksSurvey>> RocksStore::survey() {
  Impl* const store = impl_.get();
  auto work = [store] { return store->survey(); };
  co_return co_await store->disk->run(std::move(work));
}

}  // namespace wab::storage
