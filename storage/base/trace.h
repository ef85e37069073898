// W3C trace context: which request caused what. Values only; nothing is sent to a tracing service.
//
// A `traceparent` that is not exactly as the recommendation says (level 1, section 3.2) is as if it
// were absent. `tracestate` is not kept: it belongs to the vendors before us and may be dropped.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/base/clock.h"

namespace wab {

struct TraceContext {
  ByteArray<16> trace{};
  ByteArray<8> span{};
  uint8_t flags = 0;

  // "00-<32 hex>-<16 hex>-<2 hex>", lower case, no id of zeros; a later version may go on behind.
  static std::optional<TraceContext> parse(std::string_view traceparent);
  static TraceContext fresh(Random& random);
  // The same for the same cause, so that every attempt of one event stands in one trace.
  static TraceContext of(std::string_view cause);

  // A step of ours inside this trace.
  TraceContext child(Random& random) const;
  std::string id() const { return to_hex(trace); }  // for logs
  std::string traceparent() const;
};

}  // namespace wab
