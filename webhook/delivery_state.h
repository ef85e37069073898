// The stored state of one delivery: attempts made, when the next is due, and in which form its body
// is written at every one of them. Pure, versioned.
#pragma once

#include <optional>

#include "storage/base/clock.h"
#include "webhook/endpoint.h"

namespace wab::webhook {

struct DeliveryState {
  uint32_t attempts = 0;
  UnixMillis due = 0;         // 0: at once
  bool exhausted = false;     // all attempts made: on its way to the dead letters
  bool replay = false;        // asked for by hand: says so in its headers and its attempts
  uint64_t last_attempt = 0;  // number in the endpoint's attempt log, 0: none
  // The endpoint's when the event happened; nothing in rows that are older than this field.
  std::optional<BodyFormat> format = std::nullopt;
};

Bytes encode(const DeliveryState& state);
// Anything that does not parse reads as a fresh delivery: it is then attempted, never lost.
DeliveryState decode_state(ByteView stored);

}  // namespace wab::webhook
