// Is anybody there? Pings a quiet connection and closes a dead one (dossier 1 section 11.1).
//
// A ping every 20 to 30 s, jittered per session so that thousands of timers do not align; a
// connection from which nothing came for 20 s after a ping is dead.
#pragma once

#include "session/connection.h"

namespace wab::session {

struct KeepaliveListener {
  // Nothing has come for a while: the session gives back what it keeps only to be quick.
  std::function<void()> quiet;
  // 8 s after a ping: nothing came since (true), or something came after all (false).
  std::function<void(bool)> silent;
};
// Runs until the connection ends.
awaitable<void> keep_alive(SessionContext& context, std::shared_ptr<Connection> connection,
                           KeepaliveListener listener);

// The answer to a ping of the server, or nothing when the stanza is none.
std::optional<node::Node> answer_ping(const node::Node& stanza);

}  // namespace wab::session
