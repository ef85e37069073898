// HTTP requests and responses from strangers: the parser must neither crash nor depend on how the
// bytes were split, and what it accepts must pass the framing policy again as we would write it.
#include <cstdlib>

#include "session/wire/http_parse.h"

namespace {

using namespace wab;
using namespace wab::wire;

struct Read {
  bool done = false;
  bool refused = false;
  Bytes body;
  std::string head;
};

Read read(HttpParser::Kind kind, ByteView input, size_t step) {
  HttpLimits limits;
  limits.body_bytes = 1000;
  HttpParser parser(kind, limits);
  Read out;
  Bytes buffer;
  for (size_t at = 0; at < input.size() && !out.refused && !parser.done(); at += step) {
    append(buffer, input.subspan(at, std::min(step, input.size() - at)));
    for (;;) {
      const auto used = parser.feed(buffer);
      if (!used) {
        out.refused = true;
        break;
      }
      if (*used > buffer.size()) std::abort();
      buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*used));
      if (*used == 0 || buffer.empty() || parser.done()) break;
    }
  }
  out.done = parser.done();
  out.body = parser.take_body();
  if (out.body.size() > limits.body_bytes) std::abort();
  if (!parser.head_done()) return out;
  if (kind == HttpParser::Kind::request) {
    const Bytes head = format_head(parser.request());
    out.head = to_string(head);
    if (framing_fault(head, parser.request())) std::abort();
  } else {
    out.head = to_string(format_head(parser.response()));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto kind = static_cast<HttpParser::Kind>(data[0] % 3);
  const size_t step = 1 + data[1] % 16;
  const ByteView input = ByteView(data, size).subspan(2);
  const Read whole = read(kind, input, input.size() + 1);
  const Read parts = read(kind, input, step);
  // An error behind a complete message is not seen by both; everything else must agree.
  if (whole.done != parts.done || whole.head != parts.head) std::abort();
  if (whole.done && whole.body != parts.body) std::abort();
  return 0;
}
