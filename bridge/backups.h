// Backups of the running service: on request, and every [backup] every.
//
// One at a time, on a thread of its own; sessions and webhooks go on meanwhile. Owned by the
// service; request() and state() from any shard. Offline ones, verify and restore: commands/.
#pragma once

#include <atomic>
#include <mutex>

#include "bridge/config.h"
#include "bridge/problem.h"
#include "storage/backup.h"
#include "storage/base/blocking.h"
#include "storage/base/gate.h"

namespace wab::bridge {

using boost::asio::awaitable;

struct BackupState {
  bool running = false;
  uint64_t copied_bytes = 0;                  // of the running one
  std::string last_error;                     // of the last that ended, "" when it was whole
  std::vector<storage::BackupEntry> backups;  // oldest first
};

class Backups {
 public:
  Backups(storage::RocksStore& store, Clock& clock, const Config& config);

  void start(any_io_executor home);
  awaitable<void> close();  // ends a running one: what was whole before stays

  // Code::conflict when no directory is configured. While one runs, that one is what was asked for.
  Outcome<void> request();
  awaitable<Outcome<BackupState>> state();

 private:
  awaitable<void> run();
  awaitable<void> make();
  awaitable<Result<std::vector<storage::BackupEntry>>> list();

  storage::RocksStore& store_;
  Clock& clock_;
  const Config& config_;
  BlockingPool pool_{"backup", 1, 8};
  std::optional<any_io_executor> home_;
  std::atomic<bool> running_{false}, stopping_{false};
  std::atomic<uint64_t> copied_{0};
  std::mutex mutex_;
  std::string last_error_;
  Signal closing_;
  Gate gate_;
};

}  // namespace wab::bridge
