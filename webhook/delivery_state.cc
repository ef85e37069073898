#include "webhook/delivery_state.h"

#include "webhook/pack.h"

namespace wab::webhook {

constexpr uint8_t kVersion = 3;
constexpr uint8_t kExhausted = 1, kReplay = 2;

Bytes encode(const DeliveryState& state) {
  Bytes out{kVersion, static_cast<uint8_t>((state.exhausted ? kExhausted : 0) |
                                           (state.replay ? kReplay : 0))};
  put_be32(out, state.attempts);
  put_be64(out, static_cast<uint64_t>(state.due));
  put_be64(out, state.last_attempt);
  put_format(out, state.format);
  return out;
}

DeliveryState decode_state(ByteView stored) {
  Unpack in(stored);
  const uint8_t version = in.u8(), flags = in.u8();
  DeliveryState out;
  out.exhausted = (flags & kExhausted) != 0;
  out.replay = (flags & kReplay) != 0;
  out.attempts = in.u32();
  out.due = in.i64();
  if (version >= 2) out.last_attempt = in.u64();
  if (version >= 3) out.format = take_format(in);
  // 1 had no number of the last attempt, 2 no format.
  const bool known = version >= 1 && version <= kVersion;
  return known && in.done() ? out : DeliveryState{};
}

}  // namespace wab::webhook
