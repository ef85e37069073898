#include "session/messaging/retry_out.h"

#include "session/messaging/event_data.h"
#include "session/messaging/receipts.h"
#include "session/messaging/signal_store.h"
#include "session/pairing/device_identity.h"
#include "session/prekeys.h"
#include "session/probe.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using node::Node;
using storage::Kind;

std::string row_name(const MessageInfo& info) {
  return info.chat.text() + "/" + info.sender.bare().text() + "/" + info.id;
}

// How often the server already saw this message fail: the count on a resent enc.
uint32_t count_on_enc(const Node& stanza) {
  uint64_t count = 0;
  for (const Node* enc : stanza.all("enc")) {
    count = std::max(count, enc->number("count").value_or(0));
  }
  return static_cast<uint32_t>(std::min<uint64_t>(count, 10));
}

}  // namespace

Result<Node> RetryOut::keys_node(Change& change) {
  const auto& me = engine_.me;
  auto one_time = take_fresh_prekey(change, engine_.ctx.random());
  const auto identity = own_device_identity(me.account, true);
  Node keys("keys");
  keys.add(Node("type").bytes(Bytes{5}));
  keys.add(Node("identity").bytes(ByteView(me.signal.identity.pub)));
  keys.add(prekey_node("key", one_time.id, one_time.keys.pub));
  keys.add(signed_prekey_node(me.signed_prekey));
  if (identity) keys.add(Node("device-identity").bytes(ByteView(*identity)));
  return keys;
}

awaitable<Result<void>> RetryOut::on_undecryptable(Change& change, const Node& stanza,
                                                   const MessageInfo& info, DecryptFailure failure,
                                                   std::weak_ptr<Connection> where) {
  storage::Key key{Kind::retry_count, row_name(info)};
  CO_TRY(auto stored, co_await change.get(std::move(key)));
  pb::StoredRetry row;
  const bool first = !stored;
  if (stored && !row.ParseFromArray(stored->data(), static_cast<int>(stored->size()))) row.Clear();
  const uint32_t count = std::max(row.count(), count_on_enc(stanza)) + 1;
  log_warn("session.message_undecryptable", {{"session", engine_.ctx.scope().session().text()},
                                             {"error", failure.error.describe()},
                                             {"count", static_cast<int64_t>(count)}});
  probe().undecryptable.add();
  if (first) {
    row.set_first_s(engine_.ctx.clock().now_s());
    // What our own phone says to its companions is no message of anybody's.
    if (!info.is_peer) change.emit(undecryptable_event(engine_, info, failure.error.name()));
  }
  row.set_count(count);
  change.put(Kind::retry_count, row_name(info), to_bytes(view(row.SerializeAsString())));

  const auto ack = make_ack(stanza, engine_.own());
  if (count > kMaxRetries) {
    if (ack) change.then([where, ack = *ack] { Engine::send_on(where, ack); });
    co_return ok();
  }
  Node receipt("receipt");
  receipt.set("id", info.id).set("to", info.from).set("type", "retry");
  if (info.participant) receipt.set("participant", *info.participant);
  if (info.is_peer) {
    receipt.set("category", "peer");
  } else if (info.from_me && info.recipient) {
    receipt.set("recipient", info.recipient->bare());
  }
  Node retry("retry");
  retry.set("v", 1).set("count", static_cast<uint64_t>(count)).set("id", info.id);
  retry.set("t", stanza.attr("t"));
  if (failure.retry_reason != 0) retry.set("error", failure.retry_reason);
  receipt.add(std::move(retry));
  receipt.add(Node("registration").bytes(ByteView(be32(engine_.me.signal.registration_id))));
  if (count >= 2 || failure.force_keys || info.from.is_hosted()) {
    CO_TRY(auto keys, keys_node(change));
    receipt.add(std::move(keys));
  }
  change.then([where, receipt, ack] {
    if (Engine::send_on(where, receipt) && ack) Engine::send_on(where, *ack);
  });
  co_return ok();
}

awaitable<Result<bool>> RetryOut::healed(Change& change, const MessageInfo& info) {
  storage::Key key{Kind::retry_count, row_name(info)};
  CO_TRY(auto stored, co_await change.get(std::move(key)));
  if (stored) change.erase(Kind::retry_count, row_name(info));
  co_return stored.has_value();
}

}  // namespace wab::session
