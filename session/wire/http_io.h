// The answering half of a client's exchange, for the .cc files of this room.
#pragma once

#include "session/wire/http.h"
#include "session/wire/http_parse.h"

namespace wab::wire {

struct HttpAnswer {
  HttpAnswer(HttpParser::Kind wanted, const HttpLimits& bounds)
      : kind(wanted), limits(bounds), parser(wanted, bounds) {}
  HttpParser::Kind kind;
  HttpLimits limits;
  HttpParser parser;
  Bytes buffer;  // received, not parsed yet
};

// Writes the request in as few pieces as sensible.
awaitable<Result<void>> write_request(ByteStream& stream, const HttpRequest& request,
                                      Deadline deadline);
// Reads up to the end of the final answer's head. Arguments outlive the call.
awaitable<Result<void>> read_answer_head(ByteStream& stream, HttpAnswer& answer, Deadline deadline,
                                         HttpTrace* trace);
// Reads more of the body into the parser; false at its end. An answer that outgrows the limit is
// WireError::too_large with the beginning still in the parser.
awaitable<Result<bool>> read_answer_body(ByteStream& stream, HttpAnswer& answer, Deadline deadline);

// Appends what one read brings; 0 at the end.
awaitable<Result<size_t>> read_into(ByteStream& stream, Bytes& buffer, size_t at_most,
                                    Deadline deadline);

}  // namespace wab::wire
