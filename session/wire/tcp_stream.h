// ByteStream on a plain socket, and the acceptor that makes them.
//
// Both live on one shard. An idle stream waits for readiness and holds no buffer.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <memory>
#include <span>

#include "session/wire/drop_list.h"
#include "session/wire/stream.h"

namespace boost::asio {
class io_context;
}

namespace wab::wire {

struct Endpoint {
  boost::asio::ip::address address;
  uint16_t port = 0;
  std::string text() const;  // "203.0.113.5:443", "[2001:db8::1]:443"
};

class SocketCore;

// A stream that can say "that was all" and go on reading: plain and TLS sockets.
class HalfCloses {
 public:
  virtual void finish_writing() = 0;

 protected:
  ~HalfCloses() = default;
};

class TcpStream final : public ByteStream, public HalfCloses {
 public:
  explicit TcpStream(std::shared_ptr<SocketCore> core);
  ~TcpStream() override;

  awaitable<Result<size_t>> read_some(MutableBytes into, Deadline deadline) override;
  awaitable<Result<void>> write(ByteView all, Deadline deadline) override;
  void close() override;
  void finish_writing() override;
  boost::asio::any_io_executor executor() override;
  std::string peer() const override;

  // For the TLS stream, which takes the socket over.
  std::shared_ptr<SocketCore> release();

 private:
  std::shared_ptr<SocketCore> core_;
};

awaitable<Result<std::unique_ptr<TcpStream>>> tcp_connect(Endpoint to, Deadline deadline);

class Acceptor {
 public:
  // Port 0 picks a free one. With `reuse_port` every shard may listen on the same port and the
  // kernel spreads the connections.
  static Result<std::unique_ptr<Acceptor>> listen(boost::asio::io_context& shard, Endpoint at,
                                                  bool reuse_port = false);
  ~Acceptor();

  // WireError::closed after close(). Runs out of file descriptors: waits and goes on; a connection
  // that died in the queue is skipped.
  awaitable<Result<std::unique_ptr<TcpStream>>> accept();
  // From now on the kernel drops what these addresses send to connect (drop_list.h); an empty list
  // ends that. False where the kernel will not.
  bool drop_from(std::span<const Dropped> list);
  Endpoint local() const;
  uint16_t port() const { return local().port; }
  void close();

 private:
  struct Impl;
  explicit Acceptor(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace wab::wire
