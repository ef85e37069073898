#include "session/wire/http_parse.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace wab::wire {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;
using View = boost::beast::string_view;

// Of the line that comes first; the end of the chunk before it may stand in front. What follows the
// line may be data.
bool ends_in_bare_line_feed(ByteView in) {
  const size_t begin = in.size() >= 2 && in[0] == '\r' && in[1] == '\n' ? 2 : 0;
  for (size_t i = begin; i < in.size(); ++i) {
    if (in[i] == '\n') return i == begin || in[i - 1] != '\r';
  }
  return false;
}

std::string to_text(View view) { return std::string(view.data(), view.size()); }

// What both directions share, filled by Beast's callbacks.
struct Message {
  explicit Message(const HttpLimits& wanted) : limits(wanted) {}

  HttpLimits limits;
  HttpRequest request;
  HttpResponse response;
  HttpFields fields;
  ByteView raw_head;  // valid while the head is parsed
  bool head_done = false;
  Bytes body;
  uint64_t body_total = 0;
  uint64_t chunk_left = 0;  // of the chunk being read
  std::optional<FramingFault> fault;
  int refused = 0;  // status to answer with
  const char* why = "";

  void refuse(int status, const char* reason, error_code& error) {
    if (refused == 0) {
      refused = status;
      why = reason;
    }
    error = http::error::bad_value;
  }
  void refuse(FramingFault found, error_code& error) {
    fault = found;
    refuse(400, name(found), error);
  }
  void add_field(View name, View value, error_code& error) {
    if (head_done) return;  // trailers: read and ignored
    if (fields.size() >= limits.fields) return refuse(431, "too many fields", error);
    fields.add(to_text(name), to_text(value));
  }
  size_t add_body(View piece, error_code& error) {
    // What fits is kept: a client may show the beginning of an endless answer.
    const uint64_t room = limits.body_bytes - std::min(limits.body_bytes, body_total);
    const size_t size = static_cast<size_t>(std::min<uint64_t>(room, piece.size()));
    append(body, view({piece.data(), size}));
    body_total += size;
    if (size < piece.size()) refuse(413, "body", error);
    return size;
  }
};

template <bool is_request>
class Machine final : public http::basic_parser<is_request> {
 public:
  explicit Machine(Message& message) : message_(message) {
    this->header_limit(static_cast<uint32_t>(message.limits.header_bytes));
    this->body_limit(boost::none);  // ours, in Message
    this->eager(false);
  }

 private:
  using Base = http::basic_parser<is_request>;

  void on_request_impl(http::verb, View method, View target, int version,
                       error_code& error) override {
    if (target.size() > message_.limits.target_bytes) {
      return message_.refuse(414, "target", error);
    }
    message_.request.method = to_text(method);
    message_.request.target = to_text(target);
    message_.request.version = version;
  }
  void on_response_impl(int status, View, int version, error_code&) override {
    message_.response.status = status;
    message_.response.version = version;
  }
  void on_field_impl(http::field, View name, View value, error_code& error) override {
    message_.add_field(name, value, error);
  }
  void on_header_impl(error_code& error) override {
    std::optional<FramingFault> found;
    if constexpr (is_request) {
      message_.request.headers = std::move(message_.fields);
      found = framing_fault(message_.raw_head, message_.request);
    } else {
      message_.response.headers = std::move(message_.fields);
      found = framing_fault(message_.raw_head, message_.response);
    }
    if (found) return message_.refuse(*found, error);
    message_.head_done = true;
    if constexpr (is_request) make_origin_form(message_.request.target);
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(View piece, error_code& error) override {
    return message_.add_body(piece, error);
  }
  void on_chunk_header_impl(std::uint64_t size, View extensions, error_code& error) override {
    if (!extensions.empty()) message_.refuse(FramingFault::chunk_extension, error);
    message_.chunk_left = size;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, View piece, error_code& error) override {
    const std::size_t size = message_.add_body(piece, error);
    message_.chunk_left -= size;
    return size;
  }
  void on_finish_impl(error_code&) override {}

  static void make_origin_form(std::string& target) {
    if (target.starts_with('/')) return;
    const size_t host = target.find("://") + 3;
    const size_t end = target.find_first_of("/?", host);
    target = end == std::string::npos ? "/" : target.substr(end);
    if (target.starts_with('?')) target.insert(0, "/");
  }

  Message& message_;
};

}  // namespace

struct HttpParser::Impl {
  Impl(Kind wanted, const HttpLimits& limits) : message(limits) {
    if (wanted == Kind::request) {
      as_request = std::make_unique<Machine<true>>(message);
    } else {
      as_response = std::make_unique<Machine<false>>(message);
      if (wanted == Kind::response_without_body) as_response->skip(true);
    }
  }

  template <class F>
  auto with(F use) const {
    return as_request ? use(*as_request) : use(*as_response);
  }
  // What comes next is the size of a chunk, or the trailer.
  bool in_chunk_header() const {
    return message.head_done && message.chunk_left == 0 && !done() &&
           with([](auto& machine) { return machine.chunked(); });
  }
  // Beast 1.81 asserts that it sees at least "0\r\n\r\n" of a chunk header that it saw before.
  bool too_short(ByteView in) const { return in.size() < 5 && in_chunk_header(); }
  bool done() const {
    return message.head_done && with([](auto& machine) { return machine.is_done(); });
  }

  Error refused(int status, const char* why) {
    if (message.refused == 0) {
      message.refused = status;
      message.why = why;
    }
    return Error(message.refused == 413 ? WireError::too_large : WireError::http, message.why);
  }

  // Uses some bytes; true when more are needed.
  Result<bool> put(ByteView in, size_t& used) {
    error_code error;
    const boost::asio::const_buffer buffer(in.data(), in.size());
    used += with([&](auto& machine) { return machine.put(buffer, error); });
    if (error == http::error::need_more) return true;
    if (error) return fail(refused(400, "malformed message"));
    return false;
  }

  // The head goes to Beast in one piece, once it is there as a whole: the policy needs to see it as
  // it came, and a bare line feed is refused here instead of being waited for.
  Result<size_t> feed_head(ByteView in) {
    const size_t limit = message.limits.header_bytes;
    size_t end = 0;
    for (size_t i = scanned; i < in.size() && i < limit && end == 0; ++i) {
      if (in[i] == 0) return fail(refused(400, "NUL in the head"));
      if (in[i] != '\n') continue;
      if (i == 0 || in[i - 1] != '\r') return fail(refused(400, "bare line feed"));
      if (i >= 3 && in[i - 2] == '\n') end = i + 1;
    }
    if (end == 0) {
      scanned = std::min(in.size(), limit);
      if (in.size() < limit) return size_t{0};
      const bool in_first_line = text(in.first(limit)).find('\n') == std::string_view::npos;
      return fail(in_first_line && as_request ? refused(414, "start line")
                                              : refused(431, "head is too large"));
    }
    message.raw_head = in.first(end);
    size_t used = 0;
    TRY(const bool more, put(message.raw_head, used));
    message.raw_head = {};
    if (more || !message.head_done || used != end) return fail(refused(400, "malformed head"));
    return end;
  }

  Message message;
  std::unique_ptr<Machine<true>> as_request;
  std::unique_ptr<Machine<false>> as_response;
  size_t scanned = 0;
  bool started = false;
};

HttpParser::HttpParser(Kind kind, HttpLimits limits)
    : impl_(std::make_unique<Impl>(kind, limits)) {}
HttpParser::~HttpParser() = default;
HttpParser::HttpParser(HttpParser&&) noexcept = default;
HttpParser& HttpParser::operator=(HttpParser&&) noexcept = default;

Result<size_t> HttpParser::feed(ByteView in) {
  Impl& impl = *impl_;
  if (impl.message.refused != 0) return fail(impl.refused(400, ""));
  if (in.empty()) return size_t{0};
  impl.started = true;
  if (!impl.message.head_done) return impl.feed_head(in);
  size_t used = 0;
  while (used < in.size() && !impl.done() && !impl.too_short(in.subspan(used))) {
    const size_t before = used;
    TRY(const bool more, impl.put(in.subspan(used), used));
    if (more || used == before) break;
  }
  // Beast would wait for the CR LF of a chunk header that ended in a bare line feed.
  if (impl.in_chunk_header() && ends_in_bare_line_feed(in.subspan(used))) {
    return fail(impl.refused(400, "bare line feed in a chunk header"));
  }
  // A chunk header or trailer that never ends.
  if (in.size() - used > impl.message.limits.header_bytes && !impl.done()) {
    return fail(impl.refused(400, "chunk header"));
  }
  return used;
}

Result<void> HttpParser::finish() {
  Impl& impl = *impl_;
  if (impl.message.refused != 0) return fail(impl.refused(400, ""));
  if (done()) return ok();
  if (!impl.message.head_done) return fail(WireError::eof, "in the head");
  error_code error;
  impl.with([&](auto& machine) { machine.put_eof(error); });
  if (error) return fail(WireError::eof, "in the body");
  return ok();
}

bool HttpParser::head_done() const { return impl_->message.head_done; }
bool HttpParser::done() const { return impl_->done(); }
bool HttpParser::started() const { return impl_->started; }
const HttpRequest& HttpParser::request() const { return impl_->message.request; }
const HttpResponse& HttpParser::response() const { return impl_->message.response; }
bool HttpParser::keep_alive() const {
  return impl_->with([](auto& machine) { return machine.keep_alive(); });
}
bool HttpParser::has_body() const {
  const HttpFields& headers =
      impl_->as_request ? impl_->message.request.headers : impl_->message.response.headers;
  return headers.contains("content-length") || headers.contains("transfer-encoding");
}
std::optional<uint64_t> HttpParser::content_length() const {
  const auto length = impl_->with([](auto& machine) { return machine.content_length(); });
  return length ? std::optional<uint64_t>(*length) : std::nullopt;
}
Bytes HttpParser::take_body() { return std::exchange(impl_->message.body, {}); }
size_t HttpParser::body_ready() const { return impl_->message.body.size(); }
void HttpParser::limit_body(uint64_t bytes) { impl_->message.limits.body_bytes = bytes; }
int HttpParser::fault_status() const { return impl_->message.refused; }
std::optional<FramingFault> HttpParser::fault() const { return impl_->message.fault; }

}  // namespace wab::wire
