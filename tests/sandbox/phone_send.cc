// From a message to ciphertexts for every device of both sides (dossier 2 sections 4 to 7). One
// message at a time: what is missing for the front of the queue is asked for, and the answer goes
// on.
#include <algorithm>

#include "tests/sandbox/keys.h"
#include "tests/sandbox/phone.h"

namespace wab::sandbox {
namespace {

constexpr size_t kMaxSent = 10'000;
constexpr UnixMillis kAckWithin = 10'000;

node::Node enc_node(const char* type, Bytes bytes, const Announcement& how, bool content) {
  node::Node enc("enc");
  enc.set("v", "2").set("type", type);
  if (content) enc.set("mediatype", how.mediatype);
  if (how.hide) enc.set("decrypt-fail", "hide");
  enc.bytes(std::move(bytes));
  return enc;
}

void add_meta(node::Node& stanza, const Announcement& how) {
  if (how.poll_type.empty()) return;
  stanza.add(node::Node("meta").set("polltype", how.poll_type));
}

}  // namespace

std::string Phone::send(const node::Jid& to, Bytes message) {
  SentMessage entry;
  entry.id = new_message_id();
  entry.to = to.bare();
  entry.message = with_secret(std::move(message), world_.random().bytes(32));
  entry.t = world_.now_s();
  std::string id = entry.id;
  to_send_.push_back(id);
  sent_order_.push_back(id);
  sent_.emplace(id, std::move(entry));
  while (sent_order_.size() > kMaxSent && sent_order_.front() != to_send_.front()) {
    sent_.erase(sent_order_.front());
    sent_order_.pop_front();
  }
  owner_.ready(*this);
  return id;
}

void Phone::advance() {
  if (advancing_) return;
  advancing_ = true;
  while (!to_send_.empty()) {
    SentMessage& message = sent_.at(to_send_.front());
    if (!step(message)) break;
    to_send_.pop_front();
    for (const node::Jid& user : front_.stale) person(user).fresh = false;
    front_ = Front{};
  }
  advancing_ = false;
}

bool Phone::step(SentMessage& message) {
  std::vector<node::Jid> users;
  bool lid = account_.lid_migrated;
  if (!prepare(message, users, lid)) return message.state == SentMessage::State::failed;
  std::vector<node::Jid> devices;
  if (!collect(message, users, lid, devices)) return message.state == SentMessage::State::failed;

  // A group message is encrypted pairwise only for devices that lack the sender key.
  std::vector<node::Jid> pairwise = devices;
  std::erase_if(pairwise, [&](const node::Jid& device) {
    if (is_me(device)) return device.device == 0;
    return message.to.is_group() && keys_.holders(message.to.text()).contains(address(device));
  });
  if (!fetch_keys(pairwise)) return false;
  if (message.to.is_group()) {
    send_group(message, lid, devices);
  } else {
    send_direct(message, lid, pairwise);
  }
  return true;
}

bool Phone::prepare(SentMessage& message, std::vector<node::Jid>& users, bool& lid) {
  if (!message.to.is_group()) {
    users.push_back(message.to);
    if (!is_me(message.to)) users.push_back(my_jid(lid));
    return true;
  }
  const auto found = groups_.find(message.to.text());
  if (found != groups_.end()) {
    lid = found->second.lid;
    users = found->second.members;
    return true;
  }
  if (front_.group) {
    refuse(message, "the server does not tell who is in the group");
  } else {
    front_.group = true;
    ask_group(message.to);
  }
  return false;
}

bool Phone::collect(SentMessage& message, const std::vector<node::Jid>& users, bool lid,
                    std::vector<node::Jid>& devices) {
  std::vector<node::Jid> unknown;
  for (const node::Jid& user : users) {
    const Person& who = person(user);
    if (!who.fresh || (lid && who.lid.empty())) unknown.push_back(user);
  }
  if (!unknown.empty() && front_.devices < 2) {  // a notification may come in between
    ++front_.devices;
    ask_devices(unknown);
    return false;
  }
  for (const node::Jid& user : users) {
    const Person& who = person(user);
    if (!who.fresh) {
      if (message.to.is_group()) continue;  // a member without devices misses the message
      refuse(message, "no such user: " + user.text());
      return false;
    }
    const node::Jid base = in_form(user, lid);
    for (uint16_t device : who.devices) devices.push_back(base.with_device(device));
  }
  return true;
}

bool Phone::fetch_keys(const std::vector<node::Jid>& devices) {
  std::vector<node::Jid> missing;
  for (const node::Jid& device : devices) {
    if (!keys_.has_session(address(device)) && !front_.without_keys.contains(address(device))) {
      missing.push_back(device);
    }
  }
  if (missing.empty()) return true;
  if (front_.keys) return true;  // asked once: whoever has no keys is left out
  front_.keys = true;
  ask_keys(missing, "", [] {});
  return false;
}

std::optional<node::Node> Phone::encrypt_to(const node::Jid& device, ByteView plaintext) {
  auto sealed = keys_.encrypt(address(device), plaintext);
  if (!sealed) return std::nullopt;
  return enc_node(sealed->prekey ? "pkmsg" : "msg", std::move(sealed->bytes), Announcement{},
                  false);
}

void Phone::send_direct(SentMessage& message, bool lid, const std::vector<node::Jid>& devices) {
  message.to = in_form(message.to, lid);
  const Announcement how = announce(message.message);
  const Bytes copy = device_sent_message(message.to.text(), message.message);
  node::Node participants("participants");
  bool reached = is_me(message.to);
  for (const node::Jid& device : devices) {
    const bool own = is_me(device);
    auto enc = encrypt_to(device, own ? copy : message.message);
    if (!enc) continue;
    enc->set("mediatype", how.mediatype);
    if (how.hide) enc->set("decrypt-fail", "hide");
    participants.add(node::Node("to").set("jid", device).add(std::move(*enc)));
    reached = reached || !own;
  }
  if (!reached) return refuse(message, "no device of the recipient has keys");
  if (participants.children().empty()) {
    message.state = SentMessage::State::acknowledged;  // a note to self without companions
    return;
  }
  node::Node stanza("message");
  stanza.set("id", message.id).set("to", message.to).set("type", how.type).set("edit", how.edit);
  if (message.to.is_lid()) {
    const node::Jid pn = in_form(message.to, false);
    if (pn.is_pn()) stanza.set("peer_recipient_pn", pn);
  }
  stanza.add(std::move(participants));
  add_meta(stanza, how);
  dispatch(message, std::move(stanza));
}

void Phone::send_group(SentMessage& message, bool lid, const std::vector<node::Jid>& devices) {
  const std::string group = message.to.text();
  const Announcement how = announce(message.message);
  const auto distribution = keys_.own_distribution(group);
  if (!distribution) return refuse(message, distribution.error().describe());
  const Bytes carried = distribution_message(group, *distribution);

  node::Node participants("participants");
  auto& holders = keys_.holders(group);
  for (const node::Jid& device : devices) {
    const bool own = is_me(device);
    if (own && device.device == 0) continue;
    if (holders.contains(address(device))) continue;
    auto enc = encrypt_to(device, carried);
    if (!enc) continue;
    if (how.hide) enc->set("decrypt-fail", "hide");
    participants.add(node::Node("to").set("jid", device).add(std::move(*enc)));
    if (!own) holders.insert(address(device));
  }
  auto sealed = keys_.group_encrypt(group, message.message);
  if (!sealed) return refuse(message, sealed.error().describe());
  node::Node stanza("message");
  stanza.set("id", message.id).set("to", message.to).set("type", how.type).set("edit", how.edit);
  stanza.set("addressing_mode", lid ? "lid" : "pn").set("phash", participant_hash(devices));
  if (!participants.children().empty()) stanza.add(std::move(participants));
  stanza.add(enc_node("skmsg", std::move(*sealed), how, true));
  add_meta(stanza, how);
  dispatch(message, std::move(stanza));
}

void Phone::dispatch(SentMessage& message, node::Node stanza) {
  message.state = SentMessage::State::sent;
  unacknowledged_[message.id] = Unacknowledged{stanza, world_.now_ms() + kAckWithin};
  submit(std::move(stanza));
}

void Phone::refuse(SentMessage& message, std::string error) {
  message.state = SentMessage::State::failed;
  message.error = std::move(error);
}

void Phone::ask_devices(const std::vector<node::Jid>& users) {
  node::Node list("list");
  std::set<std::string> named;
  for (const node::Jid& user : users) {
    if (named.insert(user.text()).second) list.add(node::Node("user").set("jid", user.bare()));
  }
  node::Node query("query");
  query.add(node::Node("devices").set("version", "2")).add(node::Node("lid"));
  node::Node usync("usync");
  usync.set("sid", new_id()).set("mode", "query").set("last", "true").set("index", "0");
  usync.set("context", "message").add(std::move(query)).add(std::move(list));
  node::Node request = iq("get", "usync", node::Jid::server_jid());
  request.add(std::move(usync));
  ask(std::move(request), [this](const node::Node* answer) {
    const node::Node* result = answer == nullptr ? nullptr : answer->child("usync");
    const node::Node* found = result == nullptr ? nullptr : result->child("list");
    if (found == nullptr) return;
    for (const node::Node* user : found->all("user")) {
      const auto jid = user->jid("jid");
      const node::Node* devices = user->child("devices");
      if (!jid || devices == nullptr || devices->child("device-list") == nullptr) continue;
      learn(jid, user->jid("pn_jid"));
      if (const node::Node* lid = user->child("lid")) learn(jid, lid->jid("val"));
      Person& who = person(*jid);
      who.fresh = true;
      who.devices.clear();
      for (const node::Node* device : devices->child("device-list")->all("device")) {
        const auto id = device->number("id");
        if (id && *id < 256) who.devices.push_back(static_cast<uint16_t>(*id));
      }
    }
  });
}

void Phone::ask_keys(const std::vector<node::Jid>& devices, const char* reason,
                     std::function<void()> done) {
  node::Node key("key");
  for (const node::Jid& device : devices) {
    key.add(node::Node("user").set("jid", device).set("reason", reason));
  }
  node::Node request = iq("get", "encrypt", node::Jid::server_jid());
  request.add(std::move(key));
  ask(std::move(request), [this, done = std::move(done)](const node::Node* answer) {
    const node::Node* list = answer == nullptr ? nullptr : answer->child("list");
    if (list != nullptr) {
      for (const node::Node* user : list->all("user")) {
        const auto jid = user->jid("jid");
        if (!jid) continue;
        const auto bundle = read_bundle(*user);
        if (bundle && keys_.start(address(*jid), *bundle)) continue;
        front_.without_keys.insert(address(*jid));
        front_.stale.push_back(*jid);  // 406: the device may be gone
      }
    }
    done();
  });
}

}  // namespace wab::sandbox
