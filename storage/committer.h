// One thread that makes commits of all shards durable: whatever queued while the last sync ran
// becomes the next write, in the order it came.
//
// A write that fails ends the process: RocksDB may show it after reopening, so neither "done" nor
// "not done" would be true (design reference, finding 3). Nobody is told anything; the restart
// decides.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/base/result.h"

namespace rocksdb {
class WriteBatch;
}

namespace wab::storage {

// One commit on its way. Both calls come on the committer's thread; destroyed without finish() only
// after a fatal write in a test that survives it.
class CommitWork {
 public:
  virtual ~CommitWork() = default;
  virtual size_t size() const = 0;  // bytes, roughly; counts against the group's limit
  // Adds the rows. On an error the batch is rolled back to before this call, and finish() gets it.
  virtual Result<void> add_to(rocksdb::WriteBatch& batch) = 0;
  virtual void finish(Result<void> outcome) = 0;  // must not block
  // It looks at the database in add_to(), so what came before it must be written already: it begins
  // a group. What follows it in the group is written over what it adds.
  virtual bool reads_database() const { return false; }
  // A group of its own: what it erases is gone before the next one looks.
  virtual bool alone() const { return false; }
};

struct CommitterOptions {
  size_t most_commits = 64;
  size_t most_bytes = 1 << 20;
  // Durable on return, or false with a reason.
  std::function<bool(rocksdb::WriteBatch&, std::string& reason)> write;
  // Default: log and abort. If it returns (tests), nothing is ever written or finished again.
  std::function<void(const std::string& reason)> on_fatal;
};

struct CommitterStats {
  uint64_t commits = 0, groups = 0, bytes = 0;
  size_t largest_group = 0, depth = 0;
};

class Committer {
 public:
  explicit Committer(CommitterOptions options);
  ~Committer();  // finishes what is queued
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Any thread, never blocks. The queue is bounded by the callers: a session holds at most 64
  // unfinished commits.
  void submit(std::unique_ptr<CommitWork> work);
  CommitterStats stats() const;

 private:
  using Group = std::vector<std::unique_ptr<CommitWork>>;
  void run();
  Group next_group();
  bool write(Group& group);

  CommitterOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<CommitWork>> queue_;
  CommitterStats stats_;
  bool stopping_ = false;
  bool dead_ = false;
  std::thread thread_;  // last: starts when all else is ready
};

}  // namespace wab::storage
