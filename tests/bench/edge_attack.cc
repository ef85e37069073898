// Bad requests at a wished rate from one address, and what becomes of them.
//
//   edge_attack PORT FROM_ADDRESS RATE SECONDS
//
// Four kinds in turn: a token that does not exist, an address that does not exist, two lengths (not
// HTTP at all), a login with nonsense. A request goes out on a connection that can be written; when
// none can, or the service has closed them, on a new one. One thread, no waiting for answers: the
// rate is kept whatever the service does. The last line is JSON.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxOpen = 256;  // four times what the service allows one address
constexpr int kMaxConnectsPerTick = 64;

const std::array<std::string, 4>& bad_requests() {
  static const std::string token(36, 'A');
  static const std::array<std::string, 4> all = {
      "GET /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wab_live_" + token +
          "\r\n\r\n",
      "GET /v1/nothing/here HTTP/1.1\r\nHost: x\r\n\r\n",
      "POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      "POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Content-Length: 9\r\n\r\n{\"a\":1e9}"};
  return all;
}

struct Counts {
  uint64_t sent = 0, connects = 0, refused = 0, unsent = 0, ok = 0, client_errors = 0, limited = 0,
           server_errors = 0;
};

class Attack {
 public:
  Attack(uint16_t port, const char* from) : epoll_(epoll_create1(0)) {
    to_.sin_family = from_.sin_family = AF_INET;
    to_.sin_port = htons(port);
    inet_pton(AF_INET, "127.0.0.1", &to_.sin_addr);
    inet_pton(AF_INET, from, &from_.sin_addr);
  }

  void run(uint64_t rate, double seconds) {
    const auto start = Clock::now();
    for (;;) {
      const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
      if (elapsed >= seconds) break;
      const auto due = static_cast<uint64_t>(elapsed * static_cast<double>(rate));
      int connects = 0;
      while (counts.sent + counts.unsent < due) {
        if (!send_one(connects)) ++counts.unsent;
      }
      collect();
    }
    for (const int fd : all_) close(fd);
  }

  Counts counts;

 private:
  bool send_one(int& connects) {
    const std::string& request = bad_requests()[next_++ % bad_requests().size()];
    while (!writable_.empty()) {
      const int fd = writable_[next_ % writable_.size()];
      const ssize_t size = ::send(fd, request.data(), request.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size == static_cast<ssize_t>(request.size())) {
        ++counts.sent;
        return true;
      }
      // Full, or cut in the middle of a request: of no more use.
      if (size >= 0 || errno != EAGAIN) {
        forget(fd);
      } else {
        std::erase(writable_, fd);
      }
    }
    if (static_cast<int>(all_.size()) >= kMaxOpen || connects >= kMaxConnectsPerTick) return false;
    ++connects;
    open_one();
    return false;
  }
  void open_one() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    const linger at_once{1, 0};  // no port is kept waiting
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    bind(fd, reinterpret_cast<sockaddr*>(&from_), sizeof(from_));
    const int done = connect(fd, reinterpret_cast<sockaddr*>(&to_), sizeof(to_));
    if (done != 0 && errno != EINPROGRESS) {
      ++counts.refused;
      close(fd);
      return;
    }
    ++counts.connects;
    all_.push_back(fd);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  void forget(int fd) {
    std::erase(writable_, fd);
    std::erase(all_, fd);
    close(fd);
  }
  void collect() {
    std::array<epoll_event, 256> events;
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      const uint32_t what = events[static_cast<size_t>(i)].events;
      bool over = (what & (EPOLLERR | EPOLLHUP)) != 0;
      while (!over) {
        const ssize_t size = ::recv(fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
        if (size > 0) {
          count_answers({buffer_.data(), static_cast<size_t>(size)});
          continue;
        }
        over = size == 0 || errno != EAGAIN;
        break;
      }
      if (over) {
        forget(fd);
      } else if ((what & EPOLLOUT) != 0) {
        std::erase(writable_, fd);
        writable_.push_back(fd);
      }
    }
  }
  void count_answers(std::string_view text) {
    constexpr std::string_view kStart = "HTTP/1.1 ";
    for (size_t at = text.find(kStart); at != std::string_view::npos;
         at = text.find(kStart, at + 1)) {
      const std::string_view status = text.substr(at + kStart.size(), 3);
      if (status == "429") {
        ++counts.limited;
      } else if (status.starts_with('4')) {
        ++counts.client_errors;
      } else if (status.starts_with('5')) {
        ++counts.server_errors;
      } else {
        ++counts.ok;
      }
    }
  }

  int epoll_;
  sockaddr_in to_{}, from_{};
  std::vector<int> all_, writable_;
  std::array<char, 64 * 1024> buffer_;
  size_t next_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: edge_attack PORT FROM_ADDRESS RATE SECONDS\n");
    return 2;
  }
  Attack attack(static_cast<uint16_t>(std::atoi(argv[1])), argv[2]);
  const double seconds = std::atof(argv[4]);
  attack.run(static_cast<uint64_t>(std::atoll(argv[3])), seconds);
  const Counts& n = attack.counts;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  std::printf(
      "{\"seconds\": %.3f, \"sent\": %llu, \"unsent\": %llu, \"connects\": %llu, \"refused\": "
      "%llu, "
      "\"ok\": %llu, \"client_errors\": %llu, \"limited\": %llu, \"server_errors\": %llu, "
      "\"cpu_seconds\": %.3f}\n",
      seconds, static_cast<unsigned long long>(n.sent), static_cast<unsigned long long>(n.unsent),
      static_cast<unsigned long long>(n.connects), static_cast<unsigned long long>(n.refused),
      static_cast<unsigned long long>(n.ok), static_cast<unsigned long long>(n.client_errors),
      static_cast<unsigned long long>(n.limited), static_cast<unsigned long long>(n.server_errors),
      cpu);
  return 0;
}
