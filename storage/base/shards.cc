#include "storage/base/shards.h"

#include <pthread.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/base/log.h"

namespace wab {
namespace {

std::mutex hook_mutex;
SpawnHook spawn_hook;

void actor_failed(const char* actor, std::exception_ptr error) {
  const char* what = "unknown";
  std::string text;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    text = e.what();
    what = text.c_str();
  } catch (...) {
  }
  log_error("actor.failed", {{"actor", actor}, {"what", what}});
  SpawnHook hook;
  {
    std::lock_guard lock(hook_mutex);
    hook = spawn_hook;
  }
  if (hook) hook(actor, error);
}

awaitable<void> inside([[maybe_unused]] Gate::Pass pass, awaitable<void> work) {
  co_await std::move(work);
}

}  // namespace

struct Shards::Impl {
  struct Shard {
    boost::asio::io_context context{1};
    std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guard;
    std::thread thread;
    bool finished = false;
  };
  std::vector<std::unique_ptr<Shard>> shards;
  std::mutex mutex;
  std::condition_variable finished;
  bool running = false;

  bool all_finished() const {
    for (const auto& shard : shards) {
      if (!shard->finished) return false;
    }
    return true;
  }
  void loop(Shard& shard) {
    for (;;) {
      try {
        shard.context.run();
        break;
      } catch (...) {
        // A plain handler threw; coroutines have their own handler. The loop goes on.
        actor_failed("handler", std::current_exception());
      }
    }
    std::lock_guard lock(mutex);
    shard.finished = true;
    finished.notify_all();
  }
};

Shards::Shards(int count) : impl_(std::make_unique<Impl>()) {
  if (count <= 0) count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (int i = 0; i < count; ++i) {
    impl_->shards.push_back(std::make_unique<Impl::Shard>());
    auto& shard = *impl_->shards.back();
    shard.guard.emplace(shard.context.get_executor());
  }
}

Shards::~Shards() { stop(std::chrono::milliseconds(0)); }

size_t Shards::size() const { return impl_->shards.size(); }
boost::asio::io_context& Shards::at(size_t index) { return impl_->shards[index]->context; }
any_io_executor Shards::executor(size_t index) { return at(index).get_executor(); }
size_t Shards::shard_of(size_t hash) const { return hash % size(); }

void Shards::run() {
  impl_->running = true;
  for (size_t i = 0; i < size(); ++i) {
    auto& shard = *impl_->shards[i];
    shard.thread = std::thread([this, &shard] { impl_->loop(shard); });
    const std::string name = "shard-" + std::to_string(i);
    pthread_setname_np(shard.thread.native_handle(), name.c_str());
  }
}

bool Shards::stop(std::chrono::milliseconds grace) {
  if (!impl_->running) return true;
  impl_->running = false;
  for (auto& shard : impl_->shards) shard->guard.reset();
  bool orderly = false;
  {
    std::unique_lock lock(impl_->mutex);
    orderly = impl_->finished.wait_for(lock, grace, [this] { return impl_->all_finished(); });
  }
  for (auto& shard : impl_->shards) {
    shard->context.stop();
    shard->thread.join();
  }
  return orderly;
}

void spawn(any_io_executor on, awaitable<void> work, const char* actor) {
  boost::asio::co_spawn(std::move(on), std::move(work), [actor](std::exception_ptr error) {
    if (error) actor_failed(actor, error);
  });
}

bool spawn(any_io_executor on, Gate& gate, awaitable<void> work, const char* actor) {
  Gate::Pass pass = gate.enter();
  if (!pass) return false;
  spawn(std::move(on), inside(std::move(pass), std::move(work)), actor);
  return true;
}

void set_spawn_hook(SpawnHook hook) {
  std::lock_guard lock(hook_mutex);
  spawn_hook = std::move(hook);
}

}  // namespace wab
