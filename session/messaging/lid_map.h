// Phone number and LID of the same person (dossier 2 sections 3.3 and 3.4).
//
// Both directions are stored (Kind::lid_map). Signal state is kept under the LID as soon as one is
// known; state that was made under the number before is moved when it is next needed
// (signal_store).
#pragma once

#include "session/node/jid.h"
#include "session/overlay.h"

namespace wab::session {

// Records that `a` and `b` (bare, one of each kind) are one person. Nothing happens for two of the
// same kind or when it is known already.
awaitable<Result<void>> learn_pair(Change& change, node::Jid a, node::Jid b, UnixSeconds now);

// The other name of a bare jid.
awaitable<Result<std::optional<node::Jid>>> other_name(Change& change, node::Jid bare);

// The jid under which Signal state of this device is kept: the LID when known, same device.
awaitable<Result<node::Jid>> signal_jid(Change& change, node::Jid device);

}  // namespace wab::session
