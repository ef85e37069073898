#include "webhook/schedule.h"

#include <algorithm>

namespace wab::webhook {

using namespace std::chrono_literals;

const std::vector<Millis>& default_schedule() {
  static const std::vector<Millis> schedule{5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h};
  return schedule;
}

std::optional<Millis> next_pause(const std::vector<Millis>& schedule, uint32_t attempts,
                                 std::optional<std::chrono::seconds> retry_after, bool throttled,
                                 double unit) {
  if (attempts == 0 || attempts > schedule.size()) return std::nullopt;
  const Millis base = schedule[attempts - 1];
  Millis pause(static_cast<int64_t>(static_cast<double>(base.count()) * (0.8 + 0.4 * unit)));
  if (throttled && attempts > 1) pause = std::max<Millis>(pause, 1min);
  if (retry_after) {
    const Millis upper = std::min<Millis>(base * 2, 24h);
    const Millis asked =
        std::chrono::duration_cast<Millis>(std::clamp<std::chrono::seconds>(*retry_after, 0s, 24h));
    pause = std::max(pause, std::min(asked, upper));
  }
  return pause;
}

Millis longest_pause(const std::vector<Millis>& schedule, uint32_t attempts) {
  if (attempts == 0 || attempts > schedule.size()) return Millis{0};
  return std::max<Millis>(schedule[attempts - 1] * 2, 1min);
}

}  // namespace wab::webhook
