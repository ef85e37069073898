#include "storage/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "storage/kill_point.h"
#include "storage/store.h"

namespace wab::storage {
namespace {

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

bool write_all(int fd, ByteView content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    content = content.subspan(static_cast<size_t>(n));
  }
  return true;
}

Result<void> sync_parent(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const Fd dir(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir.valid() || ::fsync(dir.get()) != 0) return fail(StoreError::io, "directory sync");
  return ok();
}

Result<void> write_new(const std::string& path, ByteView content, int flags) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600));
  if (!file.valid()) return fail(StoreError::io, "key file create");
  if (::fchmod(file.get(), 0600) != 0 || !write_all(file.get(), content)) {
    return fail(StoreError::io, "key file write");
  }
  if (::fsync(file.get()) != 0) return fail(StoreError::io, "key file sync");
  return ok();
}

bool overwrite(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return false;
  const Bytes zeros(static_cast<size_t>(info.st_size), 0);
  return write_all(fd, zeros) && ::fsync(fd) == 0;
}

Result<void> destroy_one(const std::string& path) {
  {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file.valid()) {
      return errno == ENOENT ? Result<void>() : fail(StoreError::io, "key file open");
    }
    if (!overwrite(file.get())) return fail(StoreError::io, "key file overwrite");
  }
  kill_point("key file overwritten");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(StoreError::io, "key unlink");
  return ok();
}

}  // namespace

Result<Bytes> read_file(const std::string& path, size_t limit) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return errno == ENOENT ? fail(StoreError::not_found, "file open")
                           : fail(StoreError::io, "file open");
  }
  Bytes content(limit + 1);
  size_t have = 0;
  while (have < content.size()) {
    const ssize_t n = ::read(file.get(), content.data() + have, content.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(StoreError::io, "file read");
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  if (have > limit) {
    wipe(content);
    return fail(StoreError::io, "file too long");
  }
  content.resize(have);
  return content;
}

Result<void> write_file_atomic(const std::string& path, ByteView content) {
  const std::string temporary = path + ".tmp";
  TRY_VOID(write_new(temporary, content, O_TRUNC));
  kill_point("key file written beside");
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return fail(StoreError::io, "key file rename");
  }
  return sync_parent(path);
}

Result<void> replace_file(const std::string& path, ByteView content) {
  const Fd old(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  TRY_VOID(write_file_atomic(path, content));
  kill_point("key file replaced");
  // The new one is in force either way; what cannot be overwritten is at least unlinked.
  if (old.valid()) (void)overwrite(old.get());
  return ok();
}

Result<void> create_file(const std::string& path, ByteView content) {
  TRY_VOID(write_new(path, content, O_EXCL));
  return sync_parent(path);
}

Result<void> destroy_file(const std::string& path) {
  TRY_VOID(destroy_one(path + ".tmp"));
  TRY_VOID(destroy_one(path));
  return sync_parent(path);
}

Result<void> make_private_directory(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return ok();
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty() && parent != path) TRY_VOID(make_private_directory(parent));
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail(StoreError::io, "mkdir");
  return sync_parent(path);
}

bool file_exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

bool on_same_volume(const std::string& a, const std::string& b) {
  struct stat first {
  }, second{};
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev;
}

}  // namespace wab::storage
