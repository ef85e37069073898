#include "session/wire/descriptors.h"

#include <sys/resource.h>

#include <atomic>
#include <chrono>

#include "storage/base/log.h"

namespace wab::wire {
namespace {

constexpr int64_t kQuietSeconds = 10;

void say_it() {
  static std::atomic<int64_t> said{-kQuietSeconds};
  const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                          std::chrono::steady_clock::now().time_since_epoch())
                          .count();
  int64_t before = said;
  if (now - before < kQuietSeconds || !said.compare_exchange_strong(before, now)) return;
  log_warn("wire.descriptors_short",
           {{"advice",
             "nearly all descriptors are in use and connections are closed at once; "
             "raise the limit (LimitNOFILE=65536)"}});
}

}  // namespace

bool may_keep_socket(int fd, uint64_t limit) {
  if (limit < kFewestDescriptors) return true;
  return fd >= 0 && static_cast<uint64_t>(fd) + kKeptForTheStore < limit;
}

bool may_keep_socket(int fd) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || may_keep_socket(fd, files.rlim_cur)) return true;
  say_it();
  return false;
}

}  // namespace wab::wire
