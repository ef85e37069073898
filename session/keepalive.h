// Is anybody there? Pings a quiet connection and closes a dead one (dossier 1 section 11.1).
//
// A ping every 20 to 30 s, jittered per session so that thousands of timers do not align; a
// connection from which nothing came for 20 s after a ping is dead.
#pragma once

#include "session/connection.h"

namespace wab::session {

// Runs until the connection ends. `quiet` is called whenever nothing has come for a while: the
// session gives back what it keeps only to be quick.
awaitable<void> keep_alive(SessionContext& context, std::shared_ptr<Connection> connection,
                           std::function<void()> quiet);

// The answer to a ping of the server, or nothing when the stanza is none.
std::optional<node::Node> answer_ping(const node::Node& stanza);

}  // namespace wab::session
