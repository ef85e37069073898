// A disk that keeps nothing which was not synced, for a process that is about to be killed.
//
// A SIGKILL leaves the page cache, so by itself it cannot show whether a sync happened. While this
// holds, what is written below the directory stays in the memory of the process until fsync or
// fdatasync of that file: the kill is then a power cut. Reads see the held bytes. Names, lengths
// and removals are durable at once, which is the harsher half of what a journalling file system
// does: the file is there, its content is not. With `tear` the disk takes a random beginning of
// what is held by itself, as real ones do (a torn write). A clean exit writes everything, like a
// system that shuts down. One per process, any thread.
//
// Not held: writes through mmap and through stdio's own buffers (the store uses neither).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace faults {

using Inode = std::pair<dev_t, ino_t>;

class HeldDisk {
 public:
  explicit HeldDisk(uint64_t tear) : tear_(tear) {}

  ssize_t write(int fd, const Inode& inode, const std::string& path, const void* data, size_t size,
                off_t at);
  ssize_t read(int fd, const Inode& inode, void* data, size_t size, off_t at);
  void sync(int fd, const Inode& inode);
  void cut_short(const Inode& inode, off_t length);
  // Its last name goes away: its number may be given to another file.
  void removed(const char* path);
  void renamed(const char* to);
  off_t end(const Inode& inode);
  void shut_down();

 private:
  struct Piece {
    off_t at;
    std::string bytes;
  };
  struct Held {
    std::vector<Piece> pieces;
    size_t bytes = 0;
    std::string path;  // to write it at a clean exit
  };
  uint64_t roll();
  off_t end_of(const Inode& inode) const;
  static void put(int fd, const Held& held);
  void flush(int fd, const Inode& inode);
  void tear(int fd, const Held& held);

  std::mutex mutex_;
  std::map<Inode, Held> held_;
  uint64_t tear_;
};

// The calls of libc behind the ones that are interposed.
ssize_t real_pwrite(int fd, const void* data, size_t size, off_t at);
ssize_t real_pread(int fd, void* data, size_t size, off_t at);

}  // namespace faults
