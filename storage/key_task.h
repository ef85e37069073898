// Work on the committer's thread that somebody waits for: how keys change.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "storage/committer.h"

namespace wab::storage {

class KeyTask final : public CommitWork {
 public:
  using Add = std::function<Result<void>(rocksdb::WriteBatch& batch)>;
  struct Outcome {
    std::mutex mutex;
    std::condition_variable known;
    std::optional<Result<void>> value;
  };
  KeyTask(Add add, size_t size) : add_(std::move(add)), size_(size) {}

  size_t size() const override { return size_; }
  bool reads_database() const override { return true; }
  Result<void> add_to(rocksdb::WriteBatch& batch) override { return add_(batch); }
  void finish(Result<void> outcome) override {
    const std::lock_guard lock(outcome_->mutex);
    outcome_->value = std::move(outcome);
    outcome_->known.notify_all();
  }
  std::shared_ptr<Outcome> outcome() const { return outcome_; }

 private:
  Add add_;
  size_t size_;
  std::shared_ptr<Outcome> outcome_ = std::make_shared<Outcome>();
};

}  // namespace wab::storage
