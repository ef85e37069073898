#include "session/messaging/retry_in.h"

#include "session/messaging/content.h"
#include "session/messaging/fanout.h"
#include "session/messaging/groups.h"
#include "session/messaging/signal_store.h"
#include "session/node/codec.h"
#include "session/pairing/device_identity.h"
#include "session/probe.h"
#include "session/session.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using node::Jid;
using node::Node;
using storage::Kind;

std::string base_key_name(const Jid& address, const std::string& id) {
  return address_name(address) + "/" + id;
}

}  // namespace

awaitable<void> RetryIn::on_retry(Node receipt, std::function<void()> done) {
  auto handled = co_await handle(receipt, done);
  if (!handled) {
    log_info("session.retry_not_served", {{"session", engine_.ctx.scope().session().text()},
                                          {"error", handled.error().describe()}});
    done();
  }
}

// True when a session stands that the device can read; false when a bundle must be fetched.
awaitable<Result<bool>> RetryIn::repair_session(Change& change, const Node& receipt, Jid requester,
                                                uint32_t count) {
  CO_TRY(const Jid address, co_await signal_jid(change, requester));
  CO_TRY(auto record, co_await load_session(change, address));
  if (const Node* keys = receipt.child("keys")) {
    CO_TRY(const auto bundle, read_bundle(receipt, *keys));
    if (const Node* blob = keys->child("device-identity"); blob && requester.device != 0) {
      const Jid primary = address.with_device(0);
      CO_TRY(auto primary_identity, co_await load_identity(change, primary));
      if (check_peer_device(blob->content_bytes(), bundle.identity, primary_identity) ==
          PeerVerdict::invalid) {
        co_return fail(SessionError::protocol, "retry keys of a foreign device");
      }
    }
    CO_TRY_VOID(signal::start_outgoing(record, engine_.me.signal, bundle, engine_.ctx.random()));
    store_session(change, address, record);
    store_identity(change, address, bundle.identity);
    co_return true;
  }
  const Node* registration = receipt.child("registration");
  const bool other_device =
      registration && registration->content_bytes().size() == 4 && signal::has_session(record) &&
      read_be32(registration->content_bytes()) != signal::remote_registration_id(record);
  const std::string id = receipt.attr("id");
  const auto base = signal::current_base_key(record);
  bool stuck = false;
  if (base && count == 2) {
    change.put(Kind::base_key, base_key_name(address, id), to_bytes(ByteView(*base)));
  } else if (base && count > 2) {
    storage::Key key{Kind::base_key, base_key_name(address, id)};
    CO_TRY(auto known, co_await change.get(std::move(key)));
    stuck = known && equal_constant_time(*known, *base);
  }
  if (other_device || stuck) {
    record.archive_current();
    store_session(change, address, record);
  }
  co_return signal::has_session(record) && count < 2;
}

awaitable<Result<void>> RetryIn::handle(const Node& receipt, std::function<void()> done) {
  const Node* retry = receipt.child("retry");
  const auto from = receipt.jid("from");
  const std::string id = receipt.attr("id");
  if (!retry || !from || id.empty()) co_return fail(SessionError::protocol, "retry receipt");
  const auto count = static_cast<uint32_t>(retry->number("count").value_or(1));
  if (count >= kRefuseFrom) co_return fail(SessionError::refused, "too many retries");
  const bool group = from->is_group() || from->is_broadcast();
  const Jid requester = group ? receipt.jid("participant").value_or(Jid()) : *from;
  if (requester.empty()) co_return fail(SessionError::protocol, "retry without participant");
  const bool own = engine_.own().is_me(requester.bare());

  Change look(engine_.overlay);
  storage::Key key{Kind::sent_message, id};
  CO_TRY(auto stored, co_await look.get(std::move(key)));
  pb::StoredSent sent;
  if (!stored || !sent.ParseFromArray(stored->data(), static_cast<int>(stored->size()))) {
    co_return fail(SessionError::not_found, "the message is not kept any more");
  }
  int asked = 0;
  for (const auto& seen : sent.retried()) asked += seen == requester.text() ? 1 : 0;
  if (asked >= kMaxPerDevice) co_return fail(SessionError::refused, "device asked too often");

  // Without keys and without a usable session a bundle is needed, and that is a question: it is
  // asked before the turn.
  std::map<Jid, signal::PreKeyBundle> bundles;
  if (receipt.child("keys") == nullptr) {
    std::vector<Jid> one{requester};
    CO_TRY(auto missing, co_await without_session(look, one));
    if (!missing.empty() || count >= 2) {
      CO_TRY(bundles, co_await devices_.bundles(std::move(one), "retry"));
    }
  }
  const std::weak_ptr<Connection> where = engine_.conn;
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  CO_TRY(const bool stands, co_await repair_session(change, receipt, requester, count));
  if (!stands && !bundles.empty()) {
    CO_TRY(const Jid address, co_await signal_jid(change, requester));
    CO_TRY(auto record, co_await load_session(change, address));
    CO_TRY_VOID(signal::start_outgoing(record, engine_.me.signal, bundles.begin()->second,
                                       engine_.ctx.random()));
    store_session(change, address, record);
    store_identity(change, address, bundles.begin()->second.identity);
  }
  const Jid chat = Jid::parse(sent.to()).value_or(Jid());
  pb::Message message;
  if (!message.ParseFromString(sent.message())) {
    co_return fail(SessionError::bad_content, "stored message");
  }
  if (group) {
    const bool lid = sent.addressing_mode() == "lid";
    const Jid self = lid ? engine_.own().lid : engine_.own().pn;
    CO_TRY(auto sender_key, co_await load_sender_key(change, chat, self));
    if (signal::has_own_sender_key(sender_key)) {
      CO_TRY(const Bytes distribution, signal::own_distribution(sender_key));
      auto& carried = *message.mutable_sender_key_distribution_message();
      carried.set_group_id(chat.text());
      carried.set_axolotl_sender_key_distribution_message(to_string(distribution));
    }
    CO_TRY(auto holders, co_await Groups::key_holders(change, chat));
    std::erase(holders, requester.text());
    Groups::store_key_holders(change, chat, holders);
  } else if (own) {
    message = make_device_sent(message, chat);
  }
  bool is_prekey = false;
  const Bytes plain = to_bytes(view(message.SerializeAsString()));
  CO_TRY(Node enc, co_await encrypt_one(engine_, change, requester, plain, &is_prekey));
  enc.set("count", static_cast<uint64_t>(count));

  Node stanza("message");
  stanza.set("to", *from).set("id", id).set("type", sent.type().empty() ? "text" : sent.type());
  stanza.set("t", static_cast<uint64_t>(sent.t()));
  if (group) {
    stanza.set("participant", requester);
    if (!sent.addressing_mode().empty()) stanza.set("addressing_mode", sent.addressing_mode());
  } else {
    if (own) stanza.set("recipient", chat);
    stanza.set("device_fanout", "false");
  }
  stanza.add(std::move(enc));
  if (is_prekey) {
    const auto identity = own_device_identity(engine_.me.account, true);
    if (identity) stanza.add(Node("device-identity").bytes(ByteView(*identity)));
  }
  CO_TRY(auto encoded, node::encode(stanza));
  sent.add_retried(requester.text());
  change.put(Kind::sent_message, id, to_bytes(view(sent.SerializeAsString())));
  change.then([where, encoded, done] {
    if (const auto connection = where.lock()) connection->send_encoded(encoded);
    probe().resent.add();
    done();
  });
  engine_.overlay.apply(std::move(change));
  co_return ok();
}

}  // namespace wab::session
