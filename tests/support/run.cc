#include "tests/support/run.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

namespace wab::test {

void run_on(boost::asio::io_context& loop, std::function<awaitable<void>()> work,
            std::chrono::seconds limit) {
  bool done = false;
  std::exception_ptr error;
  boost::asio::co_spawn(loop, work(), [&](std::exception_ptr e) {
    error = e;
    done = true;
    loop.stop();
  });
  loop.restart();
  loop.run_for(limit);
  if (error) std::rethrow_exception(error);
  EXPECT_TRUE(done) << "the coroutine did not end";
}

void run_async(std::function<awaitable<void>()> work, std::chrono::seconds limit) {
  boost::asio::io_context loop(1);
  run_on(loop, std::move(work), limit);
}

}  // namespace wab::test
