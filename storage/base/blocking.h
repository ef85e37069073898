// A bounded pool of threads for calls that block: disk, password hashing, name lookup.
//
// Owned by main, handed to actors by reference, dies before the shards. A constructor argument of
// type BlockingPool& tells the reader that the class blocks somewhere, and where.
//
//   auto work = [key = std::move(key), this] { return read(key); };       // runs on the pool
//   Result<Bytes> bytes = co_await pool.run(std::move(work));             // resumes on this shard
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <type_traits>

#include "storage/base/async.h"
#include "storage/base/result.h"

namespace wab {

enum class PoolError {
  full = 1,  // the queue is at its bound: wait, or refuse with 429/503
  stopped,
  timeout,  // the deadline passed; the call may still be running, its result is dropped
};
const ErrorDomain& error_domain(PoolError);

class BlockingPool {
 public:
  // `name` is a constant: thread name and metric label.
  BlockingPool(const char* name, int threads, size_t queue_bound);
  ~BlockingPool();  // runs what is queued, then joins
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  template <class R>
  struct Flat {
    using type = Result<R>;
  };
  template <class T>
  struct Flat<Result<T>> {
    using type = Result<T>;
  };

  // Result<R> for a function that answers R, the same Result for one that answers a Result. An
  // exception of `work` is thrown here again. `work` is destroyed on the pool's thread.
  template <class F>
  awaitable<typename Flat<std::invoke_result_t<F&>>::type> run(F work,
                                                               SteadyTime deadline = kNever);

  // Any thread. False when full or stopped.
  bool try_post(std::function<void()> job);
  size_t queued() const;

 private:
  PoolError refusal() const;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

template <class F>
awaitable<typename BlockingPool::Flat<std::invoke_result_t<F&>>::type> BlockingPool::run(
    F work, SteadyTime deadline) {
  using R = std::invoke_result_t<F&>;
  using Flattened = typename Flat<R>::type;
  struct Outcome {
    std::optional<Flattened> value;
    std::exception_ptr error;
  };
  auto here = co_await boost::asio::this_coro::executor;
  OneShot<Outcome> done(here);
  auto held = std::make_shared<F>(std::move(work));
  std::function<void()> job = [held = std::move(held), done]() mutable {
    Outcome outcome;
    try {
      if constexpr (std::is_void_v<R>) {
        (*held)();
        outcome.value.emplace();
      } else {
        outcome.value.emplace((*held)());
      }
    } catch (...) {
      outcome.error = std::current_exception();
    }
    held.reset();
    done.set(std::move(outcome));
  };
  if (!try_post(std::move(job))) co_return fail(refusal(), "pool");
  std::optional<Outcome> outcome = co_await done.wait_until(deadline);
  if (!outcome) co_return fail(PoolError::timeout, "pool");
  if (outcome->error) std::rethrow_exception(outcome->error);
  co_return std::move(*outcome->value);
}

}  // namespace wab
