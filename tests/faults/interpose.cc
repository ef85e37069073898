// Faults for the unmodified service, put between it and the kernel.
//
//   LD_PRELOAD=libfaults.so FAULT_DIR=/path/of/the/data [FAULT_...] waslo-bridge serve ...
//
//   FAULT_HOLD=1        what is not synced is lost when the process is killed (held_disk.h)
//   FAULT_TEAR=SEED     and may be torn
//   FAULT_AT=N          the Nth call that anybody outside could notice (trigger.h) ...
//   FAULT_DO=WHAT       ... kill_before, kill_after; the first of the disk from there: eio, enospc;
//                       all of the disk from there: eio_from, enospc_from, half (short writes)
//   FAULT_CLOCK=SECONDS the time of day is off by so much, from the start of the process
//   FAULT_COUNTER=FILE  holds the number of such calls so far, as 8 bytes
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>

#include "tests/faults/held_disk.h"
#include "tests/faults/trigger.h"

namespace faults {
namespace {

template <typename F>
F* real(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

ssize_t real_pwrite(int fd, const void* data, size_t size, off_t at) {
  static const auto call = real<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return call(fd, data, size, at);
}
ssize_t real_pread(int fd, void* data, size_t size, off_t at) {
  static const auto call = real<ssize_t(int, void*, size_t, off_t)>("pread");
  return call(fd, data, size, at);
}

namespace {

// A file below the directory.
struct File {
  Inode inode;
  std::string path;
};

struct Faults {
  // Leaked: other threads write while the process ends.
  static Faults& instance() {
    static Faults* faults = new Faults;
    return *faults;
  }
  Faults() {
    if (const char* root = std::getenv("FAULT_DIR")) {
      char whole[PATH_MAX];
      directory = std::string(realpath(root, whole) != nullptr ? whole : root) + "/";
    }
    if (const char* off = std::getenv("FAULT_CLOCK")) clock_off = std::strtoll(off, nullptr, 10);
    const char* tear = std::getenv("FAULT_TEAR");
    if (std::getenv("FAULT_HOLD") != nullptr) {
      held = std::make_unique<HeldDisk>(tear != nullptr ? std::strtoull(tear, nullptr, 10) : 0);
    }
  }
  std::optional<File> file(int fd) const {
    if (directory.empty()) return std::nullopt;
    struct stat about {};
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) return std::nullopt;
    char link[32], name[PATH_MAX];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(link, name, sizeof name);
    if (size <= 0) return std::nullopt;
    const std::string_view path(name, static_cast<size_t>(size));
    if (!below(path)) return std::nullopt;
    return File{{about.st_dev, about.st_ino}, std::string(path)};
  }
  bool below(std::string_view path) const {
    return !directory.empty() && path.substr(0, directory.size()) == directory;
  }

  std::string directory;
  time_t clock_off = 0;
  Trigger trigger;
  std::unique_ptr<HeldDisk> held;
};

Faults& faults_() { return Faults::instance(); }

// One counted call: `work` is what it does when nothing is wrong.
template <typename Work>
auto counted(Call call, Work work) -> decltype(work()) {
  Trigger& trigger = faults_().trigger;
  const auto verdict = trigger.before(call);
  if (verdict == Trigger::Verdict::fail) {
    errno = trigger.error();
    return -1;
  }
  const auto result = work();
  if (verdict == Trigger::Verdict::kill_after) Trigger::die();
  return result;
}

// The same for a write, which may be cut in half.
template <typename Work>
ssize_t counted_write(size_t size, Work work) {
  Trigger& trigger = faults_().trigger;
  const auto verdict = trigger.before(Call::write);
  if (verdict == Trigger::Verdict::fail) {
    errno = trigger.error();
    return -1;
  }
  const ssize_t result =
      work(verdict == Trigger::Verdict::half && size > 1 ? size - size / 2 : size);
  if (verdict == Trigger::Verdict::kill_after) Trigger::die();
  return result;
}

// Where the next write() or read() of `fd` happens.
off_t place(int fd) {
  const off_t at = lseek(fd, 0, SEEK_CUR);
  return at < 0 ? 0 : at;
}

ssize_t write_at(int fd, const File& file, const void* data, size_t size, off_t at) {
  HeldDisk* held = faults_().held.get();
  return held != nullptr ? held->write(fd, file.inode, file.path, data, size, at)
                         : real_pwrite(fd, data, size, at);
}

__attribute__((destructor)) void shut_down() {
  if (faults_().held) faults_().held->shut_down();
}

}  // namespace
}  // namespace faults

using namespace faults;  // NOLINT: the rest is the C library's name space

extern "C" {

ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  const auto file = faults_().file(fd);
  if (!file) return real_pwrite(fd, data, size, at);
  return counted_write(size, [&](size_t part) { return write_at(fd, *file, data, part, at); });
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  return pwrite(fd, data, size, at);
}

ssize_t write(int fd, const void* data, size_t size) {
  static const auto call = real<ssize_t(int, const void*, size_t)>("write");
  const auto file = faults_().file(fd);
  if (!file) return call(fd, data, size);
  return counted_write(size, [&](size_t part) {
    off_t at = place(fd);
    if ((fcntl(fd, F_GETFL) & O_APPEND) != 0) {
      struct stat about {};
      fstat(fd, &about);
      at = about.st_size;
      if (faults_().held) at = std::max(at, faults_().held->end(file->inode));
    }
    const ssize_t wrote = write_at(fd, *file, data, part, at);
    if (wrote > 0) lseek(fd, at + wrote, SEEK_SET);
    return wrote;
  });
}

ssize_t writev(int fd, const iovec* parts, int count) {
  static const auto call = real<ssize_t(int, const iovec*, int)>("writev");
  if (!faults_().file(fd)) return call(fd, parts, count);
  ssize_t all = 0;
  for (int i = 0; i < count; i++) {
    const ssize_t wrote = write(fd, parts[i].iov_base, parts[i].iov_len);
    if (wrote < 0) return all > 0 ? all : -1;
    all += wrote;
    if (static_cast<size_t>(wrote) < parts[i].iov_len) break;
  }
  return all;
}

ssize_t pread(int fd, void* data, size_t size, off_t at) {
  const auto file = faults_().held ? faults_().file(fd) : std::nullopt;
  return file ? faults_().held->read(fd, file->inode, data, size, at)
              : real_pread(fd, data, size, at);
}
ssize_t pread64(int fd, void* data, size_t size, off64_t at) { return pread(fd, data, size, at); }

ssize_t read(int fd, void* data, size_t size) {
  static const auto call = real<ssize_t(int, void*, size_t)>("read");
  const auto file = faults_().held ? faults_().file(fd) : std::nullopt;
  if (!file) return call(fd, data, size);
  const off_t at = place(fd);
  const ssize_t got = faults_().held->read(fd, file->inode, data, size, at);
  if (got > 0) lseek(fd, at + got, SEEK_SET);
  return got;
}

int fsync(int fd) {
  static const auto call = real<int(int)>("fsync");
  const auto file = faults_().file(fd);
  if (!file) return call(fd);
  return counted(Call::sync, [&] {
    if (faults_().held) faults_().held->sync(fd, file->inode);
    return call(fd);
  });
}
int fdatasync(int fd) {
  static const auto call = real<int(int)>("fdatasync");
  const auto file = faults_().file(fd);
  if (!file) return call(fd);
  return counted(Call::sync, [&] {
    if (faults_().held) faults_().held->sync(fd, file->inode);
    return call(fd);
  });
}
// Starts writing, promises nothing.
int sync_file_range(int fd, off64_t at, off64_t size, unsigned flags) {
  static const auto call = real<int(int, off64_t, off64_t, unsigned)>("sync_file_range");
  return faults_().held && faults_().file(fd) ? 0 : call(fd, at, size, flags);
}

int ftruncate(int fd, off_t length) {
  static const auto call = real<int(int, off_t)>("ftruncate");
  const auto file = faults_().held ? faults_().file(fd) : std::nullopt;
  if (file) faults_().held->cut_short(file->inode, length);
  return call(fd, length);
}
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int unlink(const char* path) {
  static const auto call = real<int(const char*)>("unlink");
  if (!faults_().below(path)) return call(path);
  return counted(Call::name, [&] {
    if (faults_().held) faults_().held->removed(path);
    return call(path);
  });
}
int remove(const char* path) {
  static const auto call = real<int(const char*)>("remove");
  if (!faults_().below(path)) return call(path);
  return counted(Call::name, [&] {
    if (faults_().held) faults_().held->removed(path);
    return call(path);
  });
}
int rename(const char* from, const char* to) {
  static const auto call = real<int(const char*, const char*)>("rename");
  if (!faults_().below(to)) return call(from, to);
  return counted(Call::name, [&] {
    if (faults_().held) faults_().held->removed(to);
    const int result = call(from, to);
    if (result == 0 && faults_().held) faults_().held->renamed(to);
    return result;
  });
}

int clock_gettime(clockid_t clock, timespec* now) {
  static const auto call = real<int(clockid_t, timespec*)>("clock_gettime");
  const int result = call(clock, now);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
    now->tv_sec += faults_().clock_off;
  }
  return result;
}
int gettimeofday(timeval* now, void* zone) {
  static const auto call = real<int(timeval*, void*)>("gettimeofday");
  const int result = call(now, zone);
  now->tv_sec += faults_().clock_off;
  return result;
}
time_t time(time_t* out) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

ssize_t send(int fd, const void* data, size_t size, int flags) {
  static const auto call = real<ssize_t(int, const void*, size_t, int)>("send");
  return counted(Call::send, [&] { return call(fd, data, size, flags); });
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static const auto call = real<ssize_t(int, const msghdr*, int)>("sendmsg");
  return counted(Call::send, [&] { return call(fd, message, flags); });
}

}  // extern "C"
