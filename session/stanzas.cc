// Which topic takes what arrives, and the steps after a login.
#include "session/actor.h"
#include "session/keepalive.h"
#include "session/messaging/receipts.h"
#include "session/probe.h"

namespace wab::session {

using node::Node;

awaitable<Result<std::optional<Ending>>> Actor::on_stanza(Node stanza) {
  using Answer = std::optional<Ending>;
  const std::string& tag = stanza.tag;
  if (const auto pong = answer_ping(stanza)) {
    engine_.send(*pong);
    co_return Answer();
  }
  if (!engine_.me.paired() || pairing_.paired_now()) {
    if (co_await pairing_.on_stanza(stanza)) co_return Answer();
  }
  if (tag == "stream:error" || tag == "failure" || tag == "xmlstreamend") {
    co_return Answer(classify(stanza));
  }
  bool began = false;
  if (hold_.takes(stanza, began)) {
    if (began) engine_.start(hold_back(engine_.conn), "session.hold");
    co_return Answer();
  }
  if (stanza.has("offline")) login_.on_offline_stanza();
  if (tag == "success") {
    co_await on_success(std::move(stanza));
  } else if (tag == "ib") {
    CO_TRY_VOID(co_await login_.on_ib(stanza));
  } else if (tag == "message") {
    CO_TRY_VOID(co_await receiver_.on_message(std::move(stanza)));
    judge_pulse();
  } else if (tag == "notification") {
    CO_TRY_VOID(co_await notifications_.on_notification(std::move(stanza)));
  } else if (tag == "receipt") {
    const std::weak_ptr<Connection> where = engine_.conn;
    const auto ack = make_ack(stanza, engine_.own());
    std::function<void()> done = [where, ack] {
      if (ack) Engine::send_on(where, *ack);
    };
    if (stanza.attr("type") == "retry") {
      engine_.start(retry_in_.on_retry(std::move(stanza), std::move(done)), "session.retry");
    } else {
      CO_TRY_VOID(co_await sender_.on_receipt(std::move(stanza), std::move(done)));
    }
  } else if (tag == "ack") {
    if (stanza.attr("class") == "message") {
      CO_TRY_VOID(co_await sender_.on_ack(std::move(stanza)));
    }
  } else if (tag == "call") {
    if (const auto ack = make_ack(stanza, engine_.own())) engine_.send(*ack);
  } else if (tag != "iq" && tag != "presence" && tag != "chatstate") {
    probe().rejected.add();
    constexpr int kUnrecognised = 488;
    if (const auto ack = make_ack(stanza, engine_.own(), kUnrecognised)) engine_.send(*ack);
  }
  co_return Answer();
}

awaitable<void> Actor::on_success(Node success) {
  if (!engine_.me.paired() || pairing_.paired_now() || logging_in_) co_return;
  logging_in_ = true;
  auto taken = co_await login_.on_success(success);
  if (!taken || !engine_.conn) co_return;
  backoff_.connected(engine_.ctx.clock().steady());
  engine_.start(after_login(engine_.conn), "session.login");
}

awaitable<void> Actor::after_login(std::shared_ptr<Connection> connection) {
  const bool active = co_await login_.activate(connection);
  if (!active) {
    connection->close();
    co_return;
  }
  if (engine_.conn != connection) co_return;
  engine_.open = true;
  probe().connects.add();
  // What is pushed right behind the login may have been held back before this.
  shift(hold_.on() ? Cause::held_back : Cause::opened);
  engine_.pulse.connected();
  judge_pulse();
  co_await login_.settle(connection);
}

}  // namespace wab::session
