#include "session/messaging/receive.h"

#include <nlohmann/json.hpp>

#include "session/messaging/content.h"
#include "session/messaging/event_data.h"
#include "session/messaging/lid_map.h"
#include "session/messaging/receipts.h"
#include "session/messaging/retry_out.h"
#include "session/probe.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using node::Jid;
using node::Node;
using Json = nlohmann::ordered_json;

constexpr int kNackParsing = 487;
constexpr int kNackProtobuf = 491;

}  // namespace

std::string message_mark(const MessageInfo& info) {
  return "m/" + info.chat.text() + "/" + info.sender.bare().text() + "/" + info.id +
         (info.edit.empty() ? "" : "/" + info.edit);
}
std::string ciphertext_mark(const std::string& hash) { return "c/" + hash; }

awaitable<Result<bool>> Receiver::seen_before(const MessageInfo& info, const std::string& hash) {
  std::vector<std::string> names{message_mark(info), ciphertext_mark(hash)};
  CO_TRY(auto marks, co_await engine_.overlay.marked(std::move(names)));
  co_return marks[0] || marks[1];
}

awaitable<Result<void>> Receiver::on_message(Node stanza) {
  const std::weak_ptr<Connection> where = engine_.conn;
  const auto info = read_message_info(stanza, engine_.own());
  if (!info) {
    probe().rejected.add();
    if (auto ack = make_ack(stanza, engine_.own(), kNackParsing)) Engine::send_on(where, *ack);
    co_return ok();
  }
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  CO_TRY_VOID(co_await process(change, stanza, *info, where));
  engine_.overlay.apply(std::move(change));
  co_return ok();
}

awaitable<Result<void>> Receiver::process(Change& change, const Node& stanza,
                                          const MessageInfo& info,
                                          std::weak_ptr<Connection> where) {
  const std::string hash = ciphertext_hash(stanza);
  CO_TRY(const bool seen, co_await seen_before(info, hash));
  if (seen) {
    // Known and durable: say so again, touch nothing.
    const Node receipt =
        make_delivery(stanza, info, engine_.own(), engine_.ctx.settings().presence_available);
    change.then([where, receipt] { Engine::send_on(where, receipt); });
    probe().duplicates.add();
    co_return ok();
  }
  const UnixSeconds now = engine_.server_now_s();
  if (info.sender_alt) {
    const Jid sender = info.sender.bare();
    const Jid alt = *info.sender_alt;
    CO_TRY_VOID(co_await learn_pair(change, sender, alt, now));
  }
  if (info.recipient_alt && info.recipient) {
    const Jid recipient = info.recipient->bare();
    const Jid alt = *info.recipient_alt;
    CO_TRY_VOID(co_await learn_pair(change, recipient, alt, now));
  }
  if (stanza.child("enc") == nullptr) {
    const bool view_once = stanza.child("unavailable") != nullptr;
    poison(change, stanza, info, view_once ? "unavailable" : "no_content", std::nullopt, where);
    change.mark(message_mark(info), engine_.ctx.clock().now_s() + kMarkLifetime);
    co_return ok();
  }
  CO_TRY(auto outcome, co_await decrypt_stanza(engine_, change, stanza, info));
  const SteadyTime tried = engine_.ctx.clock().steady();
  if (!outcome) {
    if (!outcome.error().undecodable) engine_.pulse.decrypted(false, tried);
    if (outcome.error().undecodable) {
      poison(change, stanza, info, "undecodable", kNackProtobuf, where);
      change.mark(message_mark(info), engine_.ctx.clock().now_s() + kMarkLifetime);
      co_return ok();
    }
    co_return co_await retry_.on_undecryptable(change, stanza, info, outcome.error(), where);
  }
  if (!outcome->duplicate) engine_.pulse.decrypted(true, tried);
  change.mark(ciphertext_mark(hash), engine_.ctx.clock().now_s() + kMarkLifetime);
  co_return co_await accept(change, stanza, info, std::move(*outcome), where);
}

awaitable<Result<void>> Receiver::accept(Change& change, const Node& stanza,
                                         const MessageInfo& info, Decrypted decrypted,
                                         std::weak_ptr<Connection> where) {
  const UnixMillis arrived = engine_.ctx.clock().now_ms();
  change.mark(message_mark(info), engine_.ctx.clock().now_s() + kMarkLifetime);
  const Node receipt =
      make_delivery(stanza, info, engine_.own(), engine_.ctx.settings().presence_available);
  change.then([where, receipt] { Engine::send_on(where, receipt); });
  if (!decrypted.has_content) co_return ok();

  Unwrapped content = unwrap(decrypted.message);
  MessageInfo shown = info;
  if (!content.destination.empty() && info.from_me) {
    if (const auto chat = Jid::parse(content.destination); chat && !info.chat.is_group()) {
      shown.chat = chat->bare();
    }
  }
  if (info.from_me && content.message.has_protocol_message()) {
    CO_TRY_VOID(co_await own_protocol_message(change, content.message, stanza, info, where));
  }
  Json data;
  CO_TRY_VOID(co_await fill_envelope(engine_, change, shown, data));
  const auto described = describe(content, shown, data);
  if (!described) co_return ok();

  CO_TRY(const bool healed, co_await retry_.healed(change, info));
  EventDraft draft;
  draft.type = healed && described->type == "message" ? "message.healed" : described->type;
  draft.source = {info.chat.text(), info.sender.bare().text(), info.id, described->type};
  draft.occurred_at = info.t > 0 ? info.t * 1000 : engine_.server_now_ms();
  draft.received = arrived;
  draft.data = data.dump(-1, ' ', false, Json::error_handler_t::replace);
  change.emit(std::move(draft));
  probe().received.add();
  co_return ok();
}

void Receiver::poison(Change& change, const Node& stanza, const MessageInfo& info, const char* code,
                      std::optional<int> nack, std::weak_ptr<Connection> where) {
  log_warn("session.message_unreadable",
           {{"session", engine_.ctx.scope().session().text()}, {"code", code}});
  if (!info.is_peer) change.emit(undecryptable_event(engine_, info, code));
  if (auto ack = make_ack(stanza, engine_.own(), nack)) {
    change.then([where, ack = *ack] { Engine::send_on(where, ack); });
  }
}

awaitable<Result<void>> Receiver::own_protocol_message(Change& change, const pb::Message& message,
                                                       const Node& stanza, const MessageInfo& info,
                                                       std::weak_ptr<Connection> where) {
  const auto& protocol = message.protocol_message();
  if (protocol.has_history_sync_notification()) {
    // Told to the phone as taken, so that it does not send it again; history itself is not kept.
    Node receipt("receipt");
    receipt.set("id", info.id).set("to", engine_.own().pn.bare()).set("type", "hist_sync");
    change.then([where, receipt] { Engine::send_on(where, receipt); });
  }
  if (protocol.has_lid_migration_mapping_sync_message()) {
    pb::LIDMigrationMappingSyncPayload payload;
    const auto& encoded = protocol.lid_migration_mapping_sync_message().encoded_mapping_payload();
    if (payload.ParseFromString(encoded)) {
      const UnixSeconds now = engine_.server_now_s();
      for (const auto& pair : payload.pn_to_lid_mappings()) {
        const Jid pn = Jid::pn(std::to_string(pair.pn()));
        const Jid lid = Jid::lid(
            std::to_string(pair.has_latest_lid() ? pair.latest_lid() : pair.assigned_lid()));
        CO_TRY_VOID(co_await learn_pair(change, pn, lid, now));
      }
    }
  }
  (void)stanza;
  co_return ok();
}

}  // namespace wab::session
