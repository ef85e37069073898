// How a connection ended and what follows: one table for <failure>, <stream:error>, handshake,
// transport and upgrade (dossier 1 sections 11.3 to 11.5 and 1.1). Pure.
//
// What nobody knows never wipes credentials.
#pragma once

#include <optional>

#include "session/node/node.h"
#include "session/status.h"
#include "storage/base/result.h"

namespace wab::session {

enum class Action : uint8_t {
  retry_now,      // reconnect without delay, backoff cleared (515)
  back_off,       // reconnect after the next delay
  stop_and_tell,  // no reconnect until somebody acts; credentials kept
  logged_out,     // this device is no longer linked
};

struct Ending {
  Action action = Action::back_off;
  // Logged out and the keys are useless: erase them. False with logged_out: the lock may be
  // appealable, rows stay until the session is deleted.
  bool wipe = false;
  // Not over yet: the server will close by itself. Log, keep reading, then do `action`.
  bool await_close = false;
  bool bug_alarm = false;  // the server complains about what we send: a human must look
  int penalty_steps = 0;   // extra backoff that survives a stable connection (429)
  int number = 0;          // the code or reason on the wire; 0 when there was none
  std::optional<uint32_t> resume_after_s;  // 402: seconds until the ban ends
  Reason reason;
};

// Of a <failure>, <stream:error> or <xmlstreamend> stanza. Any other tag is a protocol error.
Ending classify(const node::Node& stanza);
// Of a failed dial, upgrade, handshake, frame or decode. Covers the errors of the rooms wire, noise
// and node; WireError::http_status is better asked with upgrade_refused().
Ending classify(const Error& error);
// The WebSocket upgrade was answered with this HTTP status.
Ending upgrade_refused(int http_status);
// The peer closed without a stanza. `close_code` of the WebSocket, 0 for plain EOF.
Ending closed_by_peer(int close_code);

}  // namespace wab::session
