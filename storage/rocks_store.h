// Store on RocksDB, for one process and one data directory.
//
//   DIR/lock        held while open          DIR/keystore/   half keys, one file per organization
//   DIR/keyring     see keyring.h            DIR/db/         RocksDB; see rocks_layout.h
//
// Opened by main before the shards run, dies before them and after everything that uses it.
// Blocking work: open() itself, reads on the `disk` pool, writes on the committer's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "storage/base/blocking.h"
#include "storage/keyring.h"
#include "storage/store.h"

namespace rocksdb {
class FileSystem;
}

namespace wab::storage {

struct RocksOptions {
  std::string path;              // [storage] path
  std::string root_key;          // [storage] root_key
  BlockingPool* disk = nullptr;  // must outlive the store; null: own pool, 2 threads, 1024 queued
  size_t block_cache_bytes = 8u << 20;
  size_t write_buffer_bytes = 32u << 20;  // of all column families together
  size_t cached_organizations = 1024;     // whose keys stay in memory
  PassphraseCost passphrase_cost;         // when a new store is made with passphrase:
  std::chrono::milliseconds exec_limit{10'000};
  Random* random = nullptr;  // system_random() when null
  // Instead of reading the root key's source (the service was unsealed with it).
  std::shared_ptr<const LockedSecret> given_root_key;
  bool keep_root_key = false;  // in memory: for a command that rotates it
  // After the log line, once per session, from any thread: mark it FAILED.
  std::function<void(const OrgId&, const SessionId&)> on_quarantine;

  // For tests.
  std::shared_ptr<rocksdb::FileSystem> file_system;  // under DIR/db
  // A failed write: instead of log and abort. If it returns, nothing is ever written or answered.
  std::function<void(const std::string& reason)> on_fatal_for_tests;
  bool unsafe_no_sync_for_tests = false;      // commits return before they are durable
  bool unsafe_marks_first_for_tests = false;  // duplicate marks in a write of their own

  bool finishes_restore = false;  // for restore_backup alone: opens what is not whole yet
};

struct RocksStats {
  uint64_t commits = 0, groups = 0, bytes = 0;
  size_t largest_group = 0, queued = 0, quarantined = 0;
};

// How far the rotation of an organization's data key is.
struct DataKeyRotation {
  enum class State { sealing, verifying, cleaning, blocked };
  OrgId org;
  uint32_t to = 0;                      // the version that is written
  State state = State::sealing;         // blocked: records do not open, so the old key is kept
  uint64_t sealed = 0, unreadable = 0;  // records
};

// What the store holds, for the metrics.
struct RocksSurvey {
  uint64_t owed = 0;           // deliveries that were not taken yet; estimated above a bound
  UnixMillis oldest_owed = 0;  // when the oldest of their events happened; 0 without any
  uint64_t file_bytes = 0;     // on the disk, logs included
  uint64_t free_bytes = 0;     // of its file system
};

// A store that was put back from a backup carries this from then on; a newer restore replaces it.
struct Restored {
  ByteArray<16> id{};        // of this restore
  UnixMillis at = 0;         // when it was put back
  UnixMillis backup_at = 0;  // when its backup was made: what happened later is not in it
};

struct BackupWish;
struct BackupEntry;

class RocksStore final : public Store {
 public:
  // On error `message` holds one sentence for the operator: what is wrong and what to do.
  //   root_key  missing, unreadable, wrong          version  written by a newer program
  //   busy      another process has it open         corrupt  damaged log, manifest or keyring
  //   io        permissions, full disk
  static Result<std::unique_ptr<RocksStore>> open(RocksOptions options, std::string& message);
  ~RocksStore() override;  // finishes queued commits, then closes

  awaitable<Result<std::vector<std::optional<Bytes>>>> load(Scope scope,
                                                            std::vector<Key> keys) override;
  awaitable<Result<Page>> scan(Scope scope, Kind kind, std::string after, size_t limit) override;
  awaitable<Result<std::vector<bool>>> marked(Scope scope, std::vector<std::string> names,
                                              UnixSeconds now) override;
  awaitable<Result<Committed>> commit(Commit commit) override;
  awaitable<Result<std::vector<EventRow>>> events_after(OrgScope org, uint64_t position,
                                                        size_t limit) override;
  awaitable<Result<std::optional<EventRow>>> event(Scope session, uint64_t seq) override;
  awaitable<Result<std::vector<DeliveryRow>>> deliveries(OrgScope org, EndpointId endpoint,
                                                         std::optional<DeliveryKey> after,
                                                         size_t limit) override;
  awaitable<Result<std::map<EndpointId, uint64_t>>> owed(OrgScope org) override;
  awaitable<Result<void>> forget_deliveries(OrgScope org, EndpointId endpoint) override;
  awaitable<Result<void>> erase_all(Scope scope) override;
  ByteArray<32> keyed_hash(OrgScope org, std::string_view purpose, ByteView data) override;

  awaitable<Result<uint64_t>> stored_bytes(OrgScope org) override;
  awaitable<Result<LogBounds>> event_log(OrgScope org) override;
  awaitable<Result<Trimmed>> trim_events(OrgScope org, LogRetention keep, size_t step) override;

  // To be called about every hour: dates what was written since, and lets RocksDB drop what is
  // over its time: marks, what is kept for retry receipts (8 days), repeated reports of
  // undecryptable messages (35 days), the states of sent messages (`messages`).
  awaitable<Result<void>> note_age(UnixMillis now, std::chrono::milliseconds passed,
                                   std::chrono::seconds messages);
  // Nothing in a store that was never restored.
  const std::optional<Restored>& restored() const;
  // One more backup, while everything goes on (backup.h). Blocking, for minutes in a large store:
  // not on a shard and not on the disk pool. On error `message` is a sentence for the operator.
  Result<BackupEntry> backup(const BackupWish& wish, std::string& message);

  // Rotation of keys; README, "Rotation". The service goes on meanwhile.
  //
  // A new data key seals what is written from now on. The rest is sealed anew in the background,
  // also after a restart; then the old key is gone. True when it began, false when an earlier one
  // still runs (a blocked one tries again) or there is nothing to rotate.
  awaitable<Result<bool>> rotate_data_key(OrgScope org);
  // Done on return. Reads the root key's source again, which env: does not allow. On error
  // `message` holds a sentence.
  awaitable<Result<void>> rotate_key_encryption_key(std::string& message);
  // The keyring is sealed under the root key of source `to` from now on.
  awaitable<Result<void>> rotate_root_key(std::string to, std::string& message);
  std::vector<DataKeyRotation> rotations() const;  // not finished
  uint32_t key_term() const;
  // Blocks until nothing of this runs; for commands and tests.
  void finish_rotations();

  // Whoever opened the store decides who may issue scopes.
  ScopeIssuer issuer() const { return ScopeIssuer(opener()); }
  const ByteArray<16>& deployment() const;
  RocksStats stats() const;
  // Everything is compacted now, and what expired is gone when it returns.
  void compact_for_tests();
  // Reads the disk, on the disk pool; cheap enough for every scrape.
  awaitable<Result<RocksSurvey>> survey();

 private:
  struct Impl;
  friend class CommitTask;
  friend class EraseTask;
  friend class KeyTask;
  friend class TrimTask;
  friend class AgesTask;
  friend class Restoration;
  friend class Verification;
  explicit RocksStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wab::storage
