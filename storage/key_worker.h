// The thread that changes keys in the background: one job after another, each in bounded steps.
//
// Starts with the first job. A job that waits asks stopping() and gives up; what it did is on the
// disk, and the next opening of the store goes on there.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace wab::storage {

class KeyWorker {
 public:
  KeyWorker() = default;
  ~KeyWorker() { stop(); }
  KeyWorker(const KeyWorker&) = delete;
  KeyWorker& operator=(const KeyWorker&) = delete;

  // Any thread. Dropped after stop(). `job` is destroyed on the worker's thread.
  void post(std::function<void()> job);
  // Waits for the running job, drops the others.
  void stop();
  bool stopping() const;
  // Until no job is left. For commands and tests.
  void wait_idle();
  // On the worker's thread: a pause that stop() ends.
  void pause(std::chrono::steady_clock::duration how_long);

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool busy_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace wab::storage
