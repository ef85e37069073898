// Sealing a running service: it ends its work as on SIGTERM and becomes another image of itself
// that holds no key and no tenant's data, because it has never seen any (sealed.h).
//
// Wiping what one knows of would leave copies in freed memory, in buffers of libraries and on
// stacks; execve() leaves none. The process id stays, so a supervisor sees nothing of it.
#pragma once

#include <functional>
#include <mutex>
#include <string>

namespace wab::bridge {

// Thrown by POST /v1/seal, heard by the service. One per process, because a process has one image.
class SealSwitch {
 public:
  static SealSwitch& of_process();
  // Any thread. Only the first time counts; without a listener nothing happens.
  void throw_it();
  // Called at most once, on the thread that throws. Null: nobody listens any more.
  void listen(std::function<void()> heard);

 private:
  std::mutex mutex_;
  std::function<void()> heard_;
};

// `serve --config FILE --sealed` in this process. Returns only when that cannot be.
void become_sealed(const std::string& config_path);

}  // namespace wab::bridge
