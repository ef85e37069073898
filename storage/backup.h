// Backups of a store: made while it works or while it stands still, each one whole, later ones
// sharing the table files of earlier ones; verified by opening every record; put back whole or not
// at all.
//
//   TO/meta, TO/private, TO/shared_checksum   RocksDB's backup engine; records stay sealed
//   TO/lock                                   held while a backup is made
//   KEYS/waslo-keys                           key_backup.h: elsewhere, replaced each time
//
// A backup without its keys opens nowhere, not even with the root key. A restore of an older backup
// is a step back in time: the store is stamped (Restored), so that the rooms above do not go on
// with ratchets whose later keys were used already, and positions of event logs go on far above
// everything that was ever given, with a gap that every reader is told.
//
// Everything blocks; errors come with one sentence that says what to do.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "storage/rocks_store.h"

namespace wab::storage {

struct BackupWish {
  std::string to;
  std::string keys_to;  // "": the keys are not backed up
  size_t keep = 0;      // older ones go when this one is whole; 0: all stay
  UnixMillis now = 0;
  std::function<void(uint64_t bytes)> progress;  // copied so far; from this thread
  const std::atomic<bool>* stop = nullptr;       // ends it early: StoreError::busy
};

struct BackupEntry {
  uint32_t id = 0;
  UnixMillis at = 0;
  uint64_t bytes = 0;  // of its files, shared ones included
  uint32_t files = 0;
  uint32_t schema = 0;         // layout of the store
  size_t organizations = 0;    // in the key backup; only of a backup just made with one
  ByteArray<16> deployment{};  // whose
};

// Those that are whole, oldest first. Nothing is written.
Result<std::vector<BackupEntry>> list_backups(const std::string& from, std::string& message);

// Done and all of it, in records or bytes; 0 of 0 while that is not known.
using Progress = std::function<void(const char* what, uint64_t done, uint64_t all)>;

struct VerifyWish {
  std::string from;
  uint32_t id = 0;       // 0: the latest
  std::string keys;      // a key backup, or the data directory that the backup is of
  std::string root_key;  // as [storage] root_key
  std::chrono::milliseconds exec_limit{10'000};
  Progress progress;
};

struct Verified {
  BackupEntry backup;
  size_t organizations = 0;  // whose records were opened
  size_t without_keys = 0;   // deleted since: nothing opens them
  uint64_t rows = 0, events = 0, deliveries = 0, marks = 0, positions = 0;  // that are sound
  uint64_t sealed_for_ever = 0;  // records of those without keys
  uint64_t damaged = 0;
  std::vector<std::string> first_damaged;  // where the first few are, ids only
};
// Opens every record of it. Damage is counted and is no error of the call.
Result<Verified> verify_backup(const VerifyWish& wish, std::string& message);

struct RestoreWish {
  std::string from;
  uint32_t id = 0;   // 0: the latest
  std::string to;    // an empty directory, or none; or what a restore left that was interrupted
  std::string keys;  // as above
  std::string root_key;
  std::chrono::milliseconds exec_limit{10'000};
  UnixMillis now = 0;
  Progress progress;
};

struct RestoreReport {
  BackupEntry backup;
  Restored stamp;
  size_t organizations = 0;
  size_t forgotten = 0;  // organizations deleted since the backup: their records were taken out
};
// A process that dies in it leaves a directory that no service opens and that the same call takes
// up again.
Result<RestoreReport> restore_backup(const RestoreWish& wish, std::string& message);

}  // namespace wab::storage
