#include "bridge/sealing.h"

#include <linux/close_range.h>
#include <unistd.h>

#include <utility>

namespace wab::bridge {

SealSwitch& SealSwitch::of_process() {
  static SealSwitch one;
  return one;
}

void SealSwitch::throw_it() {
  std::function<void()> heard;
  {
    const std::lock_guard lock(mutex_);
    heard = std::exchange(heard_, nullptr);
  }
  if (heard) heard();
}

void SealSwitch::listen(std::function<void()> heard) {
  const std::lock_guard lock(mutex_);
  heard_ = std::move(heard);
}

void become_sealed(const std::string& config_path) {
  // Not closed here: threads that still wait on some of them must not see them go.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  const char* const arguments[] = {"waslo-bridge",      "serve",    "--config",
                                   config_path.c_str(), "--sealed", nullptr};
  ::execv("/proc/self/exe", const_cast<char* const*>(arguments));
}

}  // namespace wab::bridge
