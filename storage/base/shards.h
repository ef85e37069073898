// One event loop per core. What lives on a shard is touched by its thread alone: the loop is the
// lock. Work goes to another shard with on() and its result comes back as a value.
//
// Owned by main (or a test); dies after every actor, pool and store.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>

#include "storage/base/async.h"
#include "storage/base/gate.h"

namespace boost::asio {
class io_context;
}

namespace wab {

class Shards {
 public:
  explicit Shards(int count = 0);  // 0: one per core
  ~Shards();                       // stop() without grace
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  size_t size() const;
  boost::asio::io_context& at(size_t index);
  any_io_executor executor(size_t index);
  // Where the owner of this hash lives.
  size_t shard_of(size_t hash) const;

  // Starts the threads and returns. Once.
  void run();
  // Waits until every shard has run out of work, then joins. Whatever still waits after `grace` is
  // abandoned; false then. Not to be called on a shard.
  bool stop(std::chrono::milliseconds grace = std::chrono::seconds(10));

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Starts a coroutine that nobody awaits. An exception that leaves it is a bug: it is logged as the
// error "actor.failed" with the actor's name (a constant) and given to the hook.
void spawn(any_io_executor on, awaitable<void> work, const char* actor);
// The same, inside a gate. When the gate is closing the work is dropped unstarted; false then.
bool spawn(any_io_executor on, Gate& gate, awaitable<void> work, const char* actor);
// For tests and for the process-wide policy; called on the shard of the actor.
using SpawnHook = std::function<void(const char* actor, std::exception_ptr error)>;
void set_spawn_hook(SpawnHook hook);

namespace detail {

template <class T>
struct Outcome {
  std::optional<T> value;
  std::exception_ptr error;
};
template <>
struct Outcome<void> {
  std::exception_ptr error;
};

template <class T>
awaitable<void> carry(std::function<awaitable<T>()> work, OneShot<Outcome<T>> result) {
  Outcome<T> outcome;
  try {
    if constexpr (std::is_void_v<T>) {
      co_await work();
    } else {
      outcome.value.emplace(co_await work());
    }
  } catch (...) {
    outcome.error = std::current_exception();
  }
  work = nullptr;  // captures die on the shard that used them
  result.set(std::move(outcome));
}

}  // namespace detail

// Runs `work()` on another shard and comes back with its value; exceptions travel too. Captures
// must be safe to use there. Give `work` a name first (rules for coroutines): a lambda that calls a
// coroutine function with its captures as arguments, and is not a coroutine itself.
template <class T>
awaitable<T> on(any_io_executor there, std::function<awaitable<T>()> work) {
  auto here = co_await boost::asio::this_coro::executor;
  OneShot<detail::Outcome<T>> result(here);
  spawn(there, detail::carry<T>(std::move(work), result), "on");
  detail::Outcome<T> outcome = co_await result.wait();
  if (outcome.error) std::rethrow_exception(outcome.error);
  if constexpr (!std::is_void_v<T>) co_return std::move(*outcome.value);
}

}  // namespace wab
