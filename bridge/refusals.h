// Attempts that the edge refused, as lines of the log: wrong or missing proof, missing rights,
// requests of other sites, bodies and framing that break the rules or never end, limits that are
// used up. For whoever watches the log; what changed something, or would have, is in the audit log
// (bridge/audit.h) as well.
//
// Any shard. At most kRefusalsPerAddress lines a minute for one address (IPv6: its /64) and
// kRefusalsInAll for everybody, so that an attacker fills no disk. A line holds the operation's
// name and never the path, the query, a header or the body: those are the stranger's words.
#pragma once

#include "bridge/app.h"
#include "bridge/problem.h"

namespace wab::bridge {

inline constexpr int64_t kRefusalsPerAddress = 20, kRefusalsInAll = 200;

// `operation` is the name of the route, empty when none was found.
void log_refusal(App& app, Code code, std::string_view operation, const std::string& address,
                 std::string_view request_id);

}  // namespace wab::bridge
