// Following the organization's event log: the position behind a cursor, a page of it, a live
// follower.
//
// What the retention took away, or what a restored backup did not hold, is never stepped over in
// silence: a reader whose next event is gone gets Code::cursor_expired with `oldest_cursor`, and a
// follower gets one frame {"type":"log.gap","gap":{"from","to"},"oldest_cursor"} before it goes on.
//
// A cursor of the log is a position in decimal, "latest", or "SESSION_ID:SEQ" made from any
// envelope, so that a reader of the stream can resume from the last event it holds. Operational
// events are numbered by what they are about: "WEBHOOK_ID:SEQ", and "ORGANIZATION_ID:SEQ" for those
// of the outbox.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/access.h"
#include "bridge/app.h"
#include "bridge/request.h"

namespace wab::bridge {

// How long a follower that has nothing to say may not notice that its reader is gone.
inline constexpr std::chrono::seconds kGlance{2};

// What numbers the event that a cursor was made from: a session, or what stands in its place.
std::optional<SessionId> numbered_by(std::string_view cursor);

// "" is the oldest event there is. Code::invalid_cursor when it is none of ours.
awaitable<Outcome<uint64_t>> event_position(App& app, storage::OrgScope org, std::string cursor);

// At most `limit` events after `position`; when there is none yet, waits for one until `until`.
awaitable<Outcome<std::vector<storage::EventRow>>> events_or_wait(App& app, storage::OrgScope org,
                                                                  uint64_t position, size_t limit,
                                                                  SteadyTime until);

// Sends everything after `position` of the sessions that the caller sees, then what comes, until
// the sink closes.
std::unique_ptr<Follower> follow_events(App& app, const Caller& caller, uint64_t position);

}  // namespace wab::bridge
