#include "webhook/delivery_state.h"

namespace wab::webhook {

constexpr uint8_t kVersion = 1;

Bytes encode(const DeliveryState& state) {
  Bytes out{kVersion, static_cast<uint8_t>(state.exhausted ? 1 : 0)};
  put_be32(out, state.attempts);
  put_be64(out, static_cast<uint64_t>(state.due));
  return out;
}

DeliveryState decode_state(ByteView stored) {
  DeliveryState out;
  if (stored.size() != 14 || stored[0] != kVersion) return out;
  out.exhausted = stored[1] == 1;
  out.attempts = read_be32(stored.subspan(2));
  out.due = static_cast<UnixMillis>(read_be64(stored.subspan(6)));
  return out;
}

}  // namespace wab::webhook
