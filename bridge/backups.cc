#include "bridge/backups.h"

#include "storage/base/log.h"
#include "storage/base/metrics.h"
#include "storage/base/shards.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;

struct Meters {
  Gauge last = make_gauge("waslo_backup_last_success_timestamp_seconds",
                          "When the newest whole backup was made; 0 without any.");
  Gauge bytes = make_gauge("waslo_backup_last_bytes", "Files of the newest whole backup.");
  Counter failed = make_counter("waslo_backup_failures_total", "Backups that did not succeed.");
};
Meters& meters() {
  static Meters instance;
  return instance;
}

void show(const storage::BackupEntry& entry) {
  meters().last.set(static_cast<double>(entry.at) / 1000);
  meters().bytes.set(static_cast<double>(entry.bytes));
}

}  // namespace

Backups::Backups(storage::RocksStore& store, Clock& clock, const Config& config)
    : store_(store), clock_(clock), config_(config) {
  meters();
}

void Backups::start(any_io_executor home) {
  home_ = home;
  if (!config_.backup.path.empty()) spawn(home, gate_, run(), "backups");
}

awaitable<void> Backups::close() {
  closing_.set();
  stopping_ = true;
  co_await gate_.close();
}

awaitable<Result<std::vector<storage::BackupEntry>>> Backups::list() {
  std::string path = config_.backup.path;
  auto work = [path]() -> Result<std::vector<storage::BackupEntry>> {
    std::string message;
    return storage::list_backups(path, message);
  };
  // Not behind a running backup: reading is apart from writing.
  static BlockingPool readers("backups", 1, 64);
  co_return co_await readers.run(std::move(work));
}

awaitable<void> Backups::run() {
  auto known = co_await list();
  UnixMillis last = 0;
  if (known && !known->empty()) {
    last = known->back().at;
    show(known->back());
  }
  const auto every = std::chrono::milliseconds(config_.backup.every);
  while (every.count() > 0 && !closing_.is_set()) {
    // By the clock, so that restarts do not put it off; a clock that went back counts as due.
    const UnixMillis since = clock_.now_ms() - last;
    const auto wait = since < 0 || since >= every.count() ? 0ms : every - since * 1ms;
    const bool closed = co_await closing_.wait_until(clock_.steady() + wait);
    if (closed) co_return;
    last = clock_.now_ms();
    if (!running_.exchange(true)) co_await make();
  }
}

awaitable<void> Backups::make() {
  copied_ = 0;
  storage::BackupWish wish;
  wish.to = config_.backup.path;
  wish.keys_to = config_.backup.keys_path;
  wish.keep = static_cast<size_t>(config_.backup.keep);
  wish.now = clock_.now_ms();
  wish.stop = &stopping_;
  wish.progress = [this](uint64_t bytes) { copied_ = bytes; };
  auto message = std::make_shared<std::string>();
  auto work = [this, wish = std::move(wish), message] { return store_.backup(wish, *message); };
  log_info("backup.begun");
  auto made = co_await pool_.run(std::move(work));
  {
    const std::lock_guard lock(mutex_);
    last_error_ = made ? "" : message->empty() ? std::string(made.error().where()) : *message;
  }
  if (made) {
    show(*made);
    log_info("backup.made", {{"id", made->id},
                             {"bytes", made->bytes},
                             {"files", made->files},
                             {"organizations_with_keys", made->organizations}});
  } else {
    meters().failed.add();
    log_error("backup.failed", {{"reason", *message}, {"error", made.error()}});
  }
  running_ = false;
}

Outcome<void> Backups::request() {
  if (config_.backup.path.empty() || !home_) {
    return refuse(Code::conflict, "backup.path is not set: name a directory in the configuration.");
  }
  if (stopping_) return refuse(Code::stopping);
  if (running_.exchange(true)) return Outcome<void>();
  if (!spawn(*home_, gate_, make(), "backup")) {
    running_ = false;
    return refuse(Code::stopping);
  }
  return Outcome<void>();
}

awaitable<Outcome<BackupState>> Backups::state() {
  BackupState out;
  out.running = running_;
  out.copied_bytes = out.running ? copied_.load() : 0;
  {
    const std::lock_guard lock(mutex_);
    out.last_error = last_error_;
  }
  if (config_.backup.path.empty()) co_return out;
  auto known = co_await list();
  if (!known) co_return refuse(problem_of(known.error()));
  out.backups = std::move(*known);
  co_return out;
}

}  // namespace wab::bridge
