// From what happened on the wire to what becomes of the delivery. Pure; one table.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "storage/base/clock.h"
#include "storage/base/result.h"

namespace wab::webhook {

enum class Fate : uint8_t {
  done,     // 2xx
  later,    // try again by the schedule
  disable,  // 410: the receiver does not want this endpoint any more
};

struct Verdict {
  Fate fate = Fate::later;
  bool throttled = false;  // the receiver is overloaded
  const char* code = "";   // stable word for logs, metrics and attempts
};

Verdict judge_status(int status);
Verdict judge_error(const Error& error);

// Retry-After: seconds or an HTTP date; nothing for anything else, negatives included.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, UnixSeconds now);

}  // namespace wab::webhook
