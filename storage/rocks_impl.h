// What RocksStore's files share. Not for other rooms.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "storage/ages.h"
#include "storage/committer.h"
#include "storage/key_worker.h"
#include "storage/keyring.h"
#include "storage/org_keys.h"
#include "storage/rocks_database.h"
#include "storage/rocks_layout.h"
#include "storage/rocks_store.h"
#include "storage/session_proof.h"

namespace wab::storage {

class KeyTask;

class DirectoryLock {
 public:
  // StoreError::busy when another process, or another store of this one, holds it.
  static Result<DirectoryLock> take(const std::string& directory, std::string& message);
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  // For what is only read and has no directory of its own.
  static DirectoryLock none() { return DirectoryLock(-1); }
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

// Rows of the default column, beside the database's own three.
inline constexpr const char *kAgesRow = "ages", *kRestoredRow = "restored";
// In a data directory from the first to the last moment of a restore.
inline constexpr const char* kRestoringMark = "/restoring";
Bytes encode_restored(const Restored& restored);
Restored decode_restored(ByteView stored);  // of 32 bytes

struct RocksStore::Impl {
  Impl(RocksOptions opts, DirectoryLock held, std::unique_ptr<Keyring> keys,
       std::unique_ptr<RocksDatabase> database, uint64_t first_version);
  ~Impl();

  using Keys = std::shared_ptr<const OrgKeys>;
  // Blocking, any thread. Null when the organization has no keys yet, so no rows.
  Result<Keys> load_keys(const OrgId& org);
  // The same from the disk, whatever the cache holds.
  Result<Keys> read_keys(const OrgId& org);
  Keys derive_keys(const OrgId& org, const SecretKey32& half,
                   const std::vector<OrgKeys::DataKey>& data_keys) const;
  Result<std::vector<OrgKeys::DataKey>> read_data_keys(const OrgId& org, const SecretKey32& half);
  // Committer's thread: as above, but makes them. Their row joins the next write.
  Result<Keys> make_keys(const OrgId& org);

  Result<Bytes> seal_value(const OrgKeys& keys, Column column, const OrgId& org,
                           const SessionId& session, ByteView key, ByteView plaintext);
  // StoreError::unsealed, and then the session is in quarantine.
  Result<Bytes> open_value(const OrgKeys& keys, Column column, const OrgId& org,
                           const SessionId& session, ByteView key, ByteView value);

  // A sealed value under the newest key instead, its number unchanged.
  Result<Bytes> reseal_value(const OrgKeys& from, const OrgKeys& to, Column column,
                             const OrgId& org, const SessionId& session, ByteView key,
                             ByteView value);

  // Why calls of this scope are refused, if they are.
  Result<void> admit(const Scope& scope);
  bool is_erased(const OrgId& org);
  // Logs; puts a session in quarantine (an organization's own rows have none: they only fail).
  tl::unexpected<Error> distrust(const OrgId& org, const SessionId& session, Column column,
                                 const char* where);
  void release(const OrgId& org, const SessionId& session);

  // Committer's thread. Where the log of this organization stands; the change is written by
  // whoever makes it, with put_log().
  Result<LogBounds*> log_of(const OrgId& org);
  void put_log(rocksdb::WriteBatch& batch, const OrgId& org, const LogBounds& log) const;
  bool write(rocksdb::WriteBatch& batch, std::string& reason);

  // Proofs of sessions (rocks_prove.cc; README, "Rollback").
  using SessionKey = std::pair<OrgId, SessionId>;
  struct HashOfSession {
    size_t operator()(const SessionKey& key) const {
      return std::hash<OrgId>()(key.first) ^ (std::hash<SessionId>()(key.second) * 31);
    }
  };
  // Before rows of a covered kind are first read: StoreError::unsealed, and the session is in
  // quarantine, when they are not the ones that were written last.
  Result<void> prove_kind(const OrgKeys& keys, const Scope& scope, uint8_t kind);
  Result<SessionProof> read_proof(const OrgKeys& keys, const SessionKey& session,
                                  const RocksDatabase::Moment& at);
  // Committer's thread: what a commit does to the proof of its session, worked out before anything
  // of the commit is certain, and then made so.
  struct RowChange {
    ByteView key;
    std::optional<uint64_t> version;  // nothing: erased
  };
  struct ProofChange {
    SessionProof proof;
    std::vector<std::pair<Bytes, std::optional<uint64_t>>> versions;
  };
  Result<ProofChange> change_proof(const OrgKeys& keys, const SessionKey& session,
                                   const std::vector<RowChange>& rows);
  void keep_proof(Keys keys, const SessionKey& session, ProofChange change);
  // The proofs that this group changed join its write.
  bool put_proofs(rocksdb::WriteBatch& batch);
  void proofs_written();
  // Once, for a store from before there were proofs.
  Result<void> prove_all();

  // Rotation, on the worker's thread (rocks_rotate.cc).
  void resume_walks();  // posts a job for each organization whose walk has not ended
  void post_walk(const OrgId& org);
  void walk(const OrgId& org);
  // False when the walk is over, or cannot go on now.
  Result<bool> walk_step(const OrgId& org);
  Result<bool> seal_step(const OrgId& org, Walk walk);
  Result<bool> verify_step(const OrgId& org, Walk walk);
  Result<bool> clean_step(const OrgId& org, const Walk& walk);
  // Through the committer; StoreError::busy when the store closes meanwhile.
  Result<void> commit_and_wait(std::unique_ptr<KeyTask> task);
  // A new key-encryption key; the root key is at hand. finish_terms() ends an interrupted one too.
  // False when keys of an organization do not open, so that the old one must stay.
  Result<bool> rotate_term();
  Result<bool> finish_terms();
  Result<bool> leave_old_terms(uint32_t current);
  Result<bool> names_old_term(uint32_t current);
  Result<void> with_root(std::string& message, std::function<Result<void>()> work);
  Result<std::vector<OrgId>> organizations_with_keys();

  // Blocking reads, on the disk pool.
  Result<std::vector<std::optional<Bytes>>> read_rows(const Scope& scope,
                                                      const std::vector<Key>& names);
  Result<Page> read_page(const Scope& scope, Kind kind, const std::string& after, size_t limit);
  Result<std::vector<bool>> read_marks(const Scope& scope, const std::vector<std::string>& names,
                                       UnixSeconds now);
  Result<std::vector<EventRow>> read_events(const OrgId& org, uint64_t position, size_t limit);
  // `expected` is the position that the index claims; 0 when read by seq.
  Result<std::optional<EventRow>> read_event(const OrgKeys& keys, const OrgId& org,
                                             const SessionId& session, uint64_t seq,
                                             uint64_t expected);
  Result<std::vector<DeliveryRow>> read_deliveries(const OrgId& org, const EndpointId& endpoint,
                                                   const std::optional<DeliveryKey>& after,
                                                   size_t limit);
  Result<RocksSurvey> survey();
  Result<std::map<EndpointId, uint64_t>> count_deliveries(const OrgId& org);
  // Keys of a session that no range covers: its deliveries, and its events with their index rows.
  using Keyed = std::vector<std::pair<Column, Bytes>>;
  struct Scattered {
    Keyed keys;
    uint64_t event_bytes = 0;
  };
  Result<Scattered> scattered_keys(const OrgId& org, const SessionId& session, size_t most);
  // What one step of the retention may take from the front of a log.
  struct Front {
    Keyed keys;
    uint64_t events = 0, bytes = 0, to = 0;
    bool more = false;
  };
  Result<Front> log_front(const OrgId& org, const LogRetention& keep, size_t step);
  // The first event that any endpoint is still owed, by session.
  Result<std::map<SessionId, uint64_t>> first_owed(const OrgId& org);
  Result<LogBounds> read_log(const OrgId& org);

  RocksOptions options;
  DirectoryLock lock;
  Random& random;
  std::unique_ptr<Keyring> keyring;
  std::unique_ptr<RocksDatabase> db;
  OrgKeyCache cache;
  std::atomic<uint64_t> record_version;  // never given twice, across restarts

  std::optional<Restored> restored;

  std::mutex ages_mutex;
  AgeTable ages;

  std::mutex trust_mutex;
  std::set<std::pair<OrgId, SessionId>> quarantine;
  std::unordered_set<OrgId> erased;
  std::atomic<bool> any_refused{false};

  Result<void> read_own_rows(std::string& message);
  std::mutex proven_mutex;
  std::unordered_map<SessionKey, uint64_t, HashOfSession> proven;  // bits: kinds, from 0

  mutable std::mutex rotation_mutex;
  std::map<OrgId, DataKeyRotation> rotations;

  // Committer's thread only.
  struct Unwritten {
    Keys keys;
    SessionProof proof;
  };
  Lru<SessionKey, SessionProof, HashOfSession> proofs{8192};
  std::map<SessionKey, Unwritten> unwritten;                   // proofs of this group
  std::map<Bytes, std::optional<uint64_t>> versions_of_group;  // rows of this group
  std::unordered_map<OrgId, Keys> rotated;  // whose write version changed since opening
  std::unordered_map<OrgId, LogBounds> logs;
  std::vector<std::pair<Bytes, Bytes>> new_key_rows;

  std::unique_ptr<BlockingPool> own_disk;
  BlockingPool* disk;
  std::atomic<bool> dead{false};  // after a fatal write that the process survived
  std::unique_ptr<Committer> committer;
  KeyWorker worker;
};

}  // namespace wab::storage
