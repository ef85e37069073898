// What RocksStore's files share. Not for other rooms.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "storage/committer.h"
#include "storage/keyring.h"
#include "storage/org_keys.h"
#include "storage/rocks_database.h"
#include "storage/rocks_layout.h"
#include "storage/rocks_store.h"

namespace wab::storage {

class DirectoryLock {
 public:
  // StoreError::busy when another process, or another store of this one, holds it.
  static Result<DirectoryLock> take(const std::string& directory, std::string& message);
  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

struct RocksStore::Impl {
  Impl(RocksOptions opts, DirectoryLock held, std::unique_ptr<Keyring> keys,
       std::unique_ptr<RocksDatabase> database);
  ~Impl();

  using Keys = std::shared_ptr<const OrgKeys>;
  // Blocking, any thread. Null when the organization has no keys yet, so no rows.
  Result<Keys> load_keys(const OrgId& org);
  // Committer's thread: as above, but makes them. Their row joins the next write.
  Result<Keys> make_keys(const OrgId& org);

  Result<Bytes> seal_value(const OrgKeys& keys, Column column, const OrgId& org,
                           const SessionId& session, ByteView key, ByteView plaintext);
  // StoreError::unsealed, and then the session is in quarantine.
  Result<Bytes> open_value(const OrgKeys& keys, Column column, const OrgId& org,
                           const SessionId& session, ByteView key, ByteView value);

  // Why calls of this scope are refused, if they are.
  Result<void> admit(const Scope& scope);
  // Logs; puts a session in quarantine (an organization's own rows have none: they only fail).
  tl::unexpected<Error> distrust(const OrgId& org, const SessionId& session, Column column,
                                 const char* where);
  void release(const OrgId& org, const SessionId& session);

  // Committer's thread. The last position given in this organization.
  Result<uint64_t*> last_position(const OrgId& org);
  bool write(rocksdb::WriteBatch& batch, std::string& reason);

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
  Result<Keyed> scattered_keys(const OrgId& org, const SessionId& session, size_t most);

  RocksOptions options;
  DirectoryLock lock;
  Random& random;
  std::unique_ptr<Keyring> keyring;
  std::unique_ptr<RocksDatabase> db;
  OrgKeyCache cache;
  std::atomic<uint64_t> record_version;  // grows over the life of the store, across restarts

  std::mutex trust_mutex;
  std::set<std::pair<OrgId, SessionId>> quarantine;
  std::unordered_set<OrgId> erased;
  std::atomic<bool> any_refused{false};

  // Committer's thread only.
  std::unordered_map<OrgId, uint64_t> positions;
  std::vector<std::pair<Bytes, Bytes>> new_key_rows;

  std::unique_ptr<BlockingPool> own_disk;
  BlockingPool* disk;
  std::unique_ptr<Committer> committer;
};

}  // namespace wab::storage
