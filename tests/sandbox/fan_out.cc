#include "tests/sandbox/routing.h"

namespace wab::sandbox {

namespace {

constexpr size_t kRemembered = 20'000;

void attach_enc(node::Node& copy, const node::Node& message, const node::Node& enc) {
  copy.add(enc);
  if (enc.attr("type") != "pkmsg") return;
  if (const node::Node* identity = message.child("device-identity")) copy.add(*identity);
}

std::string party_of(Service& service, const node::Jid& jid) {
  const Account* account = service.account_of(jid);
  return account == nullptr ? jid.bare().text() : account->pn;
}

}  // namespace

std::string delivered_key(Service& service, const node::Jid& from,
                          const std::optional<node::Jid>& participant, const std::string& id) {
  return party_of(service, from) + " " + (participant ? party_of(service, *participant) : "") +
         " " + id;
}

node::Node message_ack(Service& service, const node::Node& message) {
  node::Node ack("ack");
  ack.set("class", "message").set("id", message.attr("id"));
  if (const auto to = message.jid("to")) ack.set("from", *to);
  return std::move(ack.set("t", std::to_string(service.now_s())));
}

node::Node copy_for(Service& service, const Device& self, const node::Node& message) {
  node::Node copy("message");
  copy.set("id", message.attr("id")).set("t", std::to_string(service.now_s()));
  copy.set("type", message.attr("type"));
  copy.set("notify", self.push_name.empty() ? self.account->push_name : self.push_name);
  copy.set("edit", message.attr("edit"));
  for (const char* tag : {"meta", "biz", "bot", "reporting"}) {
    for (const node::Node* child : message.all(tag)) copy.add(*child);
  }
  return copy;
}

void hand_over(Service& service, const Device& self, Device& target, node::Node stanza) {
  if (target.delivered.size() > kRemembered) target.delivered.clear();
  const auto from = stanza.jid("from");
  Delivered& record =
      target.delivered[delivered_key(service, *from, stanza.jid("participant"), stanza.attr("id"))];
  record.sender = self.jid;
  record.from = *from;
  record.t = stanza.attr("t");
  record.peer = stanza.attr("category") == "peer";
  service.deliver(target, std::move(stanza));
}

void deliver_direct(Service& service, const Device& self, const node::Node& message, Device& target,
                    const node::Jid& chat, const node::Node* enc) {
  node::Node copy = copy_for(service, self, message);
  copy.set("from", service.jid_in(self, chat.server));
  const bool lid = chat.is_lid();
  // An own copy names the peer and not the sender: clients take the one pair that they find for
  // that of the chat.
  if (target.account == self.account) {
    copy.set("recipient", chat.bare());
    if (const Account* peer = service.account_of(chat)) {
      copy.set(lid ? "peer_recipient_pn" : "peer_recipient_lid",
               service.jid_in(*peer, lid ? node::kUserServer : node::kLidServer));
    }
  } else {
    copy.set(lid ? "sender_pn" : "sender_lid",
             service.jid_in(*self.account, lid ? node::kUserServer : node::kLidServer));
  }
  if (enc == nullptr) {
    copy.add(node::Node("unavailable"));
  } else {
    attach_enc(copy, message, *enc);
  }
  hand_over(service, self, target, std::move(copy));
}

void deliver_group(Service& service, const Device& self, const node::Node& message, Device& target,
                   const Group& group, const node::Node* pairwise, const node::Node* skmsg) {
  node::Node copy = copy_for(service, self, message);
  copy.set("from", group.jid()).set("participant", service.jid_in(self, group.server()));
  copy.set("addressing_mode", group.mode());
  copy.set(group.lid ? "participant_pn" : "participant_lid",
           service.jid_in(*self.account, group.lid ? node::kUserServer : node::kLidServer));
  if (pairwise != nullptr) attach_enc(copy, message, *pairwise);
  if (skmsg != nullptr) copy.add(*skmsg);
  hand_over(service, self, target, std::move(copy));
}

}  // namespace wab::sandbox
