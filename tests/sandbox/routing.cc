// <message>: judged, acknowledged, routed (dossier 2 sections 6, 7 and 13.1 to 13.3).
#include "tests/sandbox/routing.h"

#include <algorithm>
#include <array>

#include "session/signal/kdf.h"
#include "tests/sandbox/message_checks.h"

namespace wab::sandbox {
namespace {

constexpr std::array<std::string_view, 6> kTypes = {"text", "media", "reaction",
                                                    "poll", "event", "pay"};
constexpr size_t kRememberedSent = 20'000;

struct Sending {
  Service& service;
  Connection& connection;
  Device& self;
  const node::Node& message;
  node::Jid to;
  std::string id;
  node::Node ack;
};

void nack(Sending& sending, const Verdict& verdict) {
  sending.service.violation(verdict.rule, &sending.connection, verdict.why);
  sending.ack.set("error", verdict.code);
  sending.service.say(sending.connection, sending.ack);
}

Bytes fingerprint(const node::Node& message) {
  Bytes all;
  const auto walk = [&](const node::Node& node, const auto& again) -> void {
    if (node.tag == "enc") append(all, node.content_bytes());
    for (const node::Node& child : node.children()) again(child, again);
  };
  walk(message, walk);
  const auto hash = signal::sha256(all);
  return to_bytes(ByteView(hash));
}

Sent& remember(Sending& sending) {
  if (sending.self.sent.size() > kRememberedSent) sending.self.sent.clear();
  Sent& sent = sending.self.sent[sending.id];
  sent.fingerprint = fingerprint(sending.message);
  sent.ack = sending.ack;
  sent.to = sending.to;
  return sent;
}

bool lacks_media_type(const node::Node& message, const std::vector<const node::Node*>& contents) {
  return message.attr("type") == "media" && !message.has("edit") &&
         std::ranges::any_of(contents, [](const auto* enc) { return !enc->has("mediatype"); });
}

bool has_pkmsg(const std::vector<Addressed>& addressed) {
  return std::ranges::any_of(addressed,
                             [](const Addressed& a) { return a.enc->attr("type") == "pkmsg"; });
}

void acquaint(Service& service, Account& one, Account& other) {
  service.acquainted_[one.pn].insert(&other);
  service.acquainted_[other.pn].insert(&one);
}

// M13: a first message needs the token that the contact gave us.
bool token_is_missing(Sending& sending, const Account& peer) {
  Service& service = sending.service;
  if (!service.settings_.require_token || &peer == sending.self.account) return false;
  if (service.acquainted_[peer.pn].contains(sending.self.account)) return false;
  const auto token = service.tokens_.find({peer.pn, sending.self.account->pn});
  const node::Node* shown = sending.message.child("tctoken");
  return shown == nullptr || token == service.tokens_.end() ||
         to_bytes(shown->content_bytes()) != token->second;
}

// --- one to one --------------------------------------------------------------------------------

std::vector<node::Jid> all_devices(Service& service, const Account& a, const Account& b,
                                   std::string_view server) {
  std::vector<node::Jid> out;
  for (const Device* device : service.devices_of(a)) out.push_back(service.jid_in(*device, server));
  if (&a == &b) return out;
  for (const Device* device : service.devices_of(b)) out.push_back(service.jid_in(*device, server));
  return out;
}

void send_direct(Sending& sending) {
  Service& service = sending.service;
  Device& self = sending.self;
  const node::Jid& to = sending.to;
  if (to.device != 0) return nack(sending, {400, rule::kMessageToDevice, "to names a device"});
  Account* peer = service.account_of(to);
  if (peer == nullptr) {
    sending.ack.set("error", 404);
    return service.say(sending.connection, sending.ack);
  }
  if (to.is_lid() && !self.account->lid_migrated) {
    return nack(sending, {400, rule::kLidNotMigrated, "LID address from an unmigrated account"});
  }
  const node::Node* list = sending.message.child("participants");
  if (list == nullptr || list->children().empty()) {
    return nack(sending, {400, rule::kParticipants, "no participants"});
  }
  std::vector<Addressed> addressed;
  Verdict verdict = judge_participants(
      service, self, sending.message, to.server,
      [&](const Account& account) { return &account == peer || &account == self.account; }, false,
      addressed);
  if (verdict.code == 0) {
    verdict = judge_device_identity(self, sending.message, has_pkmsg(addressed));
  }
  if (verdict.code == 0) verdict = judge_extras(sending.message);
  if (verdict.code != 0) return nack(sending, verdict);
  if (token_is_missing(sending, *peer)) {
    return nack(sending, {463, rule::kPrivacyToken, "new chat without a valid privacy token"});
  }
  std::set<DeviceJid> reached{self.jid};
  std::vector<const node::Node*> contents;
  for (const Addressed& one : addressed) {
    reached.insert(one.device->jid);
    contents.push_back(one.enc);
    inspect_pairwise(service, sending.connection, *one.device, *one.enc);
  }
  auto everyone = all_devices(service, *self.account, *peer, to.server);
  if (reached.size() != everyone.size()) {
    std::erase(everyone, service.jid_in(self, to.server));
    sending.ack.set("phash", participant_hash(everyone));
  }
  service.say(sending.connection, sending.ack);
  remember(sending);
  if (lacks_media_type(sending.message, contents)) {
    return service.violation(rule::kMediaType, &sending.connection,
                             "media without mediatype: dropped");
  }
  acquaint(service, *self.account, *peer);
  for (const Addressed& one : addressed) {
    deliver_direct(service, self, sending.message, *one.device, to, one.enc);
  }
  for (Device* own : service.devices_of(*self.account)) {
    if (reached.contains(own->jid)) continue;
    deliver_direct(service, self, sending.message, *own, to, nullptr);
  }
}

// --- groups ------------------------------------------------------------------------------------

bool is_phash(const std::string& text) {
  return text.size() == 10 && text.starts_with("2:") &&
         std::ranges::all_of(text.substr(2), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/';
         });
}

void send_to_group(Sending& sending) {
  Service& service = sending.service;
  Device& self = sending.self;
  const node::Node& message = sending.message;
  Group* group = service.groups_.find(sending.to);
  if (group == nullptr) {
    sending.ack.set("error", 404);
    return service.say(sending.connection, sending.ack);
  }
  const Member* me = group->member(*self.account);
  if (me == nullptr) return nack(sending, {400, rule::kNotMember, "not a member of this group"});
  if (group->announcement && !me->admin) {
    return nack(sending, {403, rule::kAnnouncement, "only admins send here"});
  }
  const std::string mode = message.attr("addressing_mode");
  if (mode != group->mode() && (group->lid || !mode.empty())) {
    return nack(sending, {421, rule::kAddressingMode, "addressing_mode is '" + mode + "'"});
  }
  const std::string phash = message.attr("phash");
  if (!phash.empty() && !is_phash(phash)) {
    return nack(sending, {400, rule::kPhash, "malformed phash: " + phash});
  }
  const auto encs = message.all("enc");
  if (encs.size() != 1) return nack(sending, {400, rule::kParticipants, "not exactly one skmsg"});
  std::vector<Addressed> addressed;
  Verdict verdict = judge_enc(*encs[0], true);
  if (verdict.code == 0) {
    verdict = judge_participants(
        service, self, message, group->server(),
        [&](const Account& account) { return group->member(account) != nullptr; }, true, addressed);
  }
  if (verdict.code == 0) verdict = judge_device_identity(self, message, has_pkmsg(addressed));
  if (verdict.code == 0) verdict = judge_extras(message);
  if (verdict.code != 0) return nack(sending, verdict);

  std::map<Device*, const node::Node*> pairwise;
  for (const Addressed& one : addressed) {
    pairwise[one.device] = one.enc;
    inspect_pairwise(service, sending.connection, *one.device, *one.enc);
  }
  inspect_group(service, sending.connection, sending.to, *encs[0]);
  std::vector<node::Jid> everyone;
  for (const Member& member : group->members) {
    for (const Device* device : service.devices_of(*member.account)) {
      everyone.push_back(service.jid_in(*device, group->server()));
    }
  }
  const std::string expected = participant_hash(everyone);
  if (phash != expected) sending.ack.set("phash", expected);
  if (!phash.empty() && phash != expected) {
    service.violation(rule::kPhash, &sending.connection, "phash is " + phash + ", not " + expected);
  }
  service.say(sending.connection, sending.ack);
  remember(sending);
  if (lacks_media_type(message, {encs[0]})) {
    return service.violation(rule::kMediaType, &sending.connection,
                             "media without mediatype: dropped");
  }
  for (const Member& member : group->members) {
    for (Device* device : service.devices_of(*member.account)) {
      if (device == &self) continue;
      const auto own = pairwise.find(device);
      deliver_group(service, self, message, *device, *group,
                    own == pairwise.end() ? nullptr : own->second, encs[0]);
    }
  }
}

// --- status ------------------------------------------------------------------------------------

void send_status(Sending& sending) {
  Service& service = sending.service;
  Device& self = sending.self;
  const node::Node& message = sending.message;
  if (message.has("addressing_mode")) {
    return nack(sending, {479, rule::kStatus, "addressing_mode on a status"});
  }
  const node::Node* meta = message.child("meta");
  const std::string edit = message.attr("edit");
  if (meta != nullptr && meta->has("status_setting") &&
      (message.attr("type") == "reaction" || edit == "7" || edit == "8")) {
    return nack(sending, {479, rule::kStatus, "status_setting on a reaction or revocation"});
  }
  const node::Node* list = message.child("participants");
  if (list == nullptr || list->children().empty()) {
    return nack(sending, {400, rule::kStatus, "status without participants"});
  }
  const auto encs = message.all("enc");
  if (encs.size() != 1) return nack(sending, {400, rule::kStatus, "not exactly one skmsg"});
  const Verdict verdict = judge_enc(*encs[0], true);
  if (verdict.code != 0) return nack(sending, verdict);
  std::map<Device*, const node::Node*> targets;
  bool prekey = false;
  for (const node::Node* to : list->all("to")) {
    const auto jid = to->jid("jid");
    Account* account = jid ? service.account_of(*jid) : nullptr;
    if (account == nullptr)
      return nack(sending, {400, rule::kStatus, "no such user in participants"});
    if (const node::Node* enc = to->child("enc")) {
      const Verdict one = judge_enc(*enc, false);
      if (one.code != 0) return nack(sending, one);
      prekey = prekey || enc->attr("type") == "pkmsg";
      if (Device* device = service.device(*jid)) targets[device] = enc;
    }
    for (Device* device : service.devices_of(*account)) targets.emplace(device, nullptr);
  }
  const Verdict identity = judge_device_identity(self, message, prekey);
  if (identity.code != 0) return nack(sending, identity);
  service.say(sending.connection, sending.ack);
  remember(sending);
  for (const auto& [device, enc] : targets) {
    if (device == &self) continue;
    if (enc != nullptr) inspect_pairwise(service, sending.connection, *device, *enc);
    node::Node copy = copy_for(service, self, message);
    copy.set("from", sending.to).set("participant", service.jid_in(self, node::kLidServer));
    copy.set("participant_pn", service.jid_in(*self.account, node::kUserServer));
    if (enc != nullptr) {
      copy.add(*enc);
      const node::Node* proof = message.child("device-identity");
      if (proof != nullptr && enc->attr("type") == "pkmsg") copy.add(*proof);
    }
    copy.add(*encs[0]);
    hand_over(service, self, *device, std::move(copy));
  }
}

// --- between own devices -----------------------------------------------------------------------

void send_peer(Sending& sending) {
  Service& service = sending.service;
  Device& self = sending.self;
  const node::Node& message = sending.message;
  const auto refused = [&](const char* why) { nack(sending, {479, rule::kPeer, why}); };
  if (message.child("participants") != nullptr) return refused("peer message with participants");
  if (message.child("tctoken") != nullptr) return refused("peer message with a privacy token");
  const bool own = service.account_of(sending.to) == self.account;
  // Companions write to the primary under the bare address; the primary names the companion.
  if (!own || (self.jid.device != 0 && sending.to.device != 0)) {
    return refused("peer message to somebody else");
  }
  const auto encs = message.all("enc");
  if (encs.size() != 1) return refused("peer message without exactly one enc");
  Verdict verdict = judge_enc(*encs[0], false);
  if (verdict.code == 0) {
    verdict = judge_device_identity(self, message, encs[0]->attr("type") == "pkmsg");
  }
  if (verdict.code != 0) return nack(sending, verdict);
  Device* target = service.device(sending.to);
  if (target == nullptr || target == &self) return refused("peer message to no device");
  inspect_pairwise(service, sending.connection, *target, *encs[0]);
  service.say(sending.connection, sending.ack);
  remember(sending);
  node::Node copy = copy_for(service, self, message);
  copy.set("from", service.jid_in(self, sending.to.server)).set("category", "peer");
  copy.set("push_priority", message.attr("push_priority")).add(*encs[0]);
  if (const node::Node* proof = message.child("device-identity")) copy.add(*proof);
  hand_over(service, self, *target, std::move(copy));
}

// --- resends -----------------------------------------------------------------------------------

// An <enc> directly under the message answers a retry receipt.
bool is_resend(const node::Node& message, const node::Jid& to) {
  if (message.child("participants") != nullptr || message.attr("category") == "peer") return false;
  const node::Node* enc = message.child("enc");
  return enc != nullptr && enc->attr("type") != "skmsg" &&
         (to.device != 0 || message.has("participant") || enc->has("count"));
}

void resend(Sending& sending) {
  Service& service = sending.service;
  const node::Node& message = sending.message;
  const node::Node& enc = *message.child("enc");
  Verdict verdict = judge_enc(enc, false);
  if (verdict.code == 0 && message.all("enc").size() != 1) {
    verdict = {400, rule::kResend, "a resend holds one enc"};
  }
  if (verdict.code == 0 && enc.number("count").value_or(0) == 0) {
    verdict = {400, rule::kResend, "a resend counts its tries"};
  }
  if (verdict.code == 0) {
    verdict = judge_device_identity(sending.self, message, enc.attr("type") == "pkmsg");
  }
  if (verdict.code != 0) return nack(sending, verdict);
  Group* group = service.groups_.find(sending.to);
  const auto participant = message.jid("participant");
  Device* target = nullptr;
  if (sending.to.is_group() || sending.to.is_broadcast()) {
    target = participant ? service.device(*participant) : nullptr;
  } else {
    target = service.device(sending.to);
  }
  service.say(sending.connection, sending.ack);
  const auto sent = sending.self.sent.find(sending.id);
  if (target == nullptr || sent == sending.self.sent.end() ||
      !sent->second.asked_again.contains(target->jid)) {
    return service.violation(rule::kResend, &sending.connection,
                             "resend of " + sending.id + " that nobody asked for: dropped");
  }
  inspect_pairwise(service, sending.connection, *target, enc);
  if (group != nullptr) {
    return deliver_group(service, sending.self, message, *target, *group, &enc, nullptr);
  }
  const node::Jid chat = target->account == sending.self.account
                             ? message.jid("recipient").value_or(sending.to.bare())
                             : sending.to.bare();
  deliver_direct(service, sending.self, message, *target, chat, &enc);
}

// The same id again. True: dealt with.
bool repeated(Sending& sending) {
  const auto before = sending.self.sent.find(sending.id);
  if (before == sending.self.sent.end() || is_resend(sending.message, sending.to)) return false;
  Sent& sent = before->second;
  if (sent.fingerprint == fingerprint(sending.message)) {
    sending.service.say(sending.connection, sent.ack);
    return true;
  }
  if (sending.message.has("edit")) return false;
  if (sent.asked_again.empty()) {
    sending.service.violation(rule::kIdReuse, &sending.connection,
                              "message id used for another content: " + sending.id);
    sending.service.say(sending.connection, sent.ack);
    return true;
  }
  // Baileys answers the retry of a phone by sending everything again: only who asked gets it.
  sending.service.say(sending.connection, sent.ack);
  for (const node::Node* to : sending.message.child("participants") == nullptr
                                  ? std::vector<const node::Node*>{}
                                  : sending.message.child("participants")->all("to")) {
    const auto jid = to->jid("jid");
    Device* device = jid ? sending.service.device(*jid) : nullptr;
    const node::Node* enc = to->child("enc");
    if (device == nullptr || enc == nullptr || !sent.asked_again.contains(device->jid)) continue;
    const Group* group = sending.service.groups_.find(sending.to);
    if (group != nullptr) {
      deliver_group(sending.service, sending.self, sending.message, *device, *group, enc,
                    sending.message.child("enc"));
    } else {
      deliver_direct(sending.service, sending.self, sending.message, *device, sending.to, enc);
    }
  }
  return true;
}

}  // namespace

void handle_message(Service& service, Connection& connection, const node::Node& message) {
  Sending sending{service,
                  connection,
                  *connection.device,
                  message,
                  message.jid("to").value_or(node::Jid{}),
                  message.attr("id"),
                  message_ack(service, message)};
  const std::string type = message.attr("type");
  if (sending.id.empty() || sending.to.empty() || std::ranges::find(kTypes, type) == kTypes.end()) {
    return nack(sending,
                {400, rule::kMessageShape, "message lacks id or to, or has type '" + type + "'"});
  }
  if (repeated(sending)) return;
  if (is_resend(message, sending.to)) return resend(sending);
  if (message.attr("category") == "peer") return send_peer(sending);
  if (sending.to.is_group()) return send_to_group(sending);
  if (sending.to.is_broadcast()) return send_status(sending);
  if (sending.to.is_newsletter()) {
    sending.ack.set("error", 404);
    return service.say(connection, sending.ack);
  }
  send_direct(sending);
}

}  // namespace wab::sandbox
