#include "session/pulse.h"

namespace wab::session {

void Pulse::decrypted(bool good, SteadyTime at) {
  if (good) {
    bad_run_ = 0;
    return;
  }
  if (bad_run_ > 0 && at - last_bad_ > kRemembered) bad_run_ = 0;
  ++bad_run_;
  last_bad_ = at;
}

std::optional<Cause> Pulse::trouble(SteadyTime now) const {
  if (silent_) return Cause::not_answering;
  if (bad_run_ >= kBadRun && now - last_bad_ <= kRemembered) return Cause::decrypt_failing;
  return std::nullopt;
}

bool is_pulse_reason(const Reason& reason) {
  return reason.code == "not_answering" || reason.code == "decrypt_failing";
}

}  // namespace wab::session
