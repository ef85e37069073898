// Runs a coroutine to its end on a loop of its own: for tests that await something.
//
//   run_async([] { return the_test(); });            // the_test is a coroutine function
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>

#include "storage/base/async.h"

namespace wab::test {

// Runs `loop` until `work` has ended; other work on it may go on and is left suspended. Rethrows
// what `work` throws. Fails the test after `limit`.
void run_on(boost::asio::io_context& loop, std::function<awaitable<void>()> work,
            std::chrono::seconds limit = std::chrono::seconds(30));
void run_async(std::function<awaitable<void>()> work,
               std::chrono::seconds limit = std::chrono::seconds(30));

// A deadline far enough for anything local.
inline SteadyTime soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(20); }
inline SteadyTime in_ms(int ms) {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
}

}  // namespace wab::test
