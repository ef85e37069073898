// Does a connected session really work? Judged from proof, not from an open socket: whether the
// server answers, and whether what it brings can be read. Pure; time is an argument.
#pragma once

#include <chrono>
#include <optional>

#include "session/status.h"
#include "storage/base/clock.h"

namespace wab::session {

class Pulse {
 public:
  // So many messages in a row that did not decrypt are no accident of one chat.
  static constexpr int kBadRun = 5;
  // Without further proof the suspicion ends.
  static constexpr std::chrono::minutes kRemembered{60};

  // A ping was not answered in time, or something came after all (keepalive.h).
  void silent(bool yes) { silent_ = yes; }
  // A message was opened, or not. Duplicates are neither.
  void decrypted(bool good, SteadyTime at);
  // Login on a new connection: the silence of the old one says nothing about it.
  void connected() { silent_ = false; }

  // Why a connected session is DEGRADED at `now`; nothing when it works.
  std::optional<Cause> trouble(SteadyTime now) const;

 private:
  bool silent_ = false;
  int bad_run_ = 0;
  SteadyTime last_bad_{};
};

// True for the reasons that Pulse gives: only those end when it has no trouble any more.
bool is_pulse_reason(const Reason& reason);

}  // namespace wab::session
