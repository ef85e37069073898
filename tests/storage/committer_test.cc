#include "storage/committer.h"

#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>

#include <future>

#include "storage/store.h"

namespace wab::storage {
namespace {

// What happened, in order: "write 1 2 3", "done 1", "failed 2".
class Record {
 public:
  void add(std::string what) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(what));
    changed_.notify_all();
  }
  std::vector<std::string> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return lines_.size() >= count; });
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

class Numbered final : public CommitWork {
 public:
  Numbered(Record& record, int number, size_t size = 10, bool fails = false)
      : record_(record), number_(number), size_(size), fails_(fails) {}
  size_t size() const override { return size_; }
  Result<void> add_to(rocksdb::WriteBatch& batch) override {
    batch.Put(std::to_string(number_), "");
    return fails_ ? fail(StoreError::quarantined, "test") : ok();
  }
  void finish(Result<void> outcome) override {
    record_.add((outcome ? "done " : "failed ") + std::to_string(number_));
  }

 private:
  Record& record_;
  int number_;
  size_t size_;
  bool fails_;
};

class Keys final : public rocksdb::WriteBatch::Handler {
 public:
  rocksdb::Status PutCF(uint32_t, const rocksdb::Slice& key, const rocksdb::Slice&) override {
    text += " " + key.ToString();
    return rocksdb::Status::OK();
  }
  std::string text;
};

class CommitterTest : public ::testing::Test {
 protected:
  // The first write waits until release(), so that what is submitted meanwhile queues up.
  void start(size_t commits = 64, size_t bytes = 1 << 20) {
    CommitterOptions options;
    options.most_commits = commits;
    options.most_bytes = bytes;
    options.write = [this, first = true](rocksdb::WriteBatch& batch, std::string& why) mutable {
      if (std::exchange(first, false)) {
        entered.set_value();
        gate.get_future().wait();
      }
      Keys keys;
      batch.Iterate(&keys).PermitUncheckedError();
      record.add("write" + keys.text);
      why = "broken";
      return !broken;
    };
    options.on_fatal = [this](const std::string& reason) { record.add("fatal " + reason); };
    committer = std::make_unique<Committer>(std::move(options));
  }
  void submit(int number, size_t size = 10, bool fails = false) {
    committer->submit(std::make_unique<Numbered>(record, number, size, fails));
  }
  void release() { gate.set_value(); }

  Record record;
  std::promise<void> gate, entered;
  std::atomic<bool> broken{false};
  std::unique_ptr<Committer> committer;
};

using Lines = std::vector<std::string>;

TEST_F(CommitterTest, WhatQueuedDuringAWriteIsTheNextWrite) {
  start();
  submit(0);
  entered.get_future().wait();
  for (int i = 1; i <= 4; ++i) submit(i);
  release();
  EXPECT_EQ(record.wait_for(7),
            (Lines{"write 0", "done 0", "write 1 2 3 4", "done 1", "done 2", "done 3", "done 4"}));
}

TEST_F(CommitterTest, GroupsEndAtTheirLimits) {
  start(3, 100);
  submit(0);
  entered.get_future().wait();
  for (int i = 1; i <= 4; ++i) submit(i);         // three, then one
  submit(5, 60), submit(6, 60), submit(7, 5000);  // by bytes; a giant goes alone
  release();
  Lines writes;
  for (const std::string& line : record.wait_for(13)) {
    if (line.starts_with("write")) writes.push_back(line);
  }
  EXPECT_EQ(writes, (Lines{"write 0", "write 1 2 3", "write 4 5", "write 6", "write 7"}));
  EXPECT_EQ(committer->stats().largest_group, 3u);
  EXPECT_EQ(committer->stats().commits, 8u);
}

TEST_F(CommitterTest, AWorkThatFailsLeavesNothingInTheBatch) {
  start();
  submit(0);
  entered.get_future().wait();
  submit(1), submit(2, 10, true), submit(3);
  release();
  EXPECT_EQ(record.wait_for(6),
            (Lines{"write 0", "done 0", "write 1 3", "done 1", "failed 2", "done 3"}));
}

TEST_F(CommitterTest, AfterAFailedWriteNobodyIsTold) {
  start();
  submit(0);
  entered.get_future().wait();
  submit(1);
  broken = true;
  release();
  EXPECT_EQ(record.wait_for(2), (Lines{"write 0", "fatal broken"}));
  submit(2);
  committer.reset();
  EXPECT_EQ(record.wait_for(0).size(), 2u);
}

TEST_F(CommitterTest, ClosingFinishesWhatIsQueued) {
  start();
  submit(0);
  entered.get_future().wait();
  submit(1);
  release();
  committer.reset();
  EXPECT_EQ(record.wait_for(4).back(), "done 1");
}

}  // namespace
}  // namespace wab::storage
