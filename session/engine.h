// What the topics of one session share: its identity, its overlay, its turn, its connection.
//
// Owned by the session actor (session.cc), one per session, single shard. Topics (receive, send,
// prekeys, ...) hold a reference and keep no state of another topic.
#pragma once

#include <memory>

#include "session/connection.h"
#include "session/identity.h"
#include "session/overlay.h"
#include "session/pulse.h"
#include "session/turn.h"
#include "storage/base/shards.h"

namespace wab::session {

struct Engine {
  explicit Engine(SessionContext& context) : ctx(context), overlay(context) {}

  SessionContext& ctx;
  Overlay overlay;
  Turn turn;
  DeviceIdentity me;
  std::shared_ptr<Connection> conn;  // null while there is none; working() tells whether it counts
  bool open = false;                 // logged in and active
  Pulse pulse;                       // whether that is worth anything
  UnixMillis clock_offset_ms = 0;    // server minus ours
  Gate gate;                         // every coroutine of this session is inside; dies first

  UnixMillis server_now_ms() const { return ctx.clock().now_ms() + clock_offset_ms; }
  UnixSeconds server_now_s() const { return server_now_ms() / 1000; }
  const OwnIdentity& own() const { return me.own; }

  bool send(const node::Node& stanza) { return conn && conn->send(stanza); }
  // On the connection that was current when the caller saw the stanza: an answer to something that
  // an earlier connection brought must not go out on the next one.
  static bool send_on(const std::weak_ptr<Connection>& where, const node::Node& stanza) {
    const auto connection = where.lock();
    return connection && connection->send(stanza);
  }
  awaitable<Result<node::Node>> ask(node::Node iq, std::chrono::seconds timeout,
                                    int* error_code = nullptr);
  // Starts a coroutine that belongs to this session.
  void start(awaitable<void> work, const char* name);
};

// <iq type=... xmlns=... to=s.whatsapp.net>; the connection gives it its id.
node::Node make_iq(const char* type, const char* xmlns);

}  // namespace wab::session
