#include "storage/committer.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "storage/base/metrics.h"

namespace wab::storage {

Committer::Committer(CommitterOptions options)
    : options_(std::move(options)), thread_([this] { run(); }) {}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Committer::submit(std::unique_ptr<CommitWork> work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

CommitterStats Committer::stats() const {
  const std::lock_guard lock(mutex_);
  CommitterStats now = stats_;
  now.depth = queue_.size();
  return now;
}

Committer::Group Committer::next_group() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || (!queue_.empty() && !dead_); });
  Group group;
  if (dead_) return group;
  size_t bytes = 0;
  while (!queue_.empty() && group.size() < options_.most_commits) {
    const size_t more = queue_.front()->size();
    if (!group.empty() && (bytes + more > options_.most_bytes || queue_.front()->reads_database() ||
                           queue_.front()->alone() || group.back()->alone())) {
      break;
    }
    bytes += more;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

void Committer::run() {
  for (;;) {
    Group group = next_group();
    if (group.empty()) return;  // stopping, and nothing is left
    if (!write(group)) {
      const std::lock_guard lock(mutex_);
      dead_ = true;
    }
  }
}

bool Committer::write(Group& group) {
  // Eight bytes of checksum per entry: a bit that flips on the way to the log is caught.
  rocksdb::WriteBatch batch(0, 0, 8, 0);
  std::vector<Result<void>> outcomes;
  outcomes.reserve(group.size());
  for (const auto& work : group) {
    batch.SetSavePoint();
    outcomes.push_back(work->add_to(batch));
    if (outcomes.back()) {
      batch.PopSavePoint();
    } else {
      batch.RollbackToSavePoint();
    }
  }
  std::string reason;
  const size_t bytes = batch.GetDataSize();
  if (batch.Count() > 0 && !options_.write(batch, reason)) {
    options_.on_fatal(reason);
    return false;
  }
  static Histogram sizes = make_histogram("waslo_storage_group_commits",
                                          "Commits in one synced write.", {1, 2, 4, 8, 16, 32, 64});
  sizes.observe(static_cast<double>(group.size()));
  {
    const std::lock_guard lock(mutex_);
    stats_.commits += group.size();
    stats_.groups += 1;
    stats_.bytes += bytes;
    stats_.largest_group = std::max(stats_.largest_group, group.size());
  }
  for (size_t i = 0; i < group.size(); ++i) group[i]->finish(outcomes[i]);
  return true;
}

}  // namespace wab::storage
