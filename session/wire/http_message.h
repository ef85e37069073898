// HTTP messages as values, the limits on them, and the strict framing policy.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/bytes.h"

namespace wab::wire {

// Fields in the order they came. Names compare without case.
class HttpFields {
 public:
  using Pair = std::pair<std::string, std::string>;
  HttpFields() = default;
  HttpFields(std::initializer_list<Pair> fields) : fields_(fields) {}

  // The first one, or "" (contains() tells the difference).
  std::string_view get(std::string_view name) const;
  bool contains(std::string_view name) const { return count(name) > 0; }
  size_t count(std::string_view name) const;
  // True when a comma-separated list field holds the token: has_token("connection", "upgrade").
  bool has_token(std::string_view name, std::string_view token) const;
  void set(std::string name, std::string value);  // replaces
  void add(std::string name, std::string value);
  void erase(std::string_view name);
  size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<Pair> fields_;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";  // origin form; an absolute form that names this host was made one
  int version = 11;
  HttpFields headers;
  Bytes body;

  std::string_view path() const;   // target up to '?', not decoded
  std::string_view query() const;  // after '?', "" without
};

struct HttpResponse {
  int status = 200;
  int version = 11;
  HttpFields headers;
  Bytes body;
};

struct HttpLimits {
  size_t header_bytes = 16 * 1024;  // start line and fields
  size_t fields = 100;
  size_t target_bytes = 8 * 1024;
  uint64_t body_bytes = 1024 * 1024;
  // Of requests: the whole head, then a body that may take its time at first and has to keep up a
  // rate afterwards.
  std::chrono::milliseconds head_time{10'000};
  std::chrono::milliseconds body_grace{5'000};
  uint64_t body_bytes_per_second = 1024;
};
// What we accept as a client: 64 KiB of body, the rest as above.
HttpLimits response_limits();

// Why a message is refused although a parser may accept it. Design section 5.6.
enum class FramingFault {
  folded_field,       // obs-fold
  transfer_encoding,  // anything but one "chunked" on HTTP/1.1
  content_length,     // more than one, or a list, or beside Transfer-Encoding
  host,               // missing, repeated or not a host
  target,             // absolute form for another host, fragment, bytes that do not belong there
  method,             // not one of ours
  unexpected_body,    // on GET, HEAD or DELETE
  chunk_extension,
};
const char* name(FramingFault fault);

// The whole policy for a request's head. `raw` is the head as received, up to and including the
// empty line. Pure. (Chunk extensions stand in the body; http_parse refuses them.)
std::optional<FramingFault> framing_fault(ByteView raw, const HttpRequest& head);
// For a response: folding, Transfer-Encoding and Content-Length.
std::optional<FramingFault> framing_fault(ByteView raw, const HttpResponse& head);

// Start line and fields with the empty line; content-length for the body is added unless the fields
// already frame it. Bytes that would break a line (CR, LF, NUL) are dropped from values.
Bytes format_head(const HttpRequest& request);
Bytes format_head(const HttpResponse& response);
std::string_view reason_phrase(int status);

}  // namespace wab::wire
