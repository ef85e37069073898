// Puts a backup back: into an empty directory, marked until everything is in place and synced.
#include <fcntl.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <set>
#include <thread>

#include "storage/backup_engine.h"
#include "storage/key_backup.h"
#include "storage/key_file.h"

namespace wab::storage {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

uint64_t bytes_in(const std::string& directory) {
  uint64_t sum = 0;
  std::error_code ec;
  for (fs::directory_iterator it(directory, ec); !ec && it != fs::directory_iterator();
       it.increment(ec)) {
    std::error_code gone;
    const auto size = it->file_size(gone);
    if (!gone) sum += size;
  }
  return sum;
}

// The engine says nothing while it copies, so what has arrived is counted beside it.
class Watcher {
 public:
  Watcher(const Progress& progress, std::string directory, uint64_t all) {
    if (!progress) return;
    thread_ = std::thread([this, &progress, directory = std::move(directory), all] {
      std::unique_lock lock(mutex_);
      while (!wake_.wait_for(lock, 250ms, [this] { return done_; })) {
        progress("restored", std::min(bytes_in(directory), all), all);
      }
      progress("restored", all, all);
    });
  }
  ~Watcher() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  std::thread thread_;
};

bool sync_path(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (fd < 0) return false;
  const bool good = ::fsync(fd) == 0;
  ::close(fd);
  return good;
}

bool sync_tree(const std::string& directory) {
  std::error_code ec;
  for (fs::directory_iterator it(directory, ec); !ec && it != fs::directory_iterator();
       it.increment(ec)) {
    const std::string path = it->path().string();
    if (it->is_directory() ? !sync_tree(path) : !sync_path(path, 0)) return false;
  }
  return !ec && sync_path(directory, O_DIRECTORY);
}

// Empty, or what an interrupted restore left, which is then taken away.
Result<void> prepare_target(const std::string& to, std::string& message) {
  if (!make_private_directory(to)) {
    return refuse_backup(message, StoreError::io,
                         "cannot make " + to + "; create it and give it to this user",
                         "restore directory");
  }
  std::error_code ec;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(to, ec); !ec && it != fs::directory_iterator(); it.increment(ec)) {
    entries.push_back(it->path());
  }
  if (ec) {
    return refuse_backup(message, StoreError::io, "cannot read " + to, "restore directory");
  }
  const std::string mark = to + kRestoringMark;
  if (!entries.empty() && !file_exists(mark)) {
    return refuse_backup(message, StoreError::busy,
                         to + " is not empty; name an empty directory, or move what is there away",
                         "restore directory");
  }
  for (const auto& path : entries) {
    if (path.string() == mark) continue;
    fs::remove_all(path, ec);
    if (ec) {
      return refuse_backup(message, StoreError::io,
                           "cannot remove " + path.string() + " of the interrupted restore",
                           "restore directory");
    }
  }
  if (file_exists(mark)) return ok();
  if (!create_file(mark,
                   view("a restore is being made here; see `waslo-bridge backup restore`\n"))) {
    return refuse_backup(message, StoreError::io, "cannot write in " + to, "restore mark");
  }
  return ok();
}

}  // namespace

// The last steps, in the restored store: one synced write.
class Restoration {
 public:
  Restoration(RocksStore& store, const BackupEntry& backup, UnixMillis now)
      : store_(*store.impl_), scopes_(store.issuer()) {
    stamp_.id = store_.random.array<16>();
    stamp_.at = now;
    stamp_.backup_at = backup.at;
  }

  Result<void> run(RestoreReport& report) {
    std::set<OrgId> organizations;
    TRY_VOID(store_.db->each_key(Column::keys, [&](ByteView key) {
      if (key.size() == 20) organizations.insert(OrgId(*to_array<16>(key.first(16))));
      return true;
    }));
    for (const OrgId& org : organizations) {
      const auto half = store_.keyring->half_key(org);
      if (!half && half.error().is(StoreError::not_found) && !org.is_nil()) {
        TRY_VOID(forget(org));
        ++report.forgotten;
        continue;
      }
      TRY_VOID(step_over(org));
      if (!org.is_nil()) ++report.organizations;
    }
    const Bytes row = encode_restored(stamp_);
    batch_.Put(store_.db->own_column(), kRestoredRow, slice(row));
    if (!store_.db->write(batch_, true).ok()) return fail(StoreError::io, "restore stamp");
    report.stamp = stamp_;
    return ok();
  }

 private:
  // It was deleted after the backup was made: nothing of it opens any more, and it stays deleted.
  Result<void> forget(const OrgId& org) {
    const Bytes prefix = org_prefix(org), bound = upper_bound(prefix);
    for (const Column column : {Column::rows, Column::events, Column::deliveries, Column::marks,
                                Column::positions, Column::keys}) {
      batch_.DeleteRange(store_.db->column(column), slice(prefix), slice(bound));
    }
    TRY(const auto keys, store_.load_keys(OrgId()));
    if (!keys) return ok();
    const Bytes row =
        row_key(*keys, Scope(scopes_.deployment()), Key{Kind::organization, org.text()});
    batch_.Delete(store_.db->column(Column::rows), slice(row));
    return ok();
  }

  // Positions that were given after the backup may be somebody's cursor: they are never given
  // again, and who reads over them is told. A microsecond each is more than any store can write.
  Result<void> step_over(const OrgId& org) {
    TRY(LogBounds* const log, store_.log_of(org));
    if (log->last == 0) return ok();
    const auto next = std::max(log->last + 1, static_cast<uint64_t>(stamp_.at) * 1000);
    log->gaps.push_back(LogGap{log->last, next});
    log->last = next;
    store_.put_log(batch_, org, *log);
    return ok();
  }

  RocksStore::Impl& store_;
  ScopeIssuer scopes_;
  Restored stamp_;
  rocksdb::WriteBatch batch_;
};

Result<RestoreReport> restore_backup(const RestoreWish& wish, std::string& message) {
  TRY(const auto engine, open_engine(wish.from, message));
  TRY(const Found found, find_backup(*engine, wish.id, message));
  if (found.entry.schema > kStoreSchema) {
    return refuse_backup(message, StoreError::version,
                         "the backup was made by a newer program; use that one", "backup schema");
  }
  TRY(const KeyBackup keys, read_keys(wish.keys, message));
  if (!equal_constant_time(keys.deployment, found.entry.deployment)) {
    return refuse_backup(message, StoreError::root_key,
                         wish.keys + " holds the keys of another store than this backup is of",
                         "key backup deployment");
  }
  TRY_VOID(prepare_target(wish.to, message));
  {
    const Watcher watcher(wish.progress, wish.to + "/db", found.entry.bytes);
    if (!make_private_directory(wish.to + "/db")) return fail(StoreError::io, "restore directory");
    const auto status = engine->RestoreDBFromBackup(rocksdb::RestoreOptions(), found.entry.id,
                                                    wish.to + "/db", wish.to + "/db");
    if (!status.ok()) {
      return refuse_backup(message, status.IsCorruption() ? StoreError::corrupt : StoreError::io,
                           "the restore failed (" + status.ToString() + "); check the disk of " +
                               wish.to + ", or use another backup",
                           "restore");
    }
  }
  if (!unpack_keys(keys, wish.to) || !sync_tree(wish.to)) {
    return refuse_backup(message, StoreError::io,
                         "the restore could not be written; check the disk of " + wish.to,
                         "restore keys");
  }
  RestoreReport report;
  report.backup = found.entry;
  {
    RocksOptions options;
    options.path = wish.to;
    options.root_key = wish.root_key;
    options.exec_limit = wish.exec_limit;
    options.finishes_restore = true;
    TRY(const auto store, RocksStore::open(std::move(options), message));
    Restoration last(*store, found.entry, wish.now);
    const auto stamped = last.run(report);
    if (!stamped) {
      message = "the restored store could not be finished; use another backup";
      return fail(stamped.error());
    }
  }
  // From here on it is a store.
  if (::unlink((wish.to + kRestoringMark).c_str()) != 0 || !sync_path(wish.to, O_DIRECTORY)) {
    return refuse_backup(message, StoreError::io, "cannot finish in " + wish.to, "restore mark");
  }
  return report;
}

}  // namespace wab::storage
