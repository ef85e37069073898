// The two halves of one send: what must be asked of WhatsApp before the turn (plan), and what is
// encrypted inside it (encrypt). See send.h.
#include <algorithm>

#include "session/messaging/content.h"
#include "session/messaging/fanout.h"
#include "session/messaging/send.h"
#include "session/messaging/signal_store.h"
#include "session/pairing/device_identity.h"
#include "session/signal/padding.h"

namespace wab::session {
namespace {

using node::Jid;
using node::Node;

Node participants(std::vector<Node> to) {
  Node out("participants");
  out.content = Node::Children(std::move(to));
  return out;
}

}  // namespace

awaitable<Result<Sender::Plan>> Sender::plan(const pb::StoredMessage& row) {
  const auto to = Jid::parse(row.to());
  if (!to) co_return fail(SessionError::bad_recipient, "stored recipient");
  if (to->is_group()) {
    CO_TRY(Plan out, co_await plan_group(*to));
    CO_TRY_VOID(co_await add_bundles(out));
    co_return out;
  }
  CO_TRY(Plan out, co_await plan_direct(*to));
  CO_TRY_VOID(co_await add_bundles(out));
  co_return out;
}

awaitable<Result<Sender::Plan>> Sender::plan_direct(Jid to) {
  Plan out;
  CO_TRY(auto person, co_await devices_.find_person(to));
  if (!person) co_return fail(SessionError::bad_recipient, "not on WhatsApp");
  // Recipient and own devices must be named in one namespace (dossier 2 section 3.5).
  out.lid = engine_.me.lid_migrated && person->lid && !engine_.own().lid.empty();
  out.chat = out.lid ? *person->lid : person->pn;
  if (out.chat.empty()) co_return fail(SessionError::bad_recipient, "number unknown");
  const Jid self = out.lid ? engine_.own().lid : engine_.own().pn;
  std::vector<Jid> users{out.chat};
  if (!out.chat.same_user(self)) users.push_back(self.bare());
  CO_TRY(auto devices, co_await devices_.of_users(std::move(users)));
  for (auto& device : devices) {
    if (device == self) continue;
    if (device.same_user(self.bare())) {
      out.own.push_back(std::move(device));
    } else {
      out.recipients.push_back(std::move(device));
    }
  }
  if (out.recipients.empty() && !out.chat.same_user(self)) {
    co_return fail(SessionError::bad_recipient, "no device of the recipient");
  }
  co_return out;
}

awaitable<Result<Sender::Plan>> Sender::plan_group(Jid group) {
  Plan out;
  CO_TRY(const GroupInfo info, co_await groups_.info(group));
  out.chat = group;
  out.group = true;
  out.lid = info.lid;
  const Jid self = out.lid ? engine_.own().lid : engine_.own().pn;
  std::vector<Jid> users = info.participants;
  CO_TRY(auto devices, co_await devices_.of_users(std::move(users)));
  std::erase_if(devices, [](const Jid& device) { return device.is_hosted(); });
  out.all_group_devices = devices;
  if (std::find(devices.begin(), devices.end(), self) == devices.end()) {
    out.all_group_devices.push_back(self);
  }
  std::erase(devices, self);
  out.recipients = std::move(devices);
  co_return out;
}

awaitable<Result<void>> Sender::add_bundles(Plan& plan) {
  std::vector<Jid> all = plan.recipients;
  all.insert(all.end(), plan.own.begin(), plan.own.end());
  Change view(engine_.overlay);
  std::vector<storage::Key> keys;
  for (const auto& device : all) {
    CO_TRY(const Jid address, co_await signal_jid(view, device));
    keys.push_back(storage::Key{storage::Kind::signal_session, address_name(address)});
  }
  CO_TRY_VOID(co_await view.preload(std::move(keys)));
  CO_TRY(auto missing, co_await without_session(view, std::move(all)));
  if (missing.empty()) co_return ok();
  CO_TRY(plan.bundles, co_await devices_.bundles(std::move(missing), ""));
  co_return ok();
}

awaitable<Result<Node>> Sender::encrypt(Change& change, const pb::StoredMessage& row, Plan& plan) {
  if (plan.group) co_return co_await encrypt_group(change, row, plan);
  co_return co_await encrypt_direct(change, row, plan);
}

awaitable<Result<Node>> Sender::encrypt_direct(Change& change, const pb::StoredMessage& row,
                                               Plan& plan) {
  pb::Message message;
  if (!message.ParseFromString(row.content())) {
    co_return fail(SessionError::bad_content, "stored content");
  }
  const Bytes plain = to_bytes(view(row.content()));
  const Bytes own_plain = to_bytes(view(make_device_sent(message, plan.chat).SerializeAsString()));
  std::vector<FanoutTarget> targets;
  for (const auto& device : plan.recipients) targets.push_back(FanoutTarget{device, plain});
  for (const auto& device : plan.own) targets.push_back(FanoutTarget{device, own_plain});
  CO_TRY(auto fanout, co_await encrypt_for_devices(engine_, change, targets, plan.bundles));
  const bool anybody = std::any_of(fanout.reached.begin(), fanout.reached.end(),
                                   [&](const Jid& device) { return device.same_user(plan.chat); });
  if (!anybody) co_return fail(SessionError::bad_recipient, "no device could be encrypted for");

  Node stanza("message");
  stanza.set("id", row.stanza_id()).set("to", plan.chat).set("type", stanza_type(message));
  if (plan.lid) {
    CO_TRY(auto pn, co_await other_name(change, plan.chat));
    if (pn) stanza.set("peer_recipient_pn", *pn);
  }
  stanza.add(participants(std::move(fanout.to)));
  if (fanout.any_prekey) {
    const auto identity = own_device_identity(engine_.me.account, true);
    if (identity) stanza.add(Node("device-identity").bytes(ByteView(*identity)));
  }
  co_return stanza;
}

awaitable<Result<Node>> Sender::encrypt_group(Change& change, const pb::StoredMessage& row,
                                              Plan& plan) {
  pb::Message message;
  if (!message.ParseFromString(row.content())) {
    co_return fail(SessionError::bad_content, "stored content");
  }
  const Jid self = plan.lid ? engine_.own().lid : engine_.own().pn;
  CO_TRY(auto key, co_await load_sender_key(change, plan.chat, self));
  CO_TRY(auto holders, co_await Groups::key_holders(change, plan.chat));
  // Somebody who had the key is no longer among the members: he must not read on.
  const bool left = std::any_of(holders.begin(), holders.end(), [&](const std::string& holder) {
    return std::none_of(plan.recipients.begin(), plan.recipients.end(),
                        [&](const Jid& device) { return device.text() == holder; });
  });
  if (left) {
    key = signal::SenderKeyRecord();
    holders.clear();
  }
  if (signal::ensure_own_sender_key(key, engine_.ctx.random())) holders.clear();
  CO_TRY(const Bytes distribution, signal::own_distribution(key));
  pb::Message carrier;
  auto& carried = *carrier.mutable_sender_key_distribution_message();
  carried.set_group_id(plan.chat.text());
  carried.set_axolotl_sender_key_distribution_message(to_string(distribution));
  const Bytes carrier_plain = to_bytes(view(carrier.SerializeAsString()));

  std::vector<FanoutTarget> targets;
  for (const auto& device : plan.recipients) {
    const bool has = std::find(holders.begin(), holders.end(), device.text()) != holders.end();
    if (!has || device.same_user(self.bare())) targets.push_back({device, carrier_plain});
  }
  CO_TRY(auto fanout, co_await encrypt_for_devices(engine_, change, targets, plan.bundles));
  for (const auto& device : fanout.reached) {
    const bool own = device.same_user(self.bare());
    if (!own && std::find(holders.begin(), holders.end(), device.text()) == holders.end()) {
      holders.push_back(device.text());
    }
  }
  Groups::store_key_holders(change, plan.chat, holders);
  const Bytes padded = signal::pad(view(row.content()), engine_.ctx.random());
  CO_TRY(const Bytes cipher, signal::group_encrypt(key, padded, engine_.ctx.random()));
  store_sender_key(change, plan.chat, self, key);

  Node stanza("message");
  stanza.set("id", row.stanza_id()).set("to", plan.chat).set("type", stanza_type(message));
  stanza.set("addressing_mode", plan.lid ? "lid" : "pn");
  stanza.set("phash", participant_hash(plan.all_group_devices));
  if (!fanout.to.empty()) stanza.add(participants(std::move(fanout.to)));
  if (fanout.any_prekey) {
    const auto identity = own_device_identity(engine_.me.account, true);
    if (identity) stanza.add(Node("device-identity").bytes(ByteView(*identity)));
  }
  Node enc("enc");
  enc.set("v", "2").set("type", "skmsg").bytes(ByteView(cipher));
  stanza.add(std::move(enc));
  co_return stanza;
}

}  // namespace wab::session
