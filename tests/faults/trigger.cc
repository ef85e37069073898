#include "tests/faults/trigger.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace faults {

Trigger::Trigger() {
  if (const char* at = std::getenv("FAULT_AT")) at_ = std::strtoull(at, nullptr, 10);
  const char* text = std::getenv("FAULT_DO");
  const std::string_view deed = text != nullptr ? text : "";
  if (deed == "kill_before") deed_ = Deed::kill_before;
  if (deed == "kill_after") deed_ = Deed::kill_after;
  if (deed == "half") deed_ = Deed::half;
  if (deed == "eio" || deed == "eio_from") error_ = EIO;
  if (deed == "enospc" || deed == "enospc_from") error_ = ENOSPC;
  if (error_ != 0) deed_ = deed.ends_with("_from") ? Deed::fail_on : Deed::fail;
  if (const char* path = std::getenv("FAULT_COUNTER")) {
    const int fd = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    // Not ftruncate(): it is interposed, and its own setting up is what runs here.
    if (fd < 0 || ::syscall(SYS_ftruncate, fd, sizeof(uint64_t)) != 0) return;
    void* page = ::mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) count_ = static_cast<std::atomic<uint64_t>*>(page);
    ::close(fd);
    count_->store(0);
  }
}

Trigger::Verdict Trigger::before(Call call) {
  const uint64_t number = count_->fetch_add(1) + 1;
  const bool disk = call == Call::write || call == Call::sync;
  switch (deed_) {
    case Deed::nothing:
      return Verdict::go;
    case Deed::kill_before:
      if (number == at_) die();
      return Verdict::go;
    case Deed::kill_after:
      return number == at_ ? Verdict::kill_after : Verdict::go;
    case Deed::fail:
      // The first of the disk from there on: a socket's errors are the network's.
      if (!disk || number < at_) return Verdict::go;
      deed_ = Deed::nothing;
      return Verdict::fail;
    case Deed::fail_on:
      return disk && number >= at_ ? Verdict::fail : Verdict::go;
    case Deed::half:
      return call == Call::write && number >= at_ ? Verdict::half : Verdict::go;
  }
  return Verdict::go;
}

void Trigger::die() {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

}  // namespace faults
