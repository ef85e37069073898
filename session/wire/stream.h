// Bytes with deadlines: plain TCP, TLS, a proxied connection and a pair in memory look alike.
//
// A stream belongs to one shard (io_context) and is used from that thread alone. One reader and
// one writer may be suspended at the same time; never two of a kind. close() is idempotent, wakes
// both with WireError::closed and may be called by the destructor of the owner.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>

#include "storage/base/bytes.h"
#include "storage/base/result.h"

namespace wab::wire {

using boost::asio::awaitable;
using Deadline = std::chrono::steady_clock::time_point;

enum class WireError {
  closed = 1,  // by us
  eof,         // by the peer, in the middle of something
  timeout,
  refused,  // connection refused, unreachable, reset
  resolve,
  not_allowed,      // the guard refused the address
  tls,              // handshake failed or the stream is corrupt
  tls_certificate,  // chain or name does not verify
  proxy,
  http,         // malformed or oversized HTTP
  http_status,  // an answer that ends the attempt (upgrade refused)
  websocket,
  too_large,
  io,
};
const ErrorDomain& error_domain(WireError);

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // At least one byte, or 0 at a clean end. `into` must be non-empty and outlive the call.
  virtual awaitable<Result<size_t>> read_some(MutableBytes into, Deadline deadline) = 0;
  // All of it or an error.
  virtual awaitable<Result<void>> write(ByteView all, Deadline deadline) = 0;
  virtual void close() = 0;
  virtual boost::asio::any_io_executor executor() = 0;
  // "203.0.113.5:443" of the peer as connected; "" for memory streams.
  virtual std::string peer() const = 0;
};

}  // namespace wab::wire
