#include "session/wire/socket_core.h"

#include <netinet/tcp.h>

#include <cerrno>

namespace wab::wire {

using boost::asio::ip::tcp;

WireError error_of_errno(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
      return WireError::refused;
    case ETIMEDOUT:
      return WireError::timeout;
    case EBADF:
    case ECANCELED:
      return WireError::closed;
    default:
      return WireError::io;
  }
}

SocketCore::SocketCore(tcp::socket socket) : socket_(std::move(socket)) {
  boost::system::error_code ignored;
  socket_.native_non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
  const tcp::endpoint remote = socket_.remote_endpoint(ignored);
  if (!ignored) peer_ = Endpoint{remote.address(), remote.port()};
}

void SocketCore::arm(Ready what) {
  const size_t index = static_cast<size_t>(what);
  if (armed_[index]) return;
  armed_[index] = true;
  const auto type = what == Ready::to_read ? tcp::socket::wait_read : tcp::socket::wait_write;
  socket_.async_wait(type, [self = shared_from_this(), index](boost::system::error_code) {
    // Whatever the outcome, the next recv or send tells it.
    self->armed_[index] = false;
    self->ready_[index].notify_all();
  });
}

awaitable<Result<void>> SocketCore::wait(Ready what, Deadline deadline) {
  if (closed_) co_return fail(WireError::closed, "socket");
  arm(what);
  const bool in_time = co_await ready_[static_cast<size_t>(what)].wait_until(deadline);
  if (closed_) co_return fail(WireError::closed, "socket");
  if (!in_time) co_return fail(WireError::timeout, "socket");
  co_return ok();
}

void SocketCore::close() {
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  ready_[0].notify_all();
  ready_[1].notify_all();
}

}  // namespace wab::wire
