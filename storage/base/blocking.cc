#include "storage/base/blocking.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/base/log.h"
#include "storage/base/metrics.h"

namespace wab {
namespace {

const char* pool_error_name(int code) {
  switch (static_cast<PoolError>(code)) {
    case PoolError::full:
      return "full";
    case PoolError::stopped:
      return "stopped";
    case PoolError::timeout:
      return "timeout";
  }
  return "?";
}

}  // namespace

const ErrorDomain& error_domain(PoolError) {
  static constexpr ErrorDomain domain{"pool", pool_error_name};
  return domain;
}

struct BlockingPool::Impl {
  Impl(const char* name, size_t queue_bound)
      : bound(queue_bound),
        refused(make_counter("waslo_pool_refused_total", "Jobs refused by a full pool.",
                             {{"pool", name}})),
        depth(make_gauge("waslo_pool_queue", "Jobs that wait for a thread.", {{"pool", name}})) {}

  const size_t bound;
  Counter refused;
  Gauge depth;
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> queue;
  bool stopping = false;
  std::vector<std::thread> threads;

  void work() {
    for (;;) {
      std::function<void()> job;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [this] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        job = std::move(queue.front());
        queue.pop_front();
      }
      depth.sub();
      try {
        job();
      } catch (const std::exception& e) {
        log_error("pool.job_failed", {{"what", e.what()}});
      }
    }
  }
};

BlockingPool::BlockingPool(const char* name, int threads, size_t queue_bound)
    : impl_(std::make_unique<Impl>(name, queue_bound)) {
  for (int i = 0; i < threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get()] { impl->work(); });
    pthread_setname_np(impl_->threads.back().native_handle(), std::string(name, 0, 15).c_str());
  }
}

BlockingPool::~BlockingPool() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  for (auto& thread : impl_->threads) thread.join();
}

bool BlockingPool::try_post(std::function<void()> job) {
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->stopping) return false;
    if (impl_->queue.size() >= impl_->bound) {
      impl_->refused.add();
      return false;
    }
    impl_->queue.push_back(std::move(job));
  }
  impl_->depth.add();
  impl_->wake.notify_one();
  return true;
}

size_t BlockingPool::queued() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->queue.size();
}

PoolError BlockingPool::refusal() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->stopping ? PoolError::stopped : PoolError::full;
}

}  // namespace wab
