#include "session/keepalive.h"

#include "storage/base/log.h"

namespace wab::session {
namespace {

using namespace std::chrono_literals;
using node::Node;

constexpr auto kSuspect = 8s;
constexpr auto kDead = 20s;
constexpr auto kLook = 500ms;  // for a sign of life from a suspect

std::chrono::milliseconds interval(Random& random) {
  return std::chrono::milliseconds(20'000 + random.below(10'000));
}

}  // namespace

awaitable<void> keep_alive(SessionContext& context, std::shared_ptr<Connection> connection,
                           KeepaliveListener listener) {
  for (;;) {
    const SteadyTime next = context.clock().steady() + interval(context.random());
    if (co_await connection->ended_before(next)) co_return;
    if (context.clock().steady() - connection->last_frame() < 15s) continue;
    listener.quiet();
    const SteadyTime asked = context.clock().steady();
    Node ping("iq");
    ping.set("id", connection->next_id()).set("xmlns", "w:p").set("type", "get");
    ping.set("to", node::Jid::server_jid());
    connection->send(ping);
    if (co_await connection->ended_before(asked + kSuspect)) co_return;
    if (connection->last_frame() >= asked) continue;
    listener.silent(true);
    while (connection->last_frame() < asked && context.clock().steady() < asked + kDead) {
      const SteadyTime look = std::min(context.clock().steady() + kLook, asked + kDead);
      const bool ended = co_await connection->ended_before(look);
      if (ended) co_return;
    }
    if (connection->last_frame() < asked) {
      log_info("session.connection_dead", {{"session", context.scope().session().text()}});
      connection->close();
      co_return;
    }
    listener.silent(false);
  }
}

std::optional<Node> answer_ping(const Node& stanza) {
  if (stanza.tag != "iq") return std::nullopt;
  const std::string type = stanza.attr("type");
  const bool ping = stanza.attr("xmlns") == "urn:xmpp:ping" || stanza.child("ping") != nullptr;
  if (!ping || (!type.empty() && type != "get")) return std::nullopt;
  Node pong("iq");
  pong.set("type", "result").set("to", stanza.jid("from").value_or(node::Jid::server_jid()));
  pong.set("id", stanza.attr("id"));
  return pong;
}

}  // namespace wab::session
