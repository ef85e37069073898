#include "session/keepalive.h"

#include "storage/base/log.h"

namespace wab::session {
namespace {

using namespace std::chrono_literals;
using node::Node;

constexpr auto kDead = 20s;

std::chrono::milliseconds interval(Random& random) {
  return std::chrono::milliseconds(20'000 + random.below(10'000));
}

}  // namespace

awaitable<void> keep_alive(SessionContext& context, std::shared_ptr<Connection> connection) {
  // The connection may end while we sleep: a weak hold lets it go at once.
  const std::weak_ptr<Connection> weak = connection;
  connection.reset();
  for (;;) {
    const auto pause = interval(context.random());
    co_await sleep_until(context.clock().steady() + pause);
    auto held = weak.lock();
    if (!held || !held->alive()) co_return;
    if (context.clock().steady() - held->last_frame() < 15s) continue;
    const SteadyTime asked = context.clock().steady();
    Node ping("iq");
    ping.set("id", held->next_id()).set("xmlns", "w:p").set("type", "get");
    ping.set("to", node::Jid::server_jid());
    held->send(ping);
    held.reset();
    co_await sleep_until(asked + kDead);
    held = weak.lock();
    if (!held || !held->alive()) co_return;
    if (held->last_frame() < asked) {
      log_info("session.connection_dead", {{"session", context.scope().session().text()}});
      held->close();
      co_return;
    }
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
