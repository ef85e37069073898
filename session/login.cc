#include "session/login.h"

#include "session/messaging/lid_map.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using namespace std::chrono_literals;
using node::Node;

constexpr auto kTimeout = 75s;
constexpr int kBatch = 200;

}  // namespace

void Login::send_unified_session() {
  constexpr int64_t kDay = 24LL * 3600 * 1000;
  const int64_t id = (engine_.server_now_ms() + 3 * kDay) % (7 * kDay);
  Node ib("ib");
  ib.add(Node("unified_session").set("id", std::to_string(id)));
  engine_.send(ib);
}

awaitable<Result<void>> Login::on_success(const Node& success) {
  offline_total_ = offline_seen_ = 0;
  offline_done_ = batch_scheduled_ = false;
  if (const auto t = success.number("t")) {
    engine_.clock_offset_ms = static_cast<int64_t>(*t) * 1000 - engine_.ctx.clock().now_s() * 1000;
  }
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  change.head().set_login_counter(change.head_view().login_counter() + 1);
  if (const auto& chain = engine_.conn ? engine_.conn->verified_chain() : std::nullopt) {
    auto& head = change.head();
    for (int i = 0; i < 2; ++i) {
      const auto& from = i == 0 ? chain->leaf : chain->intermediate;
      auto& to = i == 0 ? *head.mutable_server_leaf() : *head.mutable_server_intermediate();
      to.set_key(to_string(from.key));
      to.set_not_before(from.not_before);
      to.set_not_after(from.not_after);
    }
  }
  if (auto lid = success.jid("lid"); lid && lid->is_lid()) {
    node::Jid full = lid->with_device(engine_.own().pn.device);
    if (full != engine_.own().lid) {
      engine_.me.own.lid = full;
      change.put(storage::Kind::identity, "", engine_.me.to_bytes());
      const node::Jid pn = engine_.own().pn.bare();
      const node::Jid bare = full.bare();
      const UnixSeconds now = engine_.server_now_s();
      CO_TRY_VOID(co_await learn_pair(change, pn, bare, now));
    }
  }
  engine_.overlay.apply(std::move(change));
  co_return ok();
}

awaitable<bool> Login::activate(std::shared_ptr<Connection> connection) {
  send_unified_session();
  co_await prekeys_.check();
  if (!connection->alive()) co_return false;
  Node iq = make_iq("set", "passive");
  iq.add(Node("active"));
  auto answer = co_await connection->ask(std::move(iq), kTimeout);
  co_return answer.has_value();
}

awaitable<void> Login::settle(std::shared_ptr<Connection> connection) {
  co_await sender_.resume();
  const SteadyTime deadline = engine_.ctx.clock().steady() + 60s;
  while (connection->alive() && !offline_done_ && engine_.ctx.clock().steady() < deadline) {
    if (co_await connection->ended_before(engine_.ctx.clock().steady() + 200ms)) co_return;
  }
  if (!connection->alive()) co_return;
  const std::string name = engine_.overlay.head().push_name();
  if (!name.empty()) {
    send_unified_session();
    Node presence("presence");
    presence.set("type", engine_.ctx.settings().presence_available ? "available" : "unavailable");
    presence.set("name", name);
    connection->send(presence);
  }
  co_await prekeys_.verify_digest();
  if (connection->alive()) co_await prekeys_.rotate_signed_if_due();
}

awaitable<Result<void>> Login::on_ib(const Node& ib) {
  if (const auto* routing = ib.child("edge_routing")) {
    const auto* info = routing->child("routing_info");
    const bool usable =
        info && !info->content_bytes().empty() && info->content_bytes().size() <= 4096;
    if (usable && info->content_text() != engine_.overlay.head().routing_info()) {
      auto turn = co_await engine_.turn.take();
      Change change(engine_.overlay);
      change.head().set_routing_info(info->content_text());
      engine_.overlay.apply(std::move(change));
    }
  }
  if (const auto* preview = ib.child("offline_preview")) {
    offline_total_ = preview->number("count").value_or(0);
    offline_seen_ = 0;
    if (offline_total_ > 0 && engine_.conn) {
      Node batch("ib");
      batch.add(Node("offline_batch").set("count", kBatch));
      engine_.send(batch);
    }
  }
  if (ib.child("offline") != nullptr) offline_done_ = true;
  if (const auto* dirty = ib.child("dirty")) {
    // Nothing of these domains is kept, so nothing is to be fetched again: clean at once.
    Node clean("clean");
    clean.set("type", dirty->attr("type")).set("timestamp", dirty->attr("timestamp"));
    Node iq = make_iq("set", "urn:xmpp:whatsapp:dirty");
    iq.add(std::move(clean));
    if (engine_.conn) {
      iq.set("id", engine_.conn->next_id());
      engine_.send(iq);
    }
  }
  co_return ok();
}

void Login::on_offline_stanza() {
  ++offline_seen_;
  if (batch_scheduled_ || offline_done_ || !engine_.conn) return;
  batch_scheduled_ = true;
  engine_.start(ask_batches(engine_.conn), "session.offline");
}

// One request per batch, 100 ms after its first stanza, while something is owed (dossier 1 section
// 9.5).
awaitable<void> Login::ask_batches(std::shared_ptr<Connection> connection) {
  uint64_t asked_at = 0;
  while (connection->alive() && !offline_done_ && offline_seen_ < offline_total_) {
    if (co_await connection->ended_before(engine_.ctx.clock().steady() + 100ms)) break;
    const bool moved_on = offline_seen_ >= asked_at + kBatch;
    if (moved_on && !offline_done_ && connection->alive()) {
      asked_at += kBatch;
      Node batch("ib");
      batch.add(Node("offline_batch").set("count", kBatch));
      connection->send(batch);
    }
  }
  batch_scheduled_ = false;
}

}  // namespace wab::session
