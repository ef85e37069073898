#include "session/wire/tcp_stream.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "session/wire/descriptors.h"
#include "session/wire/socket_core.h"

namespace wab::wire {

using boost::asio::ip::tcp;

namespace {

constexpr auto kToken = boost::asio::as_tuple(boost::asio::use_awaitable);
constexpr std::chrono::milliseconds kNoDescriptorsPause{100};

using reuse_port_option = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

struct Connecting {
  explicit Connecting(boost::asio::any_io_executor executor) : socket(std::move(executor)) {}
  tcp::socket socket;
  bool done = false;
  boost::system::error_code error;
  Event finished;
};

}  // namespace

std::string Endpoint::text() const {
  const std::string host = address.to_string();
  return (address.is_v6() ? "[" + host + "]:" : host + ":") + std::to_string(port);
}

TcpStream::TcpStream(std::shared_ptr<SocketCore> core) : core_(std::move(core)) {}
TcpStream::~TcpStream() { close(); }

awaitable<Result<size_t>> TcpStream::read_some(MutableBytes into, Deadline deadline) {
  auto core = core_;
  if (!core) co_return fail(WireError::closed, "released stream");
  for (;;) {
    if (core->closed()) co_return fail(WireError::closed, "read");
    const ssize_t size = ::recv(core->fd(), into.data(), into.size(), 0);
    if (size >= 0) co_return static_cast<size_t>(size);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) co_return fail(error_of_errno(errno), "recv");
    CO_TRY_VOID(co_await core->wait(SocketCore::Ready::to_read, deadline));
  }
}

awaitable<Result<void>> TcpStream::write(ByteView all, Deadline deadline) {
  auto core = core_;
  if (!core) co_return fail(WireError::closed, "released stream");
  while (!all.empty()) {
    if (core->closed()) co_return fail(WireError::closed, "write");
    const ssize_t size = ::send(core->fd(), all.data(), all.size(), MSG_NOSIGNAL);
    if (size >= 0) {
      all = all.subspan(static_cast<size_t>(size));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) co_return fail(error_of_errno(errno), "send");
    CO_TRY_VOID(co_await core->wait(SocketCore::Ready::to_write, deadline));
  }
  co_return ok();
}

void TcpStream::close() {
  if (core_) core_->close();
}
void TcpStream::finish_writing() {
  if (core_ && !core_->closed()) ::shutdown(core_->fd(), SHUT_WR);
}
boost::asio::any_io_executor TcpStream::executor() {
  return core_ ? core_->executor() : boost::asio::any_io_executor();
}
std::string TcpStream::peer() const { return core_ ? core_->peer().text() : std::string(); }
std::shared_ptr<SocketCore> TcpStream::release() { return std::exchange(core_, nullptr); }

awaitable<Result<std::unique_ptr<TcpStream>>> tcp_connect(Endpoint to, Deadline deadline) {
  auto executor = co_await boost::asio::this_coro::executor;
  auto attempt = std::make_shared<Connecting>(executor);
  const tcp::endpoint endpoint(to.address, to.port);
  boost::system::error_code opening;
  attempt->socket.open(endpoint.protocol(), opening);
  if (opening || !may_keep_socket(attempt->socket.native_handle())) {
    co_return fail(WireError::io, "connect: no descriptor left");
  }
  attempt->socket.async_connect(endpoint, [attempt](boost::system::error_code error) {
    attempt->done = true;
    attempt->error = error;
    attempt->finished.notify_all();
  });
  bool in_time = true;
  while (!attempt->done && in_time) in_time = co_await attempt->finished.wait_until(deadline);
  if (!attempt->done) {
    boost::system::error_code ignored;
    attempt->socket.close(ignored);
    co_return fail(WireError::timeout, "connect");
  }
  if (attempt->error) co_return fail(error_of_errno(attempt->error.value()), "connect");
  auto core = std::make_shared<SocketCore>(std::move(attempt->socket));
  co_return std::make_unique<TcpStream>(std::move(core));
}

struct Acceptor::Impl {
  explicit Impl(boost::asio::io_context& shard) : acceptor(shard) {}
  tcp::acceptor acceptor;
  Endpoint local;
  bool closed = false;
};

Acceptor::Acceptor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Acceptor::~Acceptor() { close(); }

Result<std::unique_ptr<Acceptor>> Acceptor::listen(boost::asio::io_context& shard, Endpoint at,
                                                   bool reuse_port) {
  auto impl = std::make_shared<Impl>(shard);
  const tcp::endpoint endpoint(at.address, at.port);
  boost::system::error_code error;
  impl->acceptor.open(endpoint.protocol(), error);
  if (!error) impl->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && reuse_port) impl->acceptor.set_option(reuse_port_option(true), error);
  if (!error) impl->acceptor.bind(endpoint, error);
  if (!error) impl->acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) return fail(WireError::io, "listen: the address cannot be used");
  const tcp::endpoint bound = impl->acceptor.local_endpoint(error);
  impl->local = Endpoint{bound.address(), bound.port()};
  return std::unique_ptr<Acceptor>(new Acceptor(std::move(impl)));
}

awaitable<Result<std::unique_ptr<TcpStream>>> Acceptor::accept() {
  auto impl = impl_;
  for (;;) {
    if (impl->closed) co_return fail(WireError::closed, "acceptor");
    auto [error, socket] = co_await impl->acceptor.async_accept(kToken);
    if (impl->closed) co_return fail(WireError::closed, "acceptor");
    if (!error && !may_keep_socket(socket.native_handle())) {
      socket.close(error);
      continue;
    }
    if (!error) {
      auto core = std::make_shared<SocketCore>(std::move(socket));
      co_return std::make_unique<TcpStream>(std::move(core));
    }
    const int code = error.value();
    if (code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM) {
      co_await sleep_until(std::chrono::steady_clock::now() + kNoDescriptorsPause);
    } else if (code == EBADF || code == EINVAL || code == ENOTSOCK) {
      co_return fail(WireError::io, "accept");
    }
  }
}

bool Acceptor::drop_from(std::span<const Dropped> list) {
  if (impl_->closed) return false;
  const int fd = impl_->acceptor.native_handle();
  if (list.empty()) {
    const int ignored = 0;
    return ::setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof(ignored)) == 0 ||
           errno == ENOENT;
  }
  auto program = drop_program(list);
  static_assert(sizeof(FilterStep) == sizeof(sock_filter));
  const sock_fprog filter{static_cast<uint16_t>(program.size()),
                          reinterpret_cast<sock_filter*>(program.data())};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0;
}

Endpoint Acceptor::local() const { return impl_->local; }

void Acceptor::close() {
  impl_->closed = true;
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
}

}  // namespace wab::wire
