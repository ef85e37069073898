#include "session/wire/websocket.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "session/wire/http_io.h"
#include "session/wire/ws_frame.h"
#include "storage/base/async.h"

namespace wab::wire {
namespace {

using Steady = std::chrono::steady_clock;

constexpr size_t kSmallRead = 256;        // kept while idle
constexpr size_t kLargeRead = 64 * 1024;  // how far a message grows ahead of its bytes
constexpr size_t kOneWrite = 16 * 1024;
constexpr std::chrono::seconds kAnswerTime{30};  // for pongs and the close frame

// RFC 6455 section 1.3
std::string accept_key(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  ByteArray<SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest.data());
  return to_base64(digest);
}

// Shared by the WebSocket and the operations under way.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(std::unique_ptr<ByteStream> stream, Bytes pending, bool server, WebSocketLimits limits)
      : stream_(std::move(stream)),
        pending_(std::move(pending)),
        server_(server),
        limits_(limits) {}

  awaitable<Result<Bytes>> read(Deadline deadline);
  awaitable<Result<void>> send(Opcode opcode, ByteView payload, Deadline deadline);
  awaitable<void> close(CloseCode code, Deadline deadline);
  void abort() {
    stream_->close();
    ended_.set();
    write_free_.notify_all();
  }

  ByteStream& stream() { return *stream_; }
  bool last_was_text() const { return last_was_text_; }
  uint16_t close_code() const { return close_code_; }

 private:
  awaitable<Result<void>> fill(Deadline deadline);
  awaitable<Result<bool>> read_payload(Deadline deadline);
  awaitable<Result<void>> handle_control(Deadline deadline);
  awaitable<Result<void>> send_close(CloseCode code, Deadline deadline);
  Result<void> begin_frame(const FrameHeader& header);
  // Says why to the peer, then closes.
  awaitable<Error> give_up(Error why);
  void drop_pending(size_t count);

  std::unique_ptr<ByteStream> stream_;
  Bytes pending_;  // received, not parsed; without memory when empty
  bool server_;
  WebSocketLimits limits_;
  // The message and the frame being read. They survive a read that met its deadline.
  Bytes message_;
  std::optional<FrameHeader> frame_;
  uint64_t frame_done_ = 0;  // of its payload
  Bytes control_;
  bool in_message_ = false;
  bool message_is_text_ = false;
  bool last_was_text_ = false;
  bool close_sent_ = false;
  uint16_t close_code_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  Event write_free_;
  Signal ended_;
};

void Core::drop_pending(size_t count) {
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(count));
  if (pending_.empty()) Bytes().swap(pending_);
}

awaitable<Result<void>> Core::fill(Deadline deadline) {
  std::array<uint8_t, kSmallRead> small;
  CO_TRY(const size_t size, co_await stream_->read_some(small, deadline));
  if (size == 0) co_return fail(WireError::eof, "websocket");
  append(pending_, ByteView(small).first(size));
  co_return ok();
}

Result<void> Core::begin_frame(const FrameHeader& header) {
  if (!header.is_control()) {
    const bool continues = header.opcode == Opcode::continuation;
    if (continues != in_message_) return fail(WireError::websocket, "continuation out of place");
    if (header.size > limits_.message_bytes - message_.size()) {
      return fail(WireError::too_large, "websocket message");
    }
    if (!continues) message_is_text_ = header.opcode == Opcode::text;
    in_message_ = true;
  }
  frame_ = header;
  frame_done_ = 0;
  return ok();
}

// Reads some payload of the current frame; true at its end.
awaitable<Result<bool>> Core::read_payload(Deadline deadline) {
  Bytes& into = frame_->is_control() ? control_ : message_;
  const uint64_t left = frame_->size - frame_done_;
  if (left == 0) co_return true;
  const size_t before = into.size();
  size_t size = 0;
  if (!pending_.empty()) {
    size = static_cast<size_t>(std::min<uint64_t>(left, pending_.size()));
    append(into, ByteView(pending_).first(size));
    drop_pending(size);
  } else {
    // Straight into the message, never further ahead than one step: an announced length is no
    // reason to hold memory.
    const auto step = static_cast<size_t>(std::min<uint64_t>(left, kLargeRead));
    Result<size_t> more = co_await read_into(*stream_, into, step, deadline);
    if (!more) co_return fail(more.error());
    if (*more == 0) co_return fail(WireError::eof, "in a websocket message");
    size = *more;
  }
  if (frame_->mask) apply_mask(MutableBytes(into).subspan(before), *frame_->mask, frame_done_);
  frame_done_ += size;
  co_return frame_done_ == frame_->size;
}

awaitable<Result<void>> Core::handle_control(Deadline deadline) {
  const Bytes payload = std::exchange(control_, {});
  const Opcode opcode = frame_->opcode;
  frame_.reset();
  const Deadline answer = std::min(deadline, Steady::now() + kAnswerTime);
  if (opcode == Opcode::ping && !close_sent_) {
    co_return co_await send(Opcode::pong, payload, answer);
  }
  if (opcode != Opcode::close) co_return ok();
  const std::optional<uint16_t> code = parse_close(payload);
  if (!code) co_return fail(WireError::websocket, "malformed close frame");
  close_code_ = *code;
  const Result<void> ignored = co_await send_close(CloseCode::normal, answer);
  (void)ignored;
  abort();
  co_return fail(WireError::eof, "closed by the peer");
}

awaitable<Error> Core::give_up(Error why) {
  std::optional<CloseCode> code;
  if (why.is(WireError::websocket)) code = CloseCode::protocol_error;
  if (why.is(WireError::too_large)) code = CloseCode::too_large;
  if (code) {
    const Deadline soon = Steady::now() + std::chrono::seconds(1);
    const Result<void> ignored = co_await send_close(*code, soon);
    (void)ignored;
  }
  // A deadline leaves everything in place for the next read.
  if (!why.is(WireError::timeout)) abort();
  co_return why;
}

awaitable<Result<Bytes>> Core::read(Deadline deadline) {
  auto self = shared_from_this();
  struct Reading {
    explicit Reading(bool& at) : flag(at) { flag = true; }
    ~Reading() { flag = false; }
    bool& flag;
  } reading(reading_);
  for (;;) {
    if (!frame_) {
      Result<std::optional<FrameHeader>> header = parse_frame_header(pending_, server_);
      Result<void> next;
      if (!header) {
        next = fail(header.error());
      } else if (*header) {
        drop_pending((*header)->header_size);
        next = begin_frame(**header);
      } else {
        next = co_await fill(deadline);
      }
      if (!next) co_return fail(co_await give_up(next.error()));
      continue;
    }
    Result<bool> complete = co_await read_payload(deadline);
    if (!complete) co_return fail(co_await give_up(complete.error()));
    if (!*complete) continue;
    if (frame_->is_control()) {
      Result<void> handled = co_await handle_control(deadline);
      if (!handled) co_return fail(co_await give_up(handled.error()));
      continue;
    }
    const bool last = frame_->fin;
    frame_.reset();
    if (!last) continue;
    in_message_ = false;
    last_was_text_ = message_is_text_;
    Bytes message = std::exchange(message_, {});
    if (last_was_text_ && !is_utf8(message)) {
      const Error why(WireError::websocket, "text that is not UTF-8");
      co_return fail(co_await give_up(why));
    }
    co_return message;
  }
}

awaitable<Result<void>> Core::send(Opcode opcode, ByteView payload, Deadline deadline) {
  auto self = shared_from_this();
  bool in_time = true;
  while (writing_ && in_time) in_time = co_await write_free_.wait_until(deadline);
  if (writing_) co_return fail(WireError::timeout, "websocket write");
  if (ended_.is_set()) co_return fail(WireError::closed, "websocket write");
  if (close_sent_ && opcode != Opcode::close) co_return fail(WireError::closed, "close was sent");
  struct Writing {
    explicit Writing(Core& at) : core(at) { core.writing_ = true; }
    ~Writing() {
      core.writing_ = false;
      core.write_free_.notify_one();
    }
    Core& core;
  } writing(*this);

  Bytes frame;
  bool copied = true;
  if (server_ && payload.size() > kOneWrite) {
    // Header alone, then the payload from where it is.
    put_frame(frame, opcode, payload.first(0), std::nullopt);
    frame.resize(1);
    if (payload.size() <= 0xFFFF) {
      frame.push_back(126);
      put_be16(frame, static_cast<uint16_t>(payload.size()));
    } else {
      frame.push_back(127);
      put_be64(frame, payload.size());
    }
    copied = false;
  } else {
    std::optional<Mask> mask;
    if (!server_) mask = system_random().array<4>();
    put_frame(frame, opcode, payload, mask);
  }
  Result<void> written = co_await stream_->write(frame, deadline);
  if (written && !copied) written = co_await stream_->write(payload, deadline);
  // Half a frame may be out: nothing sensible can follow it.
  if (!written) abort();
  co_return written;
}

awaitable<Result<void>> Core::send_close(CloseCode code, Deadline deadline) {
  if (close_sent_) co_return ok();
  const auto number = static_cast<uint16_t>(code);
  const ByteArray<2> payload{static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
  close_sent_ = true;
  co_return co_await send(Opcode::close, payload, deadline);
}

awaitable<void> Core::close(CloseCode code, Deadline deadline) {
  auto self = shared_from_this();
  Result<void> sent = co_await send_close(code, deadline);
  if (sent && reading_) {
    co_await ended_.wait_until(deadline);  // the reader meets the answer
  }
  while (sent && !ended_.is_set() && !reading_) {
    Result<Bytes> dropped = co_await read(deadline);
    if (!dropped) break;
  }
  abort();
}

class WebSocketImpl final : public WebSocket {
 public:
  explicit WebSocketImpl(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~WebSocketImpl() override { core_->abort(); }

  awaitable<Result<Bytes>> read(Deadline deadline) override { return core_->read(deadline); }
  bool last_was_text() const override { return core_->last_was_text(); }
  awaitable<Result<void>> write(ByteView message, Deadline deadline) override {
    return core_->send(Opcode::binary, message, deadline);
  }
  awaitable<Result<void>> write_text(std::string_view message, Deadline deadline) override {
    return core_->send(Opcode::text, view(message), deadline);
  }
  awaitable<Result<void>> ping(Deadline deadline) override {
    return core_->send(Opcode::ping, {}, deadline);
  }
  awaitable<void> close(CloseCode code, Deadline deadline) override {
    return core_->close(code, deadline);
  }
  void abort() override { core_->abort(); }
  uint16_t close_code() const override { return core_->close_code(); }
  std::string peer() const override { return core_->stream().peer(); }
  boost::asio::any_io_executor executor() override { return core_->stream().executor(); }

 private:
  std::shared_ptr<Core> core_;
};

bool is_acceptance(const HttpResponse& answer, std::string_view key) {
  return answer.headers.has_token("upgrade", "websocket") &&
         answer.headers.has_token("connection", "upgrade") &&
         answer.headers.count("sec-websocket-accept") == 1 &&
         answer.headers.get("sec-websocket-accept") == accept_key(key) &&
         !answer.headers.contains("sec-websocket-extensions");
}

}  // namespace

awaitable<Result<std::unique_ptr<WebSocket>>> WebSocket::connect(
    std::unique_ptr<ByteStream> stream, std::string host, std::string target, HttpFields headers,
    WebSocketLimits limits, Deadline deadline, int* refused_status) {
  const std::string key = to_base64(system_random().array<16>());
  HttpRequest request;
  request.target = std::move(target);
  request.headers.add("Host", std::move(host));
  request.headers.add("Upgrade", "websocket");
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Sec-WebSocket-Key", key);
  request.headers.add("Sec-WebSocket-Version", "13");
  for (const auto& [name, value] : headers) request.headers.add(name, value);
  CO_TRY_VOID(co_await write_request(*stream, request, deadline));

  const HttpLimits bounds = response_limits();
  HttpAnswer answer(HttpParser::Kind::response, bounds);
  HttpTrace* const no_trace = nullptr;
  CO_TRY_VOID(co_await read_answer_head(*stream, answer, deadline, no_trace));
  const HttpResponse& response = answer.parser.response();
  if (response.status != 101) {
    if (refused_status != nullptr) *refused_status = response.status;
    co_return fail(WireError::http_status, "websocket upgrade refused");
  }
  const bool protocol_unasked = response.headers.contains("sec-websocket-protocol") &&
                                !headers.contains("sec-websocket-protocol");
  if (!is_acceptance(response, key) || protocol_unasked) {
    co_return fail(WireError::websocket, "answer to the upgrade");
  }
  auto core = std::make_shared<Core>(std::move(stream), std::move(answer.buffer), false, limits);
  co_return std::make_unique<WebSocketImpl>(std::move(core));
}

bool WebSocket::is_upgrade(const HttpRequest& request) {
  const auto key = from_base64(request.headers.get("sec-websocket-key"));
  return request.method == "GET" && request.version == 11 &&
         request.headers.has_token("upgrade", "websocket") &&
         request.headers.has_token("connection", "upgrade") &&
         request.headers.count("sec-websocket-key") == 1 && key && key->size() == 16 &&
         request.headers.get("sec-websocket-version") == "13";
}

awaitable<Result<std::unique_ptr<WebSocket>>> WebSocket::accept(std::unique_ptr<ByteStream> stream,
                                                                Bytes leftover, HttpRequest request,
                                                                HttpFields headers,
                                                                WebSocketLimits limits,
                                                                Deadline deadline) {
  if (!is_upgrade(request)) co_return fail(WireError::websocket, "not an upgrade");
  HttpResponse response;
  response.status = 101;
  response.headers = std::move(headers);
  response.headers.set("Upgrade", "websocket");
  response.headers.set("Connection", "Upgrade");
  response.headers.set("Sec-WebSocket-Accept",
                       accept_key(request.headers.get("sec-websocket-key")));
  const Bytes head = format_head(response);
  CO_TRY_VOID(co_await stream->write(head, deadline));
  auto core = std::make_shared<Core>(std::move(stream), std::move(leftover), true, limits);
  co_return std::make_unique<WebSocketImpl>(std::move(core));
}

}  // namespace wab::wire
