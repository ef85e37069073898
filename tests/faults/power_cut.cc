// A disk that keeps nothing which was not synced, for a process that is about to be killed.
//
//   LD_PRELOAD=libpower_cut.so POWER_CUT_DIR=/path/of/the/data waslo-bridge serve ...
//
// A SIGKILL leaves the page cache, so by itself it cannot show whether a sync happened. Loaded into
// the unmodified program, this library keeps what is written below POWER_CUT_DIR in the memory of
// the process until fsync or fdatasync of that file: the kill is then a power cut. Reads see the
// held bytes. Names, lengths and removals are durable at once, which is the harsher half of what a
// journalling file system does: the file is there, its content is not. POWER_CUT_TEAR=SEED lets
// the disk take a random beginning of what is held by itself, as real ones do (a torn write).
// A clean exit writes everything, like a system that shuts down.
//
// Not held: writes through mmap and through stdio's own buffers (the store uses neither).
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

template <typename F>
F* real(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

ssize_t real_pwrite(int fd, const void* data, size_t size, off_t at) {
  static const auto call = real<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return call(fd, data, size, at);
}
ssize_t real_pread(int fd, void* data, size_t size, off_t at) {
  static const auto call = real<ssize_t(int, void*, size_t, off_t)>("pread");
  return call(fd, data, size, at);
}

struct Piece {
  off_t at;
  std::string bytes;
};
using Inode = std::pair<dev_t, ino_t>;

// What one file would lose. A file nobody syncs must not eat the memory: beyond this the disk takes
// the oldest by itself.
struct Held {
  std::vector<Piece> pieces;
  size_t bytes = 0;
  std::string path;  // to write it at a clean exit
};
constexpr size_t kMostHeld = 64 << 20;

class Disk {
 public:
  // Leaked: other threads write while the process ends.
  static Disk& instance() {
    static Disk* disk = new Disk;
    return *disk;
  }

  // The file behind `fd` when it lies below the directory.
  bool watched(int fd, Inode& inode, std::string* path = nullptr) const {
    if (root_.empty()) return false;
    struct stat about {};
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) return false;
    char link[32], name[PATH_MAX];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(link, name, sizeof name);
    if (size <= 0 || std::string_view(name, size_t(size)).substr(0, root_.size()) != root_) {
      return false;
    }
    inode = {about.st_dev, about.st_ino};
    if (path != nullptr) path->assign(name, size_t(size));
    return true;
  }

  ssize_t write(int fd, const Inode& inode, const std::string& path, const void* data, size_t size,
                off_t at) {
    const std::lock_guard lock(mutex_);
    Held& held = held_[inode];
    held.path = path;
    held.pieces.push_back({at, std::string(static_cast<const char*>(data), size)});
    held.bytes += size;
    if (held.bytes > kMostHeld) {
      flush(fd, inode);
    } else if (tear_ != 0 && roll() % 8 == 0) {
      tear(fd, held);
    }
    return ssize_t(size);
  }

  ssize_t read(int fd, const Inode& inode, void* data, size_t size, off_t at) {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(inode);
    if (found == held_.end()) return real_pread(fd, data, size, at);
    struct stat about {};
    fstat(fd, &about);
    const off_t end = std::min<off_t>(at + off_t(size), std::max(about.st_size, end_of(inode)));
    if (end <= at) return 0;
    const size_t count = size_t(end - at);
    std::memset(data, 0, count);
    if (real_pread(fd, data, count, at) < 0) return -1;
    for (const Piece& piece : found->second.pieces) {
      const off_t from = std::max(at, piece.at);
      const off_t to = std::min<off_t>(end, piece.at + off_t(piece.bytes.size()));
      if (from >= to) continue;
      std::memcpy(static_cast<char*>(data) + (from - at), piece.bytes.data() + (from - piece.at),
                  size_t(to - from));
    }
    return ssize_t(count);
  }

  void sync(int fd, const Inode& inode) {
    const std::lock_guard lock(mutex_);
    flush(fd, inode);
  }

  void cut_short(const Inode& inode, off_t length) {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(inode);
    if (found == held_.end()) return;
    for (Piece& piece : found->second.pieces) {
      const off_t left = std::max<off_t>(0, length - piece.at);
      if (off_t(piece.bytes.size()) > left) piece.bytes.resize(size_t(left));
    }
  }

  // Its last name goes away: its number may be given to another file.
  void removed(const char* path) {
    struct stat about {};
    if (root_.empty() || lstat(path, &about) != 0 || about.st_nlink > 1) return;
    const std::lock_guard lock(mutex_);
    held_.erase({about.st_dev, about.st_ino});
  }

  void renamed(const char* path) {
    struct stat about {};
    if (root_.empty() || lstat(path, &about) != 0) return;
    const std::lock_guard lock(mutex_);
    const auto found = held_.find({about.st_dev, about.st_ino});
    if (found != held_.end()) found->second.path = path;
  }

  off_t end(const Inode& inode) {
    const std::lock_guard lock(mutex_);
    return end_of(inode);
  }

  void shut_down() {
    const std::lock_guard lock(mutex_);
    for (auto& [inode, held] : held_) {
      static const auto call = real<int(const char*, int, ...)>("open");
      const int fd = call(held.path.c_str(), O_WRONLY | O_CLOEXEC);
      struct stat about {};
      if (fd < 0) continue;
      if (fstat(fd, &about) == 0 && Inode{about.st_dev, about.st_ino} == inode) put(fd, held);
      ::close(fd);
    }
    held_.clear();
  }

 private:
  Disk() {
    if (const char* root = std::getenv("POWER_CUT_DIR")) {
      char whole[PATH_MAX];
      root_ = std::string(realpath(root, whole) != nullptr ? whole : root) + "/";
    }
    if (const char* seed = std::getenv("POWER_CUT_TEAR")) tear_ = std::strtoull(seed, nullptr, 10);
  }
  uint64_t roll() {
    tear_ ^= tear_ << 13;
    tear_ ^= tear_ >> 7;
    tear_ ^= tear_ << 17;
    return tear_ >> 11;
  }
  off_t end_of(const Inode& inode) const {
    off_t end = 0;
    const auto found = held_.find(inode);
    if (found == held_.end()) return 0;
    for (const Piece& piece : found->second.pieces) {
      end = std::max<off_t>(end, piece.at + off_t(piece.bytes.size()));
    }
    return end;
  }
  static void put(int fd, const Held& held) {
    for (const Piece& piece : held.pieces) {
      size_t done = 0;
      while (done < piece.bytes.size()) {
        const ssize_t wrote = real_pwrite(fd, piece.bytes.data() + done, piece.bytes.size() - done,
                                          piece.at + off_t(done));
        if (wrote <= 0) return;
        done += size_t(wrote);
      }
    }
  }
  void flush(int fd, const Inode& inode) {
    const auto found = held_.find(inode);
    if (found == held_.end()) return;
    put(fd, found->second);
    held_.erase(found);
  }
  void tear(int fd, const Held& held) {
    size_t take = roll() % (held.bytes + 1);
    for (const Piece& piece : held.pieces) {
      const size_t part = std::min(take, piece.bytes.size());
      if (part == 0) return;
      if (real_pwrite(fd, piece.bytes.data(), part, piece.at) < 0) return;
      take -= part;
    }
  }

  std::mutex mutex_;
  std::map<Inode, Held> held_;
  std::string root_;
  uint64_t tear_ = 0;
};

// Where the next write() or read() of `fd` happens.
off_t place(int fd) {
  const off_t at = lseek(fd, 0, SEEK_CUR);
  return at < 0 ? 0 : at;
}

__attribute__((destructor)) void shut_down() { Disk::instance().shut_down(); }

}  // namespace

extern "C" {

ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  Inode inode;
  std::string path;
  if (!Disk::instance().watched(fd, inode, &path)) return real_pwrite(fd, data, size, at);
  return Disk::instance().write(fd, inode, path, data, size, at);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  return pwrite(fd, data, size, at);
}

ssize_t write(int fd, const void* data, size_t size) {
  static const auto call = real<ssize_t(int, const void*, size_t)>("write");
  Inode inode;
  std::string path;
  if (!Disk::instance().watched(fd, inode, &path)) return call(fd, data, size);
  off_t at = place(fd);
  if ((fcntl(fd, F_GETFL) & O_APPEND) != 0) {
    struct stat about {};
    fstat(fd, &about);
    at = std::max(about.st_size, Disk::instance().end(inode));
  }
  Disk::instance().write(fd, inode, path, data, size, at);
  lseek(fd, at + off_t(size), SEEK_SET);
  return ssize_t(size);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  static const auto call = real<ssize_t(int, const iovec*, int)>("writev");
  Inode inode;
  if (!Disk::instance().watched(fd, inode)) return call(fd, parts, count);
  ssize_t all = 0;
  for (int i = 0; i < count; i++) all += write(fd, parts[i].iov_base, parts[i].iov_len);
  return all;
}

ssize_t pread(int fd, void* data, size_t size, off_t at) {
  Inode inode;
  if (!Disk::instance().watched(fd, inode)) return real_pread(fd, data, size, at);
  return Disk::instance().read(fd, inode, data, size, at);
}
ssize_t pread64(int fd, void* data, size_t size, off64_t at) { return pread(fd, data, size, at); }

ssize_t read(int fd, void* data, size_t size) {
  static const auto call = real<ssize_t(int, void*, size_t)>("read");
  Inode inode;
  if (!Disk::instance().watched(fd, inode)) return call(fd, data, size);
  const off_t at = place(fd);
  const ssize_t got = Disk::instance().read(fd, inode, data, size, at);
  if (got > 0) lseek(fd, at + got, SEEK_SET);
  return got;
}

int fsync(int fd) {
  static const auto call = real<int(int)>("fsync");
  Inode inode;
  if (Disk::instance().watched(fd, inode)) Disk::instance().sync(fd, inode);
  return call(fd);
}
int fdatasync(int fd) {
  static const auto call = real<int(int)>("fdatasync");
  Inode inode;
  if (Disk::instance().watched(fd, inode)) Disk::instance().sync(fd, inode);
  return call(fd);
}
// Starts writing, promises nothing.
int sync_file_range(int fd, off64_t at, off64_t size, unsigned flags) {
  static const auto call = real<int(int, off64_t, off64_t, unsigned)>("sync_file_range");
  Inode inode;
  return Disk::instance().watched(fd, inode) ? 0 : call(fd, at, size, flags);
}

int ftruncate(int fd, off_t length) {
  static const auto call = real<int(int, off_t)>("ftruncate");
  Inode inode;
  if (Disk::instance().watched(fd, inode)) Disk::instance().cut_short(inode, length);
  return call(fd, length);
}
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int unlink(const char* path) {
  static const auto call = real<int(const char*)>("unlink");
  Disk::instance().removed(path);
  return call(path);
}
int remove(const char* path) {
  static const auto call = real<int(const char*)>("remove");
  Disk::instance().removed(path);
  return call(path);
}
int rename(const char* from, const char* to) {
  static const auto call = real<int(const char*, const char*)>("rename");
  Disk::instance().removed(to);
  const int result = call(from, to);
  if (result == 0) Disk::instance().renamed(to);
  return result;
}

}  // extern "C"
