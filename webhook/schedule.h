// When to try again. Pure: dice are an argument.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

namespace wab::webhook {

using Millis = std::chrono::milliseconds;

// Ten attempts over three days: at once, then after these pauses (design section 4.3).
const std::vector<Millis>& default_schedule();

// The pause after `attempts` attempts have failed (1: the first), jittered by a fifth either way;
// nothing when that was the last. `retry_after` moves it within [pause, twice the pause], at most a
// day; `throttled` (429, 5xx of overload, timeouts) makes it at least a minute after the second
// try.
std::optional<Millis> next_pause(const std::vector<Millis>& schedule, uint32_t attempts,
                                 std::optional<std::chrono::seconds> retry_after, bool throttled,
                                 double unit);
// What next_pause() gives at most: a time that is further away was written by a wrong clock.
Millis longest_pause(const std::vector<Millis>& schedule, uint32_t attempts);

}  // namespace wab::webhook
