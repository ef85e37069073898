// What delivery keeps in the store: any bytes are a row of each kind or none, and a row that was
// read is written the same way again.
#include <cstdlib>

#include "webhook/attempt.h"
#include "webhook/delivery_state.h"
#include "webhook/health.h"
#include "webhook/log_head.h"
#include "webhook/replay.h"

namespace {

template <class Decode>
void same_again(wab::ByteView bytes, Decode decode) {
  const auto row = decode(bytes);
  if (!row) return;
  const wab::Bytes written = wab::webhook::encode(*row);
  const auto again = decode(wab::ByteView(written));
  if (!again || wab::webhook::encode(*again) != written) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace wab::webhook;  // NOLINT
  const wab::ByteView bytes(data, size);
  same_again(bytes, [](wab::ByteView v) { return decode_attempt(v); });
  same_again(bytes, [](wab::ByteView v) { return decode_dead_letter(v); });
  same_again(bytes, [](wab::ByteView v) { return decode_health(v); });
  same_again(bytes, [](wab::ByteView v) { return decode_log_head(v); });
  same_again(bytes, [](wab::ByteView v) { return decode_replay_job(v); });
  (void)decode_state(bytes);
  return 0;
}
