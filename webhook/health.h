// How an endpoint, or an organization's outbox, has been doing, across restarts: one small row, and
// what is to be told about it. Pure.
//
// Rows are of Kind::endpoint_health; their name is the endpoint's id or the organization's own.
#pragma once

#include <optional>
#include <string>

#include "storage/base/clock.h"
#include "storage/store.h"

namespace wab::webhook {

struct Health {
  static constexpr uint32_t kTellAfter = 4;  // attempts of one delivery
  static constexpr UnixMillis kGiveUpAfter = 5 * 24 * 3600 * 1000LL;
  // No pause between attempts is as long: after more than this nobody knows how the endpoint has
  // been doing, or the clock was wrong, and counting starts again.
  static constexpr UnixMillis kUnknownAfter = 3 * 24 * 3600 * 1000LL;
  static constexpr UnixMillis kKeepEvery = 3600 * 1000;

  UnixMillis failing_since = 0;  // 0: the last attempt succeeded, or there was none
  UnixMillis last_failed = 0;    // to the hour
  bool told = false;             // webhook.failing was said and not taken back
  uint64_t events = 0;           // operational events so far: their seq

  struct Change {
    bool row = false;  // it must be written
    bool failing = false, recovered = false, give_up = false;
  };
  // After an attempt; `attempts` of its delivery so far, `breaker` just opened.
  Change ended(bool good, uint32_t attempts, bool breaker, UnixMillis now);
};
Bytes encode(const Health& health);
std::optional<Health> decode_health(ByteView stored);

// Types of operational events: in the organization's event log, and at every endpoint that wants
// them except the one they are about.
inline constexpr std::string_view kFailing = "webhook.failing", kRecovered = "webhook.recovered",
                                  kExhausted = "webhook.exhausted", kDisabled = "webhook.disabled",
                                  kTest = "webhook.test";
// About the organization's outbox, which is numbered by the organization's id.
inline constexpr std::string_view kHighWatermark = "outbox.high_watermark",
                                  kBelowWatermark = "outbox.recovered";
inline bool is_operational(std::string_view type) {
  return type.starts_with("webhook.") || type.starts_with("outbox.");
}

// The event; its `session` holds the id of what it is about, which is what numbers it. `data` is
// JSON.
storage::EventRow operational_event(storage::Store& store, const storage::OrgScope& org,
                                    const ByteArray<16>& about, std::string_view type, uint64_t seq,
                                    UnixMillis at, std::string_view data);

}  // namespace wab::webhook
