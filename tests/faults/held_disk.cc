#include "tests/faults/held_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace faults {
namespace {

// A file nobody syncs must not eat the memory: beyond this the disk takes the oldest by itself.
constexpr size_t kMostHeld = 64 << 20;

}  // namespace

ssize_t HeldDisk::write(int fd, const Inode& inode, const std::string& path, const void* data,
                        size_t size, off_t at) {
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

ssize_t HeldDisk::read(int fd, const Inode& inode, void* data, size_t size, off_t at) {
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

void HeldDisk::sync(int fd, const Inode& inode) {
  const std::lock_guard lock(mutex_);
  flush(fd, inode);
}

void HeldDisk::cut_short(const Inode& inode, off_t length) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(inode);
  if (found == held_.end()) return;
  for (Piece& piece : found->second.pieces) {
    const off_t left = std::max<off_t>(0, length - piece.at);
    if (off_t(piece.bytes.size()) > left) piece.bytes.resize(size_t(left));
  }
}

void HeldDisk::removed(const char* path) {
  struct stat about {};
  if (lstat(path, &about) != 0 || about.st_nlink > 1) return;
  const std::lock_guard lock(mutex_);
  held_.erase({about.st_dev, about.st_ino});
}

void HeldDisk::renamed(const char* path) {
  struct stat about {};
  if (lstat(path, &about) != 0) return;
  const std::lock_guard lock(mutex_);
  const auto found = held_.find({about.st_dev, about.st_ino});
  if (found != held_.end()) found->second.path = path;
}

off_t HeldDisk::end(const Inode& inode) {
  const std::lock_guard lock(mutex_);
  return end_of(inode);
}

void HeldDisk::shut_down() {
  const std::lock_guard lock(mutex_);
  for (auto& [inode, held] : held_) {
    const int fd = ::open(held.path.c_str(), O_WRONLY | O_CLOEXEC);
    struct stat about {};
    if (fd < 0) continue;
    if (fstat(fd, &about) == 0 && Inode{about.st_dev, about.st_ino} == inode) put(fd, held);
    ::close(fd);
  }
  held_.clear();
}

uint64_t HeldDisk::roll() {
  tear_ ^= tear_ << 13;
  tear_ ^= tear_ >> 7;
  tear_ ^= tear_ << 17;
  return tear_ >> 11;
}

off_t HeldDisk::end_of(const Inode& inode) const {
  off_t end = 0;
  const auto found = held_.find(inode);
  if (found == held_.end()) return 0;
  for (const Piece& piece : found->second.pieces) {
    end = std::max<off_t>(end, piece.at + off_t(piece.bytes.size()));
  }
  return end;
}

void HeldDisk::put(int fd, const Held& held) {
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

void HeldDisk::flush(int fd, const Inode& inode) {
  const auto found = held_.find(inode);
  if (found == held_.end()) return;
  put(fd, found->second);
  held_.erase(found);
}

void HeldDisk::tear(int fd, const Held& held) {
  size_t take = roll() % (held.bytes + 1);
  for (const Piece& piece : held.pieces) {
    const size_t part = std::min(take, piece.bytes.size());
    if (part == 0) return;
    if (real_pwrite(fd, piece.bytes.data(), part, piece.at) < 0) return;
    take -= part;
  }
}

}  // namespace faults
