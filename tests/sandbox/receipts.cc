// <receipt>: judged, clears the queue, routed to the author (dossier 2 sections 9 and 13.4).
#include <algorithm>
#include <array>

#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

constexpr std::array<std::string_view, 13> kTypes = {
    "",          "inactive", "sender",          "read",
    "read-self", "played",   "played-self",     "peer_msg",
    "hist_sync", "retry",    "enc_rekey_retry", "server-error",
    "view"};

struct Receipt {
  Service& service;
  Connection& connection;
  Device& self;
  const node::Node& stanza;
  node::Jid to;
  std::optional<node::Jid> participant;
  std::string type;
  bool clears() const {
    return type.empty() || type == "inactive" || type == "sender" || type == "peer_msg" ||
           type == "retry";
  }
  bool is_read() const { return type.starts_with("read") || type.starts_with("played"); }
  bool self_only() const { return type.ends_with("-self"); }
  void flag(const char* rule, std::string why) const {
    service.violation(rule, &connection, std::move(why));
  }
};

std::vector<std::string> ids_of(const node::Node& stanza) {
  std::vector<std::string> out{stanza.attr("id")};
  if (const node::Node* list = stanza.child("list")) {
    for (const node::Node* item : list->all("item")) out.push_back(item->attr("id"));
  }
  return out;
}

// M36, and what the peers may take from it.
bool retry_is_good(const Receipt& receipt, Delivered& record) {
  const node::Node* retry = receipt.stanza.child("retry");
  const node::Node* registration = receipt.stanza.child("registration");
  const auto wrong = [&](const char* why) {
    receipt.flag(rule::kRetryReceipt, why);
    return false;
  };
  if (retry == nullptr || retry->attr("v") != "1") return wrong("retry without v=1");
  if (retry->attr("id") != receipt.stanza.attr("id")) return wrong("retry names another id");
  const uint64_t count = retry->number("count").value_or(0);
  if (count < 1 || count > 5) return wrong("retry count is not 1 to 5");
  if (static_cast<int>(count) <= record.retries) return wrong("retry count does not grow");
  if (retry->attr("t") != record.t) return wrong("retry t is not that of the message");
  KeyBundle& keys = receipt.self.keys;
  if (registration == nullptr || registration->content_bytes().size() != 4 ||
      read_be32(registration->content_bytes()) != keys.registration_id) {
    return wrong("retry without the own registration id");
  }
  record.retries = static_cast<int>(count);
  const node::Node* bundle = receipt.stanza.child("keys");
  if (bundle == nullptr) return true;
  const node::Node* key = bundle->child("key");
  const node::Node* skey = bundle->child("skey");
  const node::Node* identity = bundle->child("identity");
  const node::Node* type = bundle->child("type");
  const auto signed_key = skey == nullptr ? std::nullopt : read_signed_key(*skey);
  if (type == nullptr || to_bytes(type->content_bytes()) != Bytes{0x05}) {
    return wrong("retry keys: type is not 05");
  }
  if (identity == nullptr || to_bytes(identity->content_bytes()) != keys.identity) {
    return wrong("retry keys: identity differs");
  }
  if (!signed_key || !signed_key_verifies(*signed_key, keys.identity)) {
    return wrong("retry keys: signed prekey is malformed or unsigned");
  }
  keys.signed_ids.insert(signed_key->id);
  if (key != nullptr) {
    const node::Node* id = key->child("id");
    const auto number = id == nullptr ? std::nullopt : read_id(id->content_bytes());
    if (!number) return wrong("retry keys: malformed one-time key");
    if (keys.uploaded_ids.contains(*number))
      return wrong("retry keys: key was offered to the server");
    keys.handed_out.insert(*number);
  }
  if (receipt.self.jid.device == 0) return true;
  const node::Node* proof = bundle->child("device-identity");
  if (proof == nullptr || !device_identity_verifies(proof->content_bytes(), keys.identity,
                                                    receipt.self.account->identity.pub)) {
    return wrong("retry keys: device-identity is missing or does not verify");
  }
  return true;
}

node::Node outgoing(const Receipt& receipt, const std::vector<std::string>& ids) {
  node::Node out("receipt");
  out.set("id", ids[0]).set("type", receipt.type);
  const std::string t = receipt.stanza.attr("t");
  out.set("t", t.empty() ? std::to_string(receipt.service.now_s()) : t);
  if (ids.size() > 1) {
    node::Node list("list");
    for (size_t i = 1; i < ids.size(); ++i) list.add(node::Node("item").set("id", ids[i]));
    out.add(std::move(list));
  }
  for (const node::Node& child : receipt.stanza.children()) {
    if (child.tag != "list") out.add(child);
  }
  return out;
}

// From this device, about what `author` wrote.
void route(const Receipt& receipt, const DeviceJid& author, const std::vector<std::string>& ids) {
  Service& service = receipt.service;
  const Device& self = receipt.self;
  node::Node out = outgoing(receipt, ids);
  const bool group = receipt.to.is_group() || receipt.to.is_broadcast();
  const std::string_view server =
      group
          ? (receipt.participant ? std::string_view(receipt.participant->server) : node::kLidServer)
          : std::string_view(receipt.to.server);
  const node::Jid from = service.jid_in(self, server);
  if (group) {
    out.set("from", receipt.to).set("participant", from);
  } else {
    out.set("from", from);
  }
  const Account* account = service.account_of(node::Jid::pn(author.pn));
  if (account == nullptr) return;
  const bool own = account == self.account;
  if (own && !group && receipt.type != "peer_msg" && receipt.type != "hist_sync") {
    if (const auto recipient = receipt.stanza.jid("recipient")) out.set("recipient", *recipient);
  }
  const bool only_sender = receipt.type == "retry" || receipt.type == "sender" ||
                           receipt.type == "peer_msg" || receipt.type == "hist_sync";
  if (!receipt.self_only()) {
    for (Device* device : service.devices_of(*account)) {
      if (device == &self || (only_sender && device->jid != author)) continue;
      service.deliver(*device, out);
    }
  }
  if (!receipt.is_read() || own) return;
  if (!group) out.set("recipient", receipt.to.bare());
  for (Device* device : service.devices_of(*self.account)) {
    if (device != &self) service.deliver(*device, out);
  }
}

// False: the receipt goes no further for this id.
bool judge_one(const Receipt& receipt, const std::string& id, DeviceJid& author) {
  Service& service = receipt.service;
  const bool group = receipt.to.is_group() || receipt.to.is_broadcast();
  auto found = receipt.self.delivered.find(
      delivered_key(service, receipt.to, group ? receipt.participant : std::nullopt, id));
  if (found == receipt.self.delivered.end()) {
    receipt.flag(rule::kReceiptId, "receipt for what was not delivered from there: " + id);
    return false;
  }
  Delivered& record = found->second;
  author = record.sender;
  const bool own = record.sender.pn == receipt.self.jid.pn;
  const bool copy = own && !group && !record.peer;
  if (receipt.type == "sender" && (!copy || !receipt.stanza.has("recipient"))) {
    receipt.flag(rule::kOwnReceipt,
                 "sender receipt that is not for an own copy with its recipient");
    return false;
  }
  if (copy && (receipt.type.empty() || receipt.type == "inactive")) {
    receipt.flag(rule::kOwnReceipt, "own copy answered without type sender");
    return false;
  }
  if (record.peer != (receipt.type == "peer_msg") && receipt.clears() && receipt.type != "retry") {
    receipt.flag(rule::kOwnReceipt, "peer_msg belongs to peer messages and nothing else");
    return false;
  }
  if (receipt.type == "hist_sync" && !record.peer) {
    receipt.flag(rule::kOwnReceipt, "hist_sync for what is no notification of history");
    return false;
  }
  if (!group && receipt.clears() && receipt.type != "peer_msg" && receipt.to != record.from) {
    receipt.flag(rule::kReceiptTo,
                 "receipt goes to " + receipt.to.text() + " instead of " + record.from.text());
  }
  if (receipt.type == "retry") {
    if (!retry_is_good(receipt, record)) return false;
    if (Device* sender = service.device(record.sender)) {
      if (const auto sent = sender->sent.find(id); sent != sender->sent.end()) {
        sent->second.asked_again.insert(receipt.self.jid);
      }
    }
    receipt.self.retried_ids.insert(id);
  }
  if (receipt.clears()) {
    const bool settled = settle(service, receipt.self, "message", id, receipt.to,
                                group ? receipt.participant : std::nullopt);
    if (!settled && record.retries == 0 && receipt.self.acked_ids.contains("message " + id)) {
      receipt.flag("C4", "a second answer to message " + id);
      return false;
    }
  }
  return true;
}

}  // namespace

void handle_receipt(Service& service, Connection& connection, const node::Node& stanza) {
  Receipt receipt{service,
                  connection,
                  *connection.device,
                  stanza,
                  stanza.jid("to").value_or(node::Jid{}),
                  stanza.jid("participant"),
                  stanza.attr("type")};
  if (receipt.to.empty() || stanza.attr("id").empty()) {
    return receipt.flag(rule::kReceiptTo, "receipt without id or to");
  }
  if (std::ranges::find(kTypes, receipt.type) == kTypes.end()) {
    return receipt.flag(rule::kReceiptType, "receipt type is '" + receipt.type + "'");
  }
  if (receipt.type == "server-error") {
    node::Node out = outgoing(receipt, {stanza.attr("id")});
    out.set("from", service.jid_in(receipt.self, receipt.to.server));
    if (Device* phone = service.device(DeviceJid{receipt.self.jid.pn, 0}))
      service.deliver(*phone, out);
    return;
  }
  const bool group = receipt.to.is_group() || receipt.to.is_broadcast();
  if (group && !receipt.participant) {
    return receipt.flag(rule::kReceiptTo, "receipt to a group without participant");
  }
  // A call is answered by a receipt that holds the offer.
  if (receipt.type.empty() && stanza.child("offer") != nullptr) return;
  const auto ids = ids_of(stanza);
  if (ids.size() > 256) return receipt.flag(rule::kReceiptCount, "more than 256 ids");
  if (receipt.is_read() && !stanza.number("t")) {
    receipt.flag(rule::kReceiptTime, receipt.type + " receipt without t");
  }
  std::map<DeviceJid, std::vector<std::string>> by_author;
  for (const std::string& id : ids) {
    DeviceJid author;
    if (judge_one(receipt, id, author)) by_author[author].push_back(id);
  }
  for (const auto& [author, theirs] : by_author) route(receipt, author, theirs);
}

}  // namespace wab::sandbox
