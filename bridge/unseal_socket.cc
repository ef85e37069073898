#include "bridge/unseal_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace wab::bridge {
namespace {

constexpr const char* kName = "unseal";
constexpr uint32_t kMostKey = 1024;  // as a passphrase may be
constexpr int kPatience = 5;         // seconds for a request
constexpr int kAnswer = 120;         // and for its answer: a passphrase is slow, a command may be

// Names of sockets are short, directories are not: the directory is named by a descriptor.
class Place {
 public:
  explicit Place(const std::string& directory)
      : fd_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    address_.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(fd_) + "/" + kName;
    std::memcpy(address_.sun_path, path.c_str(), path.size() + 1);
  }
  ~Place() {
    if (fd_ >= 0) ::close(fd_);
  }
  Place(const Place&) = delete;
  bool valid() const { return fd_ >= 0; }
  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&address_); }
  void remove() const { ::unlinkat(fd_, kName, 0); }

 private:
  int fd_;
  sockaddr_un address_{};
};

void limit_time(int fd, int seconds) {
  const timeval limit{seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

bool read_all(int fd, MutableBytes into) {
  while (!into.empty()) {
    const ssize_t n = ::recv(fd, into.data(), into.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    into = into.subspan(static_cast<size_t>(n));
  }
  return true;
}

bool write_all(int fd, ByteView all) {
  while (!all.empty()) {
    const ssize_t n = ::send(fd, all.data(), all.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    all = all.subspan(static_cast<size_t>(n));
  }
  return true;
}

bool is_ours(int connection) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == ::geteuid() || peer.uid == 0);
}

}  // namespace

tl::expected<void, std::string> UnsealSocket::open(const std::string& directory) {
  directory_ = directory;
  const Place place(directory);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (!place.valid() || stop_ < 0 || listening_ < 0) {
    return tl::unexpected("storage.path: cannot open " + directory);
  }
  place.remove();
  const mode_t before = ::umask(0177);
  const int bound = ::bind(listening_, place.address(), sizeof(sockaddr_un));
  ::umask(before);
  if (bound != 0 || ::listen(listening_, 4) != 0) {
    return tl::unexpected("storage.path: cannot make a socket in " + directory);
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

UnsealSocket::~UnsealSocket() { close(); }

void UnsealSocket::close() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    (void)!::write(stop_, &one, sizeof one);
    thread_.join();
    Place(directory_).remove();
  }
  for (int* fd : {&listening_, &stop_}) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }
}

void UnsealSocket::run() {
  for (;;) {
    pollfd both[] = {{listening_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (::poll(both, 2, -1) < 0 && errno != EINTR) return;
    if (both[1].revents != 0) return;
    if ((both[0].revents & POLLIN) == 0) continue;
    const int connection = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    if (is_ours(connection)) serve(connection);
    ::close(connection);
  }
}

void UnsealSocket::serve(int connection) {
  limit_time(connection, kPatience);
  ByteArray<4> size{};
  if (!read_all(connection, size) || read_be32(size) > kMostKey) return;
  Bytes key(read_be32(size));
  const bool whole = read_all(connection, key);
  LockedSecret given(key);
  wipe(key);
  if (!whole) return;
  const std::string wrong = judge_(std::move(given));
  write_all(connection, view((wrong.empty() ? "ok" : wrong) + "\n"));
}

std::string ask_to_unseal(const std::string& directory, const LockedSecret* given) {
  const Place place(directory);
  const int fd = place.valid() ? ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
  if (fd < 0) return "cannot open " + directory + "; run this as the user of the service";
  std::string answer;
  if (::connect(fd, place.address(), sizeof(sockaddr_un)) != 0) {
    answer = errno == EACCES
                 ? "not allowed; run this as the user of the service"
                 : "no sealed service at " + directory + "; is it running, and is it sealed?";
  } else {
    limit_time(fd, kAnswer);
    const ByteView key = given != nullptr ? given->reveal() : ByteView();
    const auto size = be32(static_cast<uint32_t>(key.size()));
    uint8_t next = 0;
    if (write_all(fd, size) && write_all(fd, key)) {
      while (answer.size() < 4096 && read_all(fd, {&next, 1}) && next != '\n') {
        answer.push_back(static_cast<char>(next));
      }
    }
    if (answer.empty()) answer = "the service did not answer; look at its log";
  }
  ::close(fd);
  return answer == "ok" ? "" : answer;
}

}  // namespace wab::bridge
