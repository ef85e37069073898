#include <algorithm>

#include "session/wire/http_io.h"

namespace wab::wire {
namespace {

constexpr size_t kReadSize = 4 * 1024;
constexpr size_t kBodyReadSize = 16 * 1024;
constexpr size_t kOneWrite = 16 * 1024;
constexpr int kMaxInformational = 8;

void drop_front(Bytes& buffer, size_t count) {
  buffer.erase(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(count));
}

HttpParser::Kind kind_of_answer(const HttpRequest& request) {
  return request.method == "HEAD" ? HttpParser::Kind::response_without_body
                                  : HttpParser::Kind::response;
}

}  // namespace

awaitable<Result<size_t>> read_into(ByteStream& stream, Bytes& buffer, size_t at_most,
                                    Deadline deadline) {
  const size_t before = buffer.size();
  buffer.resize(before + at_most);
  const MutableBytes room = MutableBytes(buffer).subspan(before);
  Result<size_t> size = co_await stream.read_some(room, deadline);
  buffer.resize(before + (size ? *size : 0));
  if (buffer.empty()) Bytes().swap(buffer);
  co_return size;
}

awaitable<Result<void>> write_request(ByteStream& stream, const HttpRequest& request,
                                      Deadline deadline) {
  Bytes out = format_head(request);
  const bool together = out.size() + request.body.size() <= kOneWrite;
  if (together) append(out, request.body);
  CO_TRY_VOID(co_await stream.write(out, deadline));
  if (!together) CO_TRY_VOID(co_await stream.write(request.body, deadline));
  co_return ok();
}

awaitable<Result<void>> read_answer_head(ByteStream& stream, HttpAnswer& answer, Deadline deadline,
                                         HttpTrace* trace) {
  int informational = 0;
  for (;;) {
    CO_TRY(const size_t used, answer.parser.feed(answer.buffer));
    drop_front(answer.buffer, used);
    if (answer.parser.head_done()) {
      const int status = answer.parser.response().status;
      if (status / 100 != 1 || status == 101) co_return ok();
      if (++informational > kMaxInformational) {
        co_return fail(WireError::http, "too many informational answers");
      }
      answer.parser = HttpParser(answer.kind, answer.limits);
      continue;
    }
    CO_TRY(const size_t size, co_await read_into(stream, answer.buffer, kReadSize, deadline));
    if (size == 0) co_return fail(WireError::eof, "before the answer's head was complete");
    if (trace != nullptr && !trace->answered) {
      trace->answered = true;
      trace->first_byte = std::chrono::steady_clock::now();
    }
  }
}

awaitable<Result<bool>> read_answer_body(ByteStream& stream, HttpAnswer& answer,
                                         Deadline deadline) {
  const size_t before = answer.parser.body_ready();
  for (;;) {
    CO_TRY(const size_t used, answer.parser.feed(answer.buffer));
    drop_front(answer.buffer, used);
    if (answer.parser.body_ready() > before) co_return true;
    if (answer.parser.done()) co_return false;
    CO_TRY(const size_t size, co_await read_into(stream, answer.buffer, kBodyReadSize, deadline));
    if (size == 0) {
      CO_TRY_VOID(answer.parser.finish());
      co_return false;
    }
  }
}

awaitable<Result<HttpExchange>> exchange(ByteStream& stream, HttpRequest request, HttpLimits limits,
                                         Deadline deadline, HttpTrace* trace) {
  Result<void> written = co_await write_request(stream, request, deadline);
  if (written && trace != nullptr) trace->written = true;
  // A server may answer and close before it has read everything: then its answer counts.
  const bool hopeless = !written && !written.error().is(WireError::refused);
  if (hopeless) co_return fail(written.error());

  HttpAnswer answer(kind_of_answer(request), limits);
  Result<void> head = co_await read_answer_head(stream, answer, deadline, trace);
  if (!head) co_return fail(written ? head.error() : written.error());

  HttpExchange out;
  out.response = answer.parser.response();
  bool more = true;
  while (more) {
    Result<bool> body = co_await read_answer_body(stream, answer, deadline);
    if (!body && body.error().is(WireError::too_large)) {
      out.truncated = true;
      break;
    }
    if (!body) co_return fail(body.error());
    more = *body;
  }
  out.response.body = answer.parser.take_body();
  out.reusable = written && !out.truncated && answer.parser.done() && answer.parser.keep_alive() &&
                 answer.buffer.empty() && out.response.status != 101 &&
                 !request.headers.has_token("connection", "close");
  co_return out;
}

struct HttpDownload::Impl {
  Impl(std::unique_ptr<ByteStream> from, HttpParser::Kind kind, const HttpLimits& limits)
      : stream(std::move(from)), answer(kind, limits) {}
  std::unique_ptr<ByteStream> stream;
  HttpAnswer answer;
};

HttpDownload::HttpDownload(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpDownload::HttpDownload(HttpDownload&&) noexcept = default;
HttpDownload::~HttpDownload() = default;

awaitable<Result<HttpDownload>> HttpDownload::start(std::unique_ptr<ByteStream> stream,
                                                    HttpRequest request, HttpLimits limits,
                                                    Deadline deadline) {
  auto impl = std::make_unique<Impl>(std::move(stream), kind_of_answer(request), limits);
  CO_TRY_VOID(co_await write_request(*impl->stream, request, deadline));
  CO_TRY_VOID(co_await read_answer_head(*impl->stream, impl->answer, deadline, nullptr));
  co_return HttpDownload(std::move(impl));
}

const HttpResponse& HttpDownload::head() const { return impl_->answer.parser.response(); }

awaitable<Result<Bytes>> HttpDownload::read_some(Deadline deadline) {
  CO_TRY_VOID(co_await read_answer_body(*impl_->stream, impl_->answer, deadline));
  co_return impl_->answer.parser.take_body();
}

}  // namespace wab::wire
