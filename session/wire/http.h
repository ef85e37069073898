// HTTP/1.1 over a ByteStream, both sides.
//
// One connection, one shard, one coroutine at a time. Framing is strict (http_message.h): a request
// with two possible readings is refused and its connection closed.
#pragma once

#include <memory>
#include <optional>

#include "session/wire/http_message.h"
#include "session/wire/stream.h"

namespace wab::wire {

class HttpParser;

class HttpServerConnection {
 public:
  explicit HttpServerConnection(std::unique_ptr<ByteStream> stream, HttpLimits limits = {});
  ~HttpServerConnection();
  HttpServerConnection(HttpServerConnection&&) noexcept;

  // The next request's head. Waits for its first byte until `idle`, then for the rest at most
  // HttpLimits::head_time. Nothing when the peer closed, or stayed silent until `idle`, between
  // requests. On an error refusal() is the status to answer with (0: just close).
  awaitable<Result<std::optional<HttpRequest>>> read_head(Deadline idle);
  // The body of the request whose head was read. Sends "100 Continue" when asked to. The peer must
  // keep up the rate of the limits. 413 beyond `limit`.
  awaitable<Result<Bytes>> read_body(uint64_t limit, Deadline deadline);
  // The same piece by piece, for bodies that are not kept; empty at the end.
  awaitable<Result<Bytes>> read_body_some(Deadline deadline);
  void limit_body(uint64_t limit);  // before the first piece
  // Both of them in a row, with the limits of the constructor.
  awaitable<Result<std::optional<HttpRequest>>> read_request(Deadline idle, Deadline deadline);

  // One response per request. Adds content-length, and "connection: close" when the connection
  // cannot go on (an unread body, an error, the peer's wish).
  awaitable<Result<void>> write_response(HttpResponse response, Deadline deadline);
  // A response of unknown length (server-sent events): chunked, or until close for HTTP/1.0.
  awaitable<Result<void>> begin_stream(HttpResponse head, Deadline deadline);
  awaitable<Result<void>> write_piece(ByteView piece, Deadline deadline);
  awaitable<Result<void>> end_stream(Deadline deadline);
  // Waits until the peer closes, or sends what it must not send now; for streams.
  awaitable<void> watch_for_close();
  // After a refusal was answered: says that this was all, then reads and drops what the peer is
  // still sending, so that closing does not reset the connection under the answer. Ends with the
  // peer's close, at the deadline and after 1 MiB.
  awaitable<void> drain(Deadline deadline);

  // Whether another request may follow.
  bool keep_alive() const;
  void stop_keep_alive();  // answer this one and close
  int refusal() const;
  std::string peer() const;
  boost::asio::any_io_executor executor();
  void close();

  // For an upgrade: the stream and the bytes that came behind the request's head.
  struct Taken {
    std::unique_ptr<ByteStream> stream;
    Bytes leftover;
  };
  Taken take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct HttpExchange {
  HttpResponse response;
  bool truncated = false;  // the body went on beyond the limit; what fits is there
  bool reusable = false;   // another request may follow on this stream
};
// How far an exchange came, for deciding on a retry and for timing.
struct HttpTrace {
  bool written = false;   // the whole request left
  bool answered = false;  // at least one byte came back
  std::chrono::steady_clock::time_point first_byte{};
};

// Sends a request and reads its answer. The caller sets Host. Informational answers are skipped
// (at most 8). Anything but one clean answer makes the stream unusable; the caller closes it.
// `stream` and `trace` outlive the call.
awaitable<Result<HttpExchange>> exchange(ByteStream& stream, HttpRequest request, HttpLimits limits,
                                         Deadline deadline, HttpTrace* trace = nullptr);

// An answer read piece by piece, for downloads.
class HttpDownload {
 public:
  // Sends the request and reads the head of the answer.
  static awaitable<Result<HttpDownload>> start(std::unique_ptr<ByteStream> stream,
                                               HttpRequest request, HttpLimits limits,
                                               Deadline deadline);
  HttpDownload(HttpDownload&&) noexcept;
  ~HttpDownload();
  const HttpResponse& head() const;
  // Empty at the end. WireError::too_large beyond the limit.
  awaitable<Result<Bytes>> read_some(Deadline deadline);

 private:
  struct Impl;
  explicit HttpDownload(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wab::wire
