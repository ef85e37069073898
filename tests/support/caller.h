// A bare connection attempt from an address of the loopback network of its own.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/wire/tcp_stream.h"

namespace wab::test {

class Caller {
 public:
  Caller(const char* from, const wire::Endpoint& to) {
    const bool v4 = to.address.is_v4();
    fd_ = ::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_storage mine{}, theirs{};
    fill(mine, boost::asio::ip::make_address(from), 0);
    fill(theirs, to.address, to.port);
    const socklen_t size = v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&mine), size), 0) << from;
    const int result = ::connect(fd_, reinterpret_cast<sockaddr*>(&theirs), size);
    EXPECT_TRUE(result == 0 || errno == EINPROGRESS);
  }
  ~Caller() { ::close(fd_); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // Linux sends the request again after one second, and then less and less often.
  bool connects(int milliseconds = 20'000) const {
    pollfd wait{fd_, POLLOUT, 0};
    if (::poll(&wait, 1, milliseconds) != 1) return false;
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0 && (wait.revents & POLLERR) == 0;
  }

 private:
  static void fill(sockaddr_storage& into, const boost::asio::ip::address& address, uint16_t port) {
    if (address.is_v4()) {
      auto& v4 = reinterpret_cast<sockaddr_in&>(into);
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
      v4.sin_addr.s_addr = htonl(address.to_v4().to_uint());
      return;
    }
    auto& v6 = reinterpret_cast<sockaddr_in6&>(into);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    const auto bytes = address.to_v6().to_bytes();
    std::copy(bytes.begin(), bytes.end(), v6.sin6_addr.s6_addr);
  }
  int fd_;
};

}  // namespace wab::test
