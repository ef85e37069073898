// Messages over a ByteStream (RFC 6455), client and server side. No extensions.
//
// One shard; one reader and one writer may be suspended at the same time.
//
// Our own framing (ws_frame.h) instead of Beast's websocket::stream. Measured with g++ 12.2, Boost
// 1.81 over a type-erased stream: Beast's needs 26 s and 0.7 GB to compile, 177 s and 1.4 GB with
// sanitizers, holds a 4 KiB write buffer and a 1.5 KiB read buffer per idle connection, and sends a
// masked message in pieces of that write buffer. Here an idle connection holds 256 bytes, a message
// leaves in one write, and the frame rules are pure functions that tests and fuzzers reach
// directly. Tests run it against Beast's as the other side.
#pragma once

#include <functional>
#include <memory>

#include "session/wire/http_message.h"
#include "session/wire/stream.h"

namespace wab::wire {

struct WebSocketLimits {
  size_t message_bytes = 16 * 1024 * 1024;  // of one message, all fragments
};

// Codes of RFC 6455 section 7.4.1 that we send.
enum class CloseCode : uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported = 1003,
  bad_data = 1007,
  policy = 1008,
  too_large = 1009,
  internal = 1011,
  try_later = 1013,
};

class WebSocket {
 public:
  // Client side. `host` is the Host field, `headers` are added to the upgrade (Origin ...). When
  // the server refuses: WireError::http_status, and *refused_status (if given) is its answer.
  static awaitable<Result<std::unique_ptr<WebSocket>>> connect(
      std::unique_ptr<ByteStream> stream, std::string host, std::string target, HttpFields headers,
      WebSocketLimits limits, Deadline deadline, int* refused_status = nullptr);

  // Server side: `request` is the upgrade as read by HttpServerConnection, `leftover` what came
  // behind it (see take()). Authorize before. `headers` are added to the answer.
  static awaitable<Result<std::unique_ptr<WebSocket>>> accept(std::unique_ptr<ByteStream> stream,
                                                              Bytes leftover, HttpRequest request,
                                                              HttpFields headers,
                                                              WebSocketLimits limits,
                                                              Deadline deadline);
  // Whether accept() would take it: GET, HTTP/1.1, the four fields, version 13.
  static bool is_upgrade(const HttpRequest& request);

  virtual ~WebSocket() = default;

  // The next whole message, binary or text. Pings are answered meanwhile. WireError::eof when the
  // peer closed (close_code() says how), ::too_large, ::websocket for a broken rule: both close.
  virtual awaitable<Result<Bytes>> read(Deadline deadline) = 0;
  virtual bool last_was_text() const = 0;
  virtual awaitable<Result<void>> write(ByteView message, Deadline deadline) = 0;  // binary
  virtual awaitable<Result<void>> write_text(std::string_view message, Deadline deadline) = 0;
  virtual awaitable<Result<void>> ping(Deadline deadline) = 0;
  // Sends a close frame, waits for the answer until the deadline, closes. A suspended reader ends.
  virtual awaitable<void> close(CloseCode code, Deadline deadline) = 0;
  // At once, without a word; idempotent, wakes everyone.
  virtual void abort() = 0;
  // What the peer's close frame said; 0 before, 1005 when it said nothing.
  virtual uint16_t close_code() const = 0;
  virtual std::string peer() const = 0;
  virtual boost::asio::any_io_executor executor() = 0;
};

}  // namespace wab::wire
