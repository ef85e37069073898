// The stored state of one delivery: attempts made and when the next is due. Pure, versioned.
#pragma once

#include <optional>

#include "storage/base/clock.h"

namespace wab::webhook {

struct DeliveryState {
  uint32_t attempts = 0;
  UnixMillis due = 0;      // 0: at once
  bool exhausted = false;  // all attempts made: kept as a dead letter
};

Bytes encode(const DeliveryState& state);
// Anything that does not parse reads as a fresh delivery: it is then attempted, never lost.
DeliveryState decode_state(ByteView stored);

}  // namespace wab::webhook
