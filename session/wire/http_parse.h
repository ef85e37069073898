// One HTTP/1.1 message out of bytes, in any split: Beast's parser with our framing policy behind
// it. Pure: no IO, no clock; what the fuzz target feeds.
#pragma once

#include <memory>

#include "session/wire/http_message.h"
#include "session/wire/stream.h"

namespace wab::wire {

class HttpParser {
 public:
  enum class Kind {
    request,
    response,
    response_without_body,  // the answer to HEAD
  };
  HttpParser(Kind kind, HttpLimits limits);
  ~HttpParser();
  HttpParser(HttpParser&&) noexcept;
  HttpParser& operator=(HttpParser&&) noexcept;

  // Uses bytes from the front and says how many; the rest must be presented again, with more behind
  // it when nothing was used. Stops behind the head, and behind the message. After an error the
  // parser is dead and fault_status() says what a server should answer.
  Result<size_t> feed(ByteView in);
  // The peer has closed: fine for a response without length, WireError::eof otherwise.
  Result<void> finish();

  bool head_done() const;
  bool done() const;
  bool started() const;  // any byte was used or presented
  // Valid once head_done(); the bodies stay empty.
  const HttpRequest& request() const;
  const HttpResponse& response() const;
  bool keep_alive() const;  // what the message itself asks for
  bool has_body() const;    // some framing announces one, possibly empty
  std::optional<uint64_t> content_length() const;
  // What is known of the body so far and was not taken yet.
  Bytes take_body();
  size_t body_ready() const;
  // Lowers or raises the limit on the body; before the body is fed.
  void limit_body(uint64_t bytes);

  // 400, 413, 414 or 431; 0 without an error.
  int fault_status() const;
  std::optional<FramingFault> fault() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wab::wire
