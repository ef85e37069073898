// What one organization's rows are sealed, named and marked with, derived from its data keys; and a
// bounded cache of it.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "storage/base/ids.h"
#include "storage/base/locked_memory.h"
#include "storage/base/lru.h"
#include "storage/base/secret.h"
#include "storage/records.h"

namespace wab::storage {

// Column families. Numbers are part of the sealed context: never reuse one.
enum class Column : uint8_t {
  rows = 1,
  events = 2,
  deliveries = 3,
  marks = 4,
  positions = 5,
  keys = 6
};
inline constexpr size_t kSealedColumns = 3;  // rows, events, deliveries

// Immutable and shared; the last holder wipes it. Everything secret lies in one locked block.
class OrgKeys {
 public:
  struct DataKey {
    uint32_t version;
    SecretKey32 key;
  };
  // `index` comes from the half key and outlives every data key, so that row keys stay put when
  // data keys rotate. The last of `data_keys` (ascending versions, not empty) is written with.
  OrgKeys(SecretKey32 index, const std::vector<DataKey>& data_keys);

  uint32_t write_version() const { return versions_.back(); }
  const std::vector<uint32_t>& versions() const { return versions_; }
  // The key of a sealed column, empty when the version is unknown.
  ByteView column_key(Column column, uint32_t version) const;
  // 16 bytes that stand for a name in a key of the store; differ per session and kind.
  ByteArray<16> blind(Column column, ByteView session, uint8_t kind, std::string_view name) const;
  // One row's part of its session's proof (session_proof.h).
  ByteArray<16> proof(ByteView row_key, uint64_t record_version) const;
  // For values that hold nothing secret: marks and positions.
  ByteArray<16> mac(Column column, ByteView key, ByteView value) const;

 private:
  static constexpr size_t kIndexAt = 0, kMacAt = 32, kProofAt = 64, kVersionsAt = 96;
  ByteView index() const { return keys_.reveal().subspan(kIndexAt, 32); }
  ByteView mac_key() const { return keys_.reveal().subspan(kMacAt, 32); }

  LockedBlock keys_;  // index, mac, proof, then one per column and version
  std::vector<uint32_t> versions_;
};

// Least recently used, by count. Any thread.
//
// Whoever fills it from the disk reads epoch() before the disk: what was replaced or forgotten in
// between wins.
class OrgKeyCache {
 public:
  explicit OrgKeyCache(size_t capacity) : entries_(capacity) {}
  std::shared_ptr<const OrgKeys> find(const OrgId& org);
  uint64_t epoch() const;
  void put(const OrgId& org, std::shared_ptr<const OrgKeys> keys, uint64_t epoch);
  void replace(const OrgId& org, std::shared_ptr<const OrgKeys> keys);
  void forget(const OrgId& org);
  size_t size() const;

 private:
  mutable std::mutex mutex_;
  uint64_t epoch_ = 0;
  Lru<OrgId, std::shared_ptr<const OrgKeys>> entries_;
};

}  // namespace wab::storage
