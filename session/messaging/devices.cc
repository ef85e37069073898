#include "session/messaging/devices.h"

#include "session/messaging/signal_store.h"
#include "session/pairing/device_identity.h"
#include "session/session.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using namespace std::chrono_literals;
using node::Jid;
using node::Node;
using storage::Kind;

constexpr auto kTimeout = 75s;
constexpr size_t kUsersPerQuestion = 250;
constexpr size_t kBundlesPerQuestion = 100;
constexpr UnixSeconds kFresh = 24 * 3600;
constexpr size_t kMaxDevices = 128;

uint32_t read_be24(ByteView bytes) {
  return static_cast<uint32_t>(bytes[0]) << 16 | static_cast<uint32_t>(bytes[1]) << 8 | bytes[2];
}

std::optional<std::pair<uint32_t, Key32>> read_key(const Node& node) {
  const auto* id = node.child("id");
  const auto* value = node.child("value");
  if (!id || !value || id->content_bytes().size() != 3) return std::nullopt;
  const auto pub = to_array<32>(value->content_bytes());
  if (!pub) return std::nullopt;
  return std::make_pair(read_be24(id->content_bytes()), *pub);
}

}  // namespace

Result<signal::PreKeyBundle> read_bundle(const Node& holder, const Node& keys) {
  signal::PreKeyBundle bundle;
  const auto* registration = holder.child("registration");
  if (registration == nullptr) registration = keys.child("registration");
  const auto* type = keys.child("type");
  const auto* identity = keys.child("identity");
  const auto* skey = keys.child("skey");
  if (!registration || registration->content_bytes().size() != 4 || !identity || !skey) {
    return fail(SessionError::protocol, "bundle lacks a part");
  }
  if (type && !equal_constant_time(type->content_bytes(), Bytes{5})) {
    return fail(SessionError::protocol, "bundle of another key type");
  }
  const auto identity_key = to_array<32>(identity->content_bytes());
  const auto signed_key = read_key(*skey);
  const auto* signature = skey->child("signature");
  const auto signature_bytes = signature ? to_array<64>(signature->content_bytes()) : std::nullopt;
  if (!identity_key || !signed_key || !signature_bytes) {
    return fail(SessionError::protocol, "bundle has a key of the wrong size");
  }
  bundle.registration_id = read_be32(registration->content_bytes());
  bundle.identity = *identity_key;
  bundle.signed_id = signed_key->first;
  bundle.signed_pub = signed_key->second;
  bundle.signature = *signature_bytes;
  if (const auto* key = keys.child("key")) {
    bundle.one_time = read_key(*key);
    if (!bundle.one_time) return fail(SessionError::protocol, "bundle has a bad one-time key");
  }
  return bundle;
}

void Devices::forget(Change& change, const Jid& user) {
  change.erase(Kind::device_list, user.bare().text());
}

awaitable<Result<std::optional<std::vector<Jid>>>> Devices::stored_list(Change& change, Jid user) {
  storage::Key key{Kind::device_list, user.text()};
  CO_TRY(auto stored, co_await change.get(std::move(key)));
  pb::StoredDeviceList list;
  if (!stored || !list.ParseFromArray(stored->data(), static_cast<int>(stored->size())) ||
      engine_.ctx.clock().now_s() - list.fetched_s() > kFresh) {
    co_return std::optional<std::vector<Jid>>();
  }
  std::vector<Jid> out;
  for (const auto& device : list.device()) {
    Jid jid = user.with_device(static_cast<uint16_t>(device.id()));
    if (device.hosted()) {
      jid.server = std::string(user.is_lid() ? node::kHostedLidServer : node::kHostedServer);
    }
    out.push_back(std::move(jid));
  }
  co_return std::optional<std::vector<Jid>>(std::move(out));
}

awaitable<Result<std::vector<Jid>>> Devices::of_users(std::vector<Jid> users) {
  std::vector<Jid> out, missing;
  {
    Change view(engine_.overlay);
    std::vector<storage::Key> keys;
    for (const auto& user : users) {
      keys.push_back(storage::Key{Kind::device_list, user.bare().text()});
    }
    CO_TRY_VOID(co_await view.preload(std::move(keys)));
    for (const auto& user : users) {
      Jid bare = user.bare();
      CO_TRY(auto list, co_await stored_list(view, bare));
      if (list) {
        out.insert(out.end(), list->begin(), list->end());
      } else {
        missing.push_back(bare);
      }
    }
  }
  for (size_t at = 0; at < missing.size(); at += kUsersPerQuestion) {
    const auto end = missing.begin() + std::min(missing.size(), at + kUsersPerQuestion);
    std::vector<Jid> some(missing.begin() + at, end);
    CO_TRY_VOID(co_await ask_lists(std::move(some)));
  }
  Change view(engine_.overlay);
  for (const auto& user : missing) {
    CO_TRY(auto list, co_await stored_list(view, user));
    if (list) out.insert(out.end(), list->begin(), list->end());
  }
  co_return out;
}

awaitable<Result<void>> Devices::ask_lists(std::vector<Jid> users) {
  Node query("query");
  query.add(Node("devices").set("version", 2)).add(Node("lid"));
  Node list("list");
  for (const auto& user : users) list.add(Node("user").set("jid", user));
  Node usync("usync");
  usync.set("sid", engine_.conn ? engine_.conn->next_id() : "0").set("mode", "query");
  usync.set("last", "true").set("index", "0").set("context", "message");
  usync.add(std::move(query)).add(std::move(list));
  Node iq = make_iq("get", "usync");
  iq.add(std::move(usync));
  CO_TRY(const Node answer, co_await engine_.ask(std::move(iq), kTimeout));
  const auto* result = answer.child("usync");
  const auto* found = result ? result->child("list") : nullptr;
  if (found == nullptr) co_return fail(SessionError::protocol, "usync answer without list");

  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  const UnixSeconds now = engine_.ctx.clock().now_s();
  for (const Node* user : found->all("user")) {
    const auto jid = user->jid("jid");
    if (!jid) continue;
    const Jid bare = jid->bare();
    if (const auto* lid = user->child("lid")) {
      if (const auto value = lid->jid("val")) {
        const Jid other = value->bare();
        CO_TRY_VOID(co_await learn_pair(change, bare, other, now));
      }
    }
    if (const auto pn = user->jid("pn_jid")) {
      const Jid other = pn->bare();
      CO_TRY_VOID(co_await learn_pair(change, bare, other, now));
    }
    const auto* devices = user->child("devices");
    const auto* entries = devices ? devices->child("device-list") : nullptr;
    if (entries == nullptr) continue;
    std::optional<KeyIndexList> valid;
    if (const auto* signed_list = devices->child("key-index-list")) {
      CO_TRY(const Jid primary, co_await signal_jid(change, bare));
      CO_TRY(auto account_key, co_await load_identity(change, primary));
      const auto parsed = parse_key_index_list(signed_list->content_bytes(), account_key);
      if (parsed && parsed->signature_valid.value_or(true)) valid = parsed->list;
    }
    pb::StoredDeviceList row;
    row.set_fetched_s(now);
    for (const Node* device : entries->all("device")) {
      const auto id = device->number("id");
      if (!id || *id > 255 || row.device_size() >= static_cast<int>(kMaxDevices)) continue;
      std::optional<uint32_t> index;
      if (const auto number = device->number("key-index")) index = static_cast<uint32_t>(*number);
      const bool hosted = device->attr("is_hosted") == "true";
      if (!hosted && !keeps_device(valid, static_cast<uint16_t>(*id), index)) continue;
      auto* entry = row.add_device();
      entry->set_id(static_cast<uint32_t>(*id));
      entry->set_key_index(index.value_or(0));
      entry->set_hosted(hosted);
    }
    change.put(Kind::device_list, bare.text(), to_bytes(view(row.SerializeAsString())));
  }
  engine_.overlay.apply(std::move(change));
  co_return ok();
}

awaitable<Result<std::optional<Devices::Person>>> Devices::find_person(Jid jid) {
  jid = jid.bare();
  Person person;
  if (jid.is_lid()) {
    Change view(engine_.overlay);
    CO_TRY(auto pn, co_await other_name(view, jid));
    if (pn) person.pn = *pn;
    person.lid = jid;
    co_return std::optional<Person>(person);
  }
  person.pn = jid;
  {
    Change view(engine_.overlay);
    CO_TRY(person.lid, co_await other_name(view, jid));
    if (person.lid) co_return std::optional<Person>(person);
  }
  std::vector<Jid> users{jid};
  CO_TRY(auto devices, co_await of_users(std::move(users)));
  if (devices.empty()) co_return std::optional<Person>();
  Change view(engine_.overlay);
  CO_TRY(person.lid, co_await other_name(view, jid));
  co_return std::optional<Person>(person);
}

awaitable<Result<std::map<Jid, signal::PreKeyBundle>>> Devices::bundles(std::vector<Jid> devices,
                                                                        const char* reason) {
  std::map<Jid, signal::PreKeyBundle> out;
  for (size_t at = 0; at < devices.size(); at += kBundlesPerQuestion) {
    Node key("key");
    for (size_t i = at; i < std::min(devices.size(), at + kBundlesPerQuestion); ++i) {
      Node user("user");
      user.set("jid", devices[i]).set("reason", reason);
      key.add(std::move(user));
    }
    Node iq = make_iq("get", "encrypt");
    iq.add(std::move(key));
    CO_TRY(const Node answer, co_await engine_.ask(std::move(iq), kTimeout));
    const auto* list = answer.child("list");
    if (list == nullptr) co_return fail(SessionError::protocol, "prekey answer without list");
    for (const Node* user : list->all("user")) {
      const auto jid = user->jid("jid");
      if (!jid || user->child("error") != nullptr) continue;
      const auto* keys = user->child("keys");
      auto bundle = read_bundle(*user, keys ? *keys : *user);
      if (!bundle || !signal::bundle_is_authentic(*bundle)) {
        log_warn("session.bundle_refused", {{"session", engine_.ctx.scope().session().text()}});
        continue;
      }
      if (const auto* blob = user->child("device-identity"); blob && jid->device != 0) {
        Change view(engine_.overlay);
        const Jid primary = jid->with_device(0);
        CO_TRY(const Jid signal_primary, co_await signal_jid(view, primary));
        CO_TRY(auto primary_identity, co_await load_identity(view, signal_primary));
        if (check_peer_device(blob->content_bytes(), bundle->identity, primary_identity) ==
            PeerVerdict::invalid) {
          log_warn("session.bundle_refused", {{"session", engine_.ctx.scope().session().text()}});
          continue;
        }
      }
      out.emplace(*jid, *bundle);
    }
  }
  co_return out;
}

}  // namespace wab::session
