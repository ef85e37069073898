#include "session/engine.h"

#include "session/session.h"

namespace wab::session {

awaitable<Result<node::Node>> Engine::ask(node::Node iq, std::chrono::seconds timeout,
                                          int* error_code) {
  const auto connection = conn;
  if (!connection) co_return fail(SessionError::disconnected, "no connection");
  co_return co_await connection->ask(std::move(iq), timeout, error_code);
}

void Engine::start(awaitable<void> work, const char* name) {
  spawn(ctx.executor(), gate, std::move(work), name);
}

node::Node make_iq(const char* type, const char* xmlns) {
  node::Node iq("iq");
  iq.set("type", type).set("xmlns", xmlns).set("to", node::Jid::server_jid());
  return iq;
}

}  // namespace wab::session
