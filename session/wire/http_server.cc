#include <fmt/format.h>

#include <algorithm>

#include "session/wire/http_io.h"
#include "session/wire/tcp_stream.h"
#include "storage/base/async.h"

namespace wab::wire {
namespace {

using Steady = std::chrono::steady_clock;

constexpr size_t kReadSize = 4 * 1024;
constexpr size_t kBodyReadSize = 16 * 1024;
constexpr size_t kOneWrite = 16 * 1024;
constexpr size_t kMaxDrained = 1024 * 1024;

}  // namespace

struct HttpServerConnection::Impl {
  Impl(std::unique_ptr<ByteStream> on, const HttpLimits& wanted)
      : stream(std::move(on)), limits(wanted), parser(HttpParser::Kind::request, wanted) {}

  std::unique_ptr<ByteStream> stream;
  HttpLimits limits;
  HttpParser parser;
  Bytes buffer;  // received, not parsed yet
  bool seen_request = false;
  bool stopped = false;
  bool continue_owed = false;
  bool chunked = false;
  int refusal = 0;
  Deadline body_since{};
  uint64_t body_total = 0;

  bool keep_alive() const {
    return !stopped && refusal == 0 && parser.done() && parser.keep_alive();
  }
  bool to_head() const { return seen_request && parser.request().method == "HEAD"; }

  Result<void> feed() {
    const Result<size_t> used = parser.feed(buffer);
    if (!used) {
      refusal = parser.fault_status();
      return fail(used.error());
    }
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*used));
    if (buffer.empty()) Bytes().swap(buffer);
    return ok();
  }
  // "connection" as the head of an answer needs it.
  void set_connection(HttpResponse& response) const {
    if (!keep_alive()) {
      response.headers.set("connection", "close");
    } else if (parser.request().version == 10) {
      response.headers.set("connection", "keep-alive");
    }
  }
};

HttpServerConnection::HttpServerConnection(std::unique_ptr<ByteStream> stream, HttpLimits limits)
    : impl_(std::make_unique<Impl>(std::move(stream), limits)) {}
HttpServerConnection::~HttpServerConnection() = default;
HttpServerConnection::HttpServerConnection(HttpServerConnection&&) noexcept = default;

awaitable<Result<std::optional<HttpRequest>>> HttpServerConnection::read_head(Deadline idle) {
  Impl& impl = *impl_;
  if (impl.seen_request && !impl.keep_alive()) co_return std::nullopt;
  impl.parser = HttpParser(HttpParser::Kind::request, impl.limits);
  impl.seen_request = false;
  impl.continue_owed = false;
  impl.chunked = false;
  if (impl.buffer.empty()) {
    Result<size_t> first = co_await read_into(*impl.stream, impl.buffer, kReadSize, idle);
    if (!first && !first.error().is(WireError::timeout)) co_return fail(first.error());
    if (!first || *first == 0) co_return std::nullopt;
  }
  const Deadline deadline = Steady::now() + impl.limits.head_time;
  for (;;) {
    CO_TRY_VOID(impl.feed());
    if (impl.parser.head_done()) break;
    Result<size_t> size = co_await read_into(*impl.stream, impl.buffer, kReadSize, deadline);
    if (!size) {
      if (size.error().is(WireError::timeout)) impl.refusal = 408;
      co_return fail(size.error());
    }
    if (*size == 0) co_return fail(WireError::eof, "in a request's head");
  }
  impl.seen_request = true;
  impl.continue_owed = !impl.parser.done() && impl.parser.request().version == 11 &&
                       impl.parser.request().headers.has_token("expect", "100-continue");
  impl.body_since = Steady::now();
  impl.body_total = 0;
  co_return impl.parser.request();
}

void HttpServerConnection::limit_body(uint64_t limit) { impl_->parser.limit_body(limit); }

awaitable<Result<Bytes>> HttpServerConnection::read_body_some(Deadline deadline) {
  Impl& impl = *impl_;
  while (impl.parser.body_ready() == 0 && !impl.parser.done()) {
    const size_t before = impl.buffer.size();
    CO_TRY_VOID(impl.feed());
    if (impl.parser.body_ready() > 0 || impl.parser.done()) break;
    if (impl.buffer.size() < before) continue;
    if (impl.continue_owed) {
      impl.continue_owed = false;
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      CO_TRY_VOID(co_await impl.stream->write(view(kContinue), deadline));
    }
    const Deadline slowest =
        impl.body_since + impl.limits.body_grace +
        std::chrono::milliseconds(impl.body_total * 1000 / impl.limits.body_bytes_per_second);
    const Deadline limit = std::min(deadline, slowest);
    Result<size_t> size = co_await read_into(*impl.stream, impl.buffer, kBodyReadSize, limit);
    if (!size) {
      if (size.error().is(WireError::timeout)) impl.refusal = 408;
      co_return fail(size.error());
    }
    if (*size == 0) co_return fail(WireError::eof, "in a request's body");
    impl.body_total += *size;
  }
  co_return impl.parser.take_body();
}

awaitable<Result<Bytes>> HttpServerConnection::read_body(uint64_t limit, Deadline deadline) {
  Impl& impl = *impl_;
  limit_body(limit);
  if (impl.parser.content_length().value_or(0) > limit) {
    impl.refusal = 413;  // without asking for it first
    co_return fail(WireError::too_large, "announced body");
  }
  Bytes body;
  for (;;) {
    CO_TRY(const Bytes piece, co_await read_body_some(deadline));
    if (piece.empty()) co_return body;
    append(body, piece);
  }
}

awaitable<Result<std::optional<HttpRequest>>> HttpServerConnection::read_request(
    Deadline idle, Deadline deadline) {
  CO_TRY(auto request, co_await read_head(idle));
  if (!request) co_return std::nullopt;
  CO_TRY(request->body, co_await read_body(impl_->limits.body_bytes, deadline));
  co_return request;
}

awaitable<Result<void>> HttpServerConnection::write_response(HttpResponse response,
                                                             Deadline deadline) {
  Impl& impl = *impl_;
  response.version = 11;
  impl.set_connection(response);
  Bytes out = format_head(response);
  if (impl.to_head()) response.body.clear();
  const bool together = out.size() + response.body.size() <= kOneWrite;
  if (together) append(out, response.body);
  CO_TRY_VOID(co_await impl.stream->write(out, deadline));
  if (!together) CO_TRY_VOID(co_await impl.stream->write(response.body, deadline));
  co_return ok();
}

awaitable<Result<void>> HttpServerConnection::begin_stream(HttpResponse head, Deadline deadline) {
  Impl& impl = *impl_;
  impl.chunked = impl.parser.request().version == 11;
  head.version = 11;
  head.headers.erase("content-length");
  if (impl.chunked) {
    head.headers.set("transfer-encoding", "chunked");
  } else {
    impl.stopped = true;
  }
  impl.set_connection(head);
  std::string out = to_string(format_head(head));
  if (!impl.chunked) {
    // Only the end of the connection says where this body ends.
    const size_t length = out.find("content-length: 0\r\n");
    if (length != std::string::npos) out.erase(length, 19);
  }
  co_return co_await impl.stream->write(view(out), deadline);
}

awaitable<Result<void>> HttpServerConnection::write_piece(ByteView piece, Deadline deadline) {
  Impl& impl = *impl_;
  if (piece.empty() || impl.to_head()) co_return ok();  // an empty chunk would be the end
  if (!impl.chunked) co_return co_await impl.stream->write(piece, deadline);
  Bytes out = to_bytes(std::string_view(fmt::format("{:x}\r\n", piece.size())));
  append(out, piece);
  append(out, view("\r\n"));
  co_return co_await impl.stream->write(out, deadline);
}

awaitable<Result<void>> HttpServerConnection::end_stream(Deadline deadline) {
  if (!impl_->chunked || impl_->to_head()) co_return ok();
  constexpr std::string_view kLast = "0\r\n\r\n";
  co_return co_await impl_->stream->write(view(kLast), deadline);
}

awaitable<void> HttpServerConnection::watch_for_close() {
  std::array<uint8_t, 64> byte;
  const Result<size_t> ignored = co_await impl_->stream->read_some(byte, kNever);
  (void)ignored;
}

awaitable<void> HttpServerConnection::drain(Deadline deadline) {
  if (auto* half = dynamic_cast<HalfCloses*>(impl_->stream.get())) half->finish_writing();
  Bytes piece(kBodyReadSize);
  for (size_t total = 0; total < kMaxDrained;) {
    Result<size_t> size = co_await impl_->stream->read_some(piece, deadline);
    if (!size || *size == 0) break;
    total += *size;
  }
}

bool HttpServerConnection::keep_alive() const { return impl_->keep_alive(); }
void HttpServerConnection::stop_keep_alive() { impl_->stopped = true; }
int HttpServerConnection::refusal() const { return impl_->refusal; }
std::string HttpServerConnection::peer() const { return impl_->stream->peer(); }
boost::asio::any_io_executor HttpServerConnection::executor() { return impl_->stream->executor(); }
void HttpServerConnection::close() {
  if (impl_->stream) impl_->stream->close();
}

HttpServerConnection::Taken HttpServerConnection::take() {
  return {std::move(impl_->stream), std::exchange(impl_->buffer, {})};
}

}  // namespace wab::wire
