// xmlns encrypt: counting, uploading, checking, rotating and handing out keys (dossier 1 sections
// 10 and 14.5, dossier 2 sections 5 and 13.5).
#include <algorithm>

#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

// S6. Empty: good.
std::string judge_upload(const KeyBundle& has, const node::Node& iq, std::vector<OneTimeKey>& fresh,
                         SignedKey& signed_key) {
  static constexpr std::string_view kOrder[] = {"registration", "type", "identity", "list", "skey"};
  const auto& children = iq.children();
  if (children.size() != 5) return "upload does not have 5 children";
  for (size_t i = 0; i < 5; ++i) {
    if (children[i].tag != kOrder[i]) return "children of the upload are out of order";
  }
  const ByteView registration = children[0].content_bytes();
  if (registration.size() != 4 || read_be32(registration) != has.registration_id) {
    return "registration id is not the registered one";
  }
  if (to_bytes(children[1].content_bytes()) != Bytes{0x05}) return "type is not 05";
  if (to_bytes(children[2].content_bytes()) != has.identity) {
    return "identity is not the registered one";
  }
  std::set<uint32_t> ids;
  std::set<Bytes> values;
  for (const node::Node& key : children[3].children()) {
    const node::Node* id = key.child("id");
    const node::Node* value = key.child("value");
    if (key.tag != "key" || id == nullptr || value == nullptr) return "malformed key";
    const auto number = read_id(id->content_bytes());
    if (!number) return "key id is not 3 bytes from 1 to 2^24-1";
    if (value->content_bytes().size() != 32) return "key is not 32 bytes";
    if (!ids.insert(*number).second) return "key id twice in one upload";
    if (!values.insert(to_bytes(value->content_bytes())).second) return "two ids for one key";
    if (has.uploaded_ids.contains(*number) || has.handed_out.contains(*number)) {
      return "key id was offered before: " + std::to_string(*number);
    }
    fresh.push_back({*number, to_bytes(value->content_bytes())});
  }
  if (fresh.empty()) return "no keys";
  const auto skey = read_signed_key(children[4]);
  if (!skey) return "malformed signed prekey";
  if (!signed_key_verifies(*skey, has.identity)) return "signature of the signed prekey is wrong";
  signed_key = *skey;
  return {};
}

void upload(Service& service, Connection& connection, const node::Node& iq) {
  KeyBundle& keys = connection.device->keys;
  std::vector<OneTimeKey> fresh;
  SignedKey signed_key;
  const std::string wrong = judge_upload(keys, iq, fresh, signed_key);
  if (!wrong.empty()) return refuse(service, connection, iq, "S6", 406, wrong);
  for (OneTimeKey& key : fresh) {
    keys.uploaded_ids.insert(key.id);
    keys.one_time.push_back(std::move(key));
  }
  keys.signed_ids.insert(signed_key.id);
  keys.signed_key = std::move(signed_key);
  keys.uploaded = true;
  keys.told_low = false;
  service.say(connection, iq_result(iq));
}

void rotate(Service& service, Connection& connection, const node::Node& iq,
            const node::Node& change) {
  KeyBundle& keys = connection.device->keys;
  const node::Node* skey = change.child("skey");
  const auto key = skey == nullptr ? std::nullopt : read_signed_key(*skey);
  if (!key || !signed_key_verifies(*key, keys.identity)) {
    return refuse(service, connection, iq, "S9", 406, "rotated key is malformed or unsigned");
  }
  if (key->id == keys.signed_key.id && key->value != keys.signed_key.value) {
    return refuse(service, connection, iq, "S9", 409, "rotated key has the current id");
  }
  keys.signed_ids.insert(key->id);
  keys.signed_key = *key;
  service.say(connection, iq_result(iq));
}

void digest(Service& service, Connection& connection, const node::Node& iq) {
  const KeyBundle& keys = connection.device->keys;
  if (!keys.uploaded) return service.say(connection, iq_error(iq, 404, "item-not-found"));
  node::Node out("digest");
  out.add(bytes_node("registration", be32(keys.registration_id)));
  out.add(bytes_node("type", Bytes{0x05}));
  out.add(bytes_node("identity", keys.identity));
  out.add(skey_node(keys.signed_key));
  node::Node list("list");
  for (const OneTimeKey& key : keys.one_time) list.add(bytes_node("id", write_id(key.id)));
  out.add(std::move(list));
  out.add(bytes_node("hash", bundle_digest(keys)));
  service.say(connection, iq_result(iq).add(std::move(out)));
}

void tell_low(Service& service, Device& device) {
  KeyBundle& keys = device.keys;
  if (keys.told_low || keys.one_time.size() >= service.settings_.low_prekeys) return;
  keys.told_low = true;
  node::Node note("notification");
  note.set("from", node::Jid::server_jid()).set("type", "encrypt");
  note.add(node::Node("count").set("value", std::to_string(keys.one_time.size())));
  service.deliver(device, std::move(note));
}

node::Node hand_out(Service& service, const node::Jid& jid) {
  node::Node user("user");
  user.set("jid", jid);
  Device* device = service.device(jid);
  if (device == nullptr || !device->keys.uploaded) {
    return std::move(user.add(node::Node("error").set("code", 406).set("text", "not-acceptable")));
  }
  KeyBundle& keys = device->keys;
  user.set("t", std::to_string(service.now_s()));
  user.add(bytes_node("registration", be32(keys.registration_id)));
  user.add(bytes_node("type", Bytes{0x05}));
  user.add(bytes_node("identity", keys.identity));
  user.add(skey_node(keys.signed_key));
  if (!keys.one_time.empty()) {
    user.add(key_node(keys.one_time.front()));
    keys.handed_out.insert(keys.one_time.front().id);
    keys.one_time.pop_front();
  }
  if (!device->device_identity.empty()) {
    user.add(bytes_node("device-identity", device->device_identity));
  }
  tell_low(service, *device);
  return user;
}

void fetch(Service& service, Connection& connection, const node::Node& iq,
           const node::Node& request) {
  const auto users = request.all("user");
  std::set<std::string> seen;
  for (const node::Node* user : users) {
    const auto jid = user->jid("jid");
    if (!jid || jid->user.empty() || !node::domain_byte(jid->server)) {
      return refuse(service, connection, iq, rule::kPreKeyFetch, 400, "user is not a device JID");
    }
    if (!seen.insert(jid->text()).second) {
      return refuse(service, connection, iq, rule::kPreKeyFetch, 400, "device asked for twice");
    }
  }
  if (users.empty()) {
    return refuse(service, connection, iq, rule::kPreKeyFetch, 400, "no users");
  }
  node::Node list("list");
  for (const node::Node* user : users) list.add(hand_out(service, *user->jid("jid")));
  service.say(connection, iq_result(iq).add(std::move(list)));
}

}  // namespace

void handle_encrypt(Service& service, Connection& connection, const node::Node& iq) {
  const bool get = iq.attr("type") == "get";
  const auto& children = iq.children();
  if (get && children.size() == 1 && children[0].tag == "count") {
    node::Node count("count");
    count.set("value", std::to_string(connection.device->keys.one_time.size()));
    return service.say(connection, iq_result(iq).add(std::move(count)));
  }
  if (get && children.size() == 1 && children[0].tag == "digest") {
    return digest(service, connection, iq);
  }
  if (get && children.size() == 1 && children[0].tag == "key") {
    return fetch(service, connection, iq, children[0]);
  }
  if (!get && children.size() == 1 && children[0].tag == "rotate") {
    return rotate(service, connection, iq, children[0]);
  }
  if (!get) return upload(service, connection, iq);
  refuse(service, connection, iq, "S4", 400, "unknown encrypt request");
}

}  // namespace wab::sandbox
