#include "bridge/liveness.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace wab::bridge {

using std::chrono::duration_cast;
using std::chrono::microseconds;

Liveness::Liveness(Shards& watched) : watched_(watched) {
  for (size_t i = 0; i < watched.size(); ++i) loops_.push_back(std::make_shared<Loop>());
}

void Liveness::look(SteadyTime now) {
  for (size_t i = 0; i < loops_.size(); ++i) {
    const auto loop = loops_[i];
    if (loop->waiting.load()) continue;
    loop->asked = now;
    loop->waiting = true;
    boost::asio::post(watched_.at(i), [loop, now] {
      const auto took = duration_cast<microseconds>(std::chrono::steady_clock::now() - now);
      loop->took_us = std::max<int64_t>(0, took.count());
      loop->waiting = false;
    });
  }
}

std::string Liveness::stuck(SteadyTime now, std::chrono::milliseconds limit) const {
  std::string out;
  for (size_t i = 0; i < loops_.size(); ++i) {
    if (!loops_[i]->waiting.load() || now - loops_[i]->asked < limit) continue;
    out += (out.empty() ? "event loop " : ", event loop ") + std::to_string(i);
  }
  return out.empty() ? "" : out + " does not answer";
}

microseconds Liveness::lag(SteadyTime now) const {
  microseconds longest{0};
  for (const auto& loop : loops_) {
    const auto last = microseconds(loop->took_us.load());
    const auto running =
        loop->waiting.load() ? duration_cast<microseconds>(now - loop->asked) : microseconds{0};
    longest = std::max({longest, last, running});
  }
  return longest;
}

}  // namespace wab::bridge
