// A non-blocking socket that can be waited for: what the plain and the TLS stream share.
//
// For the .cc files of this room. Lives on one shard; kept alive by its stream and by the
// operations under way, so a stream may be destroyed while someone is suspended in it.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "session/wire/tcp_stream.h"
#include "storage/base/async.h"

namespace wab::wire {

WireError error_of_errno(int error);

class SocketCore : public std::enable_shared_from_this<SocketCore> {
 public:
  enum class Ready { to_read, to_write };

  explicit SocketCore(boost::asio::ip::tcp::socket socket);

  int fd() { return socket_.native_handle(); }
  bool closed() const { return closed_; }
  const Endpoint& peer() const { return peer_; }
  boost::asio::any_io_executor executor() { return socket_.get_executor(); }
  // Returns when the kernel says so, on close() and at the deadline. The caller owns a reference.
  awaitable<Result<void>> wait(Ready what, Deadline deadline);
  void close();

 private:
  void arm(Ready what);

  boost::asio::ip::tcp::socket socket_;
  Endpoint peer_;
  bool closed_ = false;
  bool armed_[2] = {false, false};
  Event ready_[2];
};

}  // namespace wab::wire
