// Status words of a session and the one table of legal moves between them (contract section 3).
// Pure; the session's actor asks here before it changes its status.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace wab::session {

enum class Status : uint8_t {
  stopped,
  starting,
  scan_qr_code,
  passkey_required,
  passkey_confirmation_required,
  working,
  degraded,
  failed,
};
std::string_view status_word(Status status);  // "SCAN_QR_CODE"
std::optional<Status> parse_status(std::string_view word);

// Why a session is where it is, in words that tell an admin what to do. `code` is stable and for
// programs. `next` is empty when there is nothing to do.
struct Reason {
  std::string code;
  std::string message;
  std::string next;
  bool operator==(const Reason&) const = default;
};

enum class Cause : uint8_t {
  start_requested,
  stop_requested,
  restart_requested,
  logout_requested,     // by us: credentials are gone
  process_restarted,    // the session is wanted and comes back by itself
  qr_offered,           // refs arrived
  pairing_code_issued,  // an eight-character code is on the tenant's screen
  code_expired,         // the eight-character code; QR goes on
  phone_too_old,        // scanned by a phone that cannot link devices
  passkey_requested,
  passkey_code_shown,
  passkey_abandoned,
  paired,           // pair-success was verified and stored; 515 follows
  qr_timeout,       // all refs used up
  pairing_refused,  // pair-success did not verify, or was vetoed
  opened,           // <active/> got its result
  connection_lost,  // of a paired session; it reconnects
  unreachable,      // an unpaired session cannot connect
  held_back,        // the organization's event store is full: reading is paused
  released,         // and goes on
  not_answering,    // a ping went unanswered (pulse.h)
  decrypt_failing,  // message after message cannot be read
  recovered,        // neither any more
  ended,            // the service ended it for good: the reason is Ending::reason (ending.h)
  internal_error,
  quarantined,  // a stored record does not open
};

struct Move {
  Cause cause;
  uint16_t from;  // bit per Status
  Status to;
  std::string_view code, message, next;
};
std::span<const Move> all_moves();

struct StatusChange {
  Status status;
  Reason reason;
};
// The move that `cause` makes from `from`; nothing when it is not legal there, which the caller
// treats as "stay": a late timer or a repeated command. `instead` replaces the table's words, for
// Cause::ended and for connection_lost with a known Ending.
std::optional<StatusChange> move(Status from, Cause cause, const Reason* instead = nullptr);

}  // namespace wab::session
