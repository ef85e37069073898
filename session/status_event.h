// The event that tells a tenant about a change of status. Pure.
#pragma once

#include "session/event.h"
#include "session/status.h"

namespace wab::session {

// `seq` is the number the event will get: two changes of one session may share a millisecond and a
// word, the number makes the source unique.
EventDraft status_event(Status status, const Reason& reason, UnixMillis since, uint64_t seq);

}  // namespace wab::session
