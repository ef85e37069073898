#include "session/messaging/receipts.h"

#include <algorithm>

namespace wab::session {
namespace {

using node::Node;

constexpr size_t kMaxIds = 1024;  // the service sends at most 256

void copy_attr(Node& to, const Node& from, std::string_view key) {
  if (const auto* value = from.find(key)) {
    if (const auto* jid = std::get_if<node::Jid>(value)) {
      to.set(key, *jid);
    } else {
      to.set(key, std::get<std::string>(*value));
    }
  }
}

// Receipt type to the word of the API; what is not a tick has none (dossier 2 section 9.1).
std::string tick(const std::string& type) {
  if (type.empty() || type == "inactive") return "delivered";
  if (type == "read" || type == "read-self") return "read";
  if (type == "played" || type == "played-self") return "played";
  return "";
}

}  // namespace

std::optional<Node> make_ack(const Node& stanza, const OwnIdentity& own, std::optional<int> error) {
  if (stanza.attr("id").empty() || !stanza.has("from")) return std::nullopt;
  Node ack("ack");
  ack.set("class", stanza.tag);
  copy_attr(ack, stanza, "id");
  ack.set("to", stanza.jid("from").value_or(node::Jid::server_jid()));
  const bool same = stanza.attr("participant") == stanza.attr("from");
  if (!(stanza.tag == "receipt" && same)) copy_attr(ack, stanza, "participant");
  copy_attr(ack, stanza, "recipient");
  const bool identity_notice = stanza.tag == "notification" && stanza.attr("type") == "encrypt" &&
                               stanza.child("identity") != nullptr;
  if (!identity_notice) copy_attr(ack, stanza, "type");
  if (stanza.tag == "message" && !own.pn.empty()) ack.set("from", own.pn);
  if (error) ack.set("error", *error);
  return ack;
}

Node make_delivery(const Node& stanza, const MessageInfo& info, const OwnIdentity& own,
                   bool available) {
  const bool own_without_chat = info.from_me && !info.recipient && !info.is_peer &&
                                !info.chat.is_group() && !info.chat.is_broadcast();
  if (info.chat.is_newsletter() || own_without_chat) {
    return make_ack(stanza, own).value_or(Node("ack"));
  }
  Node receipt("receipt");
  receipt.set("id", info.id).set("to", info.from);
  if (info.chat.is_group() || info.chat.is_broadcast()) {
    if (info.participant) receipt.set("participant", *info.participant);
  }
  if (info.is_peer) {
    receipt.set("type", "peer_msg");
  } else if (info.from_me) {
    receipt.set("type", "sender");
    if (info.recipient) receipt.set("recipient", info.recipient->bare());
  } else if (info.chat.is_broadcast() && info.chat.user == "status") {
    receipt.set("context", "status");
  } else if (!available) {
    receipt.set("type", "inactive");
  }
  return receipt;
}

std::vector<ReceiptInfo> read_receipt(const Node& stanza, const OwnIdentity& own) {
  std::vector<ReceiptInfo> out;
  const auto from = stanza.jid("from");
  if (!from) return out;
  ReceiptInfo base;
  base.t = static_cast<UnixSeconds>(stanza.number("t").value_or(0));
  base.chat = from->bare();
  base.from = stanza.jid("participant").value_or(*from);
  base.status = tick(stanza.attr("type"));
  if (const auto* error = stanza.child("error"); error && error->attr("reason") == "lid") {
    base.status.clear();  // "sent", not delivered
  }
  base.from_me = own.is_me(base.from.bare());
  if (const auto recipient = stanza.jid("recipient"); recipient && base.from_me) {
    base.chat = recipient->bare();
  }

  const auto groups = stanza.all("participants");
  if (!groups.empty()) {
    for (const Node* group : groups) {
      std::string id = group->attr("key");
      if (id.empty()) id = group->attr("message_id");
      for (const Node* user : group->all("user")) {
        ReceiptInfo one = base;
        one.ids = {id};
        if (auto jid = user->jid("jid")) one.from = *jid;
        if (user->has("type")) one.status = tick(user->attr("type"));
        one.t = static_cast<UnixSeconds>(user->number("t").value_or(base.t));
        one.from_me = own.is_me(one.from.bare());
        if (!id.empty() && out.size() < kMaxIds) out.push_back(std::move(one));
      }
    }
    return out;
  }
  base.ids.push_back(stanza.attr("id"));
  if (const auto* list = stanza.child("list")) {
    for (const Node* item : list->all("item")) {
      if (base.ids.size() < kMaxIds) base.ids.push_back(item->attr("id"));
    }
  }
  std::erase(base.ids, std::string());
  if (!base.ids.empty()) out.push_back(std::move(base));
  return out;
}

}  // namespace wab::session
