#include "tests/sandbox/phone_crypto.h"

#include <algorithm>

#include "session/signal/padding.h"
#include "tests/sandbox/keys.h"

namespace wab::sandbox {
namespace {

constexpr uint32_t kSignedId = 1;
constexpr uint8_t kKeyType[] = {5};

std::string sender_name(const std::string& group, const std::string& sender) {
  return group + " " + sender;
}

std::optional<std::pair<uint32_t, Key32>> read_key(const node::Node& key) {
  const node::Node* id = key.child("id");
  const node::Node* value = key.child("value");
  if (id == nullptr || value == nullptr) return std::nullopt;
  const auto number = read_id(id->content_bytes());
  const auto pub = to_array<32>(value->content_bytes());
  if (!number || !pub) return std::nullopt;
  return std::pair(*number, *pub);
}

}  // namespace

std::string signal_address(const node::Jid& device) {
  return device.signal_name() + "." + std::to_string(device.device);
}

std::optional<signal::PreKeyBundle> read_bundle(const node::Node& keys, uint32_t fallback) {
  const node::Node* inner = keys.child("keys");
  const node::Node& from = inner != nullptr ? *inner : keys;
  const node::Node* identity = from.child("identity");
  const node::Node* type = from.child("type");
  const node::Node* skey = from.child("skey");
  if (identity == nullptr || skey == nullptr) return std::nullopt;
  if (type != nullptr && !std::ranges::equal(type->content_bytes(), kKeyType)) return std::nullopt;

  signal::PreKeyBundle out;
  out.registration_id = fallback;
  if (const node::Node* registration = from.child("registration")) {
    if (registration->content_bytes().size() != 4) return std::nullopt;
    out.registration_id = read_be32(registration->content_bytes());
  }
  const auto pub = to_array<32>(identity->content_bytes());
  const auto signed_key = read_key(*skey);
  const node::Node* signature = skey->child("signature");
  if (!pub || !signed_key || signature == nullptr) return std::nullopt;
  const auto signed_by = to_array<64>(signature->content_bytes());
  if (!signed_by) return std::nullopt;
  out.identity = *pub;
  out.signed_id = signed_key->first;
  out.signed_pub = signed_key->second;
  out.signature = *signed_by;
  if (const node::Node* key = from.child("key")) {
    out.one_time = read_key(*key);
    if (!out.one_time) return std::nullopt;
  }
  return out;
}

PhoneKeys::PhoneKeys(const signal::KeyPair& identity, uint32_t registration_id, Random& random)
    : mine_{identity.clone(), registration_id},
      random_(random),
      signed_(signal::KeyPair::generate(random)) {
  signature_ = signal::sign(mine_.identity.priv, signal::serialized(signed_.pub), random_);
}

uint32_t PhoneKeys::new_prekey() {
  const uint32_t id = next_id_++;
  prekeys_.emplace(id, signal::KeyPair::generate(random_));
  return id;
}

node::Node PhoneKeys::signed_prekey_node() const {
  return skey_node(SignedKey{kSignedId, to_bytes(ByteView(signed_.pub)), to_bytes(signature_)});
}

node::Node PhoneKeys::registration_node() const {
  return bytes_node("registration", be32(mine_.registration_id));
}

node::Node::Children PhoneKeys::upload(size_t count) {
  node::Node list("list");
  for (size_t i = 0; i < count; ++i) {
    const uint32_t id = new_prekey();
    list.add(key_node(OneTimeKey{id, to_bytes(ByteView(prekeys_.at(id).pub))}));
  }
  node::Node::Children out;
  out.push_back(registration_node());
  out.push_back(bytes_node("type", kKeyType));
  out.push_back(bytes_node("identity", mine_.identity.pub));
  out.push_back(std::move(list));
  out.push_back(signed_prekey_node());
  return out;
}

node::Node PhoneKeys::retry_keys() {
  const uint32_t id = new_prekey();
  node::Node out("keys");
  out.add(bytes_node("type", kKeyType));
  out.add(bytes_node("identity", mine_.identity.pub));
  out.add(key_node(OneTimeKey{id, to_bytes(ByteView(prekeys_.at(id).pub))}));
  out.add(signed_prekey_node());
  return out;
}

bool PhoneKeys::has_session(const std::string& address) const {
  const auto found = sessions_.find(address);
  return found != sessions_.end() && signal::has_session(found->second);
}

uint32_t PhoneKeys::remote_registration(const std::string& address) const {
  const auto found = sessions_.find(address);
  return found == sessions_.end() ? 0 : signal::remote_registration_id(found->second);
}

std::optional<Key32> PhoneKeys::base_key(const std::string& address) const {
  const auto found = sessions_.find(address);
  if (found == sessions_.end()) return std::nullopt;
  return signal::current_base_key(found->second);
}

std::optional<Key32> PhoneKeys::remote_identity(const std::string& address) const {
  const auto found = sessions_.find(address);
  if (found == sessions_.end()) return std::nullopt;
  return signal::remote_identity(found->second);
}

Result<void> PhoneKeys::start(const std::string& address, const signal::PreKeyBundle& bundle) {
  return signal::start_outgoing(sessions_[address], mine_, bundle, random_);
}

Result<signal::Encrypted> PhoneKeys::encrypt(const std::string& address, ByteView plaintext) {
  return signal::encrypt(sessions_[address], mine_, signal::pad(plaintext, random_));
}

Result<PhoneKeys::Opened> PhoneKeys::decrypt(const std::string& address, bool prekey,
                                             ByteView bytes) {
  signal::SessionRecord& record = sessions_[address];
  Opened out;
  out.prekey = prekey;
  if (!prekey) {
    TRY(out.padded, signal::decrypt_message(record, mine_, bytes, random_));
    if (const auto identity = signal::remote_identity(record)) out.identity = *identity;
    return out;
  }
  TRY(const auto needs, signal::inspect_prekey_message(bytes));
  const signal::KeyPair* one_time = nullptr;
  if (needs.one_time_id) {
    const auto found = prekeys_.find(*needs.one_time_id);
    if (found != prekeys_.end()) one_time = &found->second;
  }
  TRY(auto opened, signal::decrypt_prekey_message(record, mine_, bytes,
                                                  needs.signed_id == kSignedId ? &signed_ : nullptr,
                                                  one_time, random_));
  if (opened.used_one_time) prekeys_.erase(*opened.used_one_time);
  out.padded = std::move(opened.plaintext);
  out.identity = opened.remote_identity;
  return out;
}

void PhoneKeys::archive(const std::string& address) {
  const auto found = sessions_.find(address);
  if (found != sessions_.end()) found->second.archive_current();
}

void PhoneKeys::forget(const std::string& address) { sessions_.erase(address); }

std::vector<std::string> PhoneKeys::forget_all() {
  std::vector<std::string> gone;
  for (const auto& [address, record] : sessions_) gone.push_back(address);
  sessions_.clear();
  own_.clear();
  theirs_.clear();
  return gone;
}

void PhoneKeys::move_user(const node::Jid& pn, const node::Jid& lid) {
  const std::string before = pn.signal_name() + ".";
  for (auto it = sessions_.lower_bound(before);
       it != sessions_.end() && it->first.starts_with(before);) {
    const std::string device = it->first.substr(before.size());
    auto moved = sessions_.extract(it++);
    moved.key() = lid.signal_name() + "." + device;
    sessions_.erase(moved.key());  // the phone number's session wins
    sessions_.insert(std::move(moved));
  }
  std::vector<std::string> names;
  for (const auto& [name, record] : theirs_) {
    if (name.find(" " + before) != std::string::npos) names.push_back(name);
  }
  for (const std::string& name : names) {
    auto moved = theirs_.extract(name);
    const size_t at = name.find(" " + before);
    moved.key() =
        name.substr(0, at + 1) + lid.signal_name() + "." + name.substr(at + 1 + before.size());
    theirs_.insert(std::move(moved));
  }
}

Result<Bytes> PhoneKeys::own_distribution(const std::string& group) {
  OwnKey& own = own_[group];
  if (signal::ensure_own_sender_key(own.record, random_)) own.holders.clear();
  return signal::own_distribution(own.record);
}

Result<Bytes> PhoneKeys::group_encrypt(const std::string& group, ByteView plaintext) {
  return signal::group_encrypt(own_[group].record, signal::pad(plaintext, random_), random_);
}

void PhoneKeys::rotate(const std::string& group) { own_.erase(group); }

Result<void> PhoneKeys::learn(const std::string& group, const std::string& sender,
                              ByteView distribution) {
  return signal::process_distribution(theirs_[sender_name(group, sender)], distribution);
}

Result<Bytes> PhoneKeys::group_decrypt(const std::string& group, const std::string& sender,
                                       ByteView bytes) {
  return signal::group_decrypt(theirs_[sender_name(group, sender)], bytes);
}

bool PhoneKeys::knows_sender(const std::string& group, const std::string& sender) const {
  const auto found = theirs_.find(sender_name(group, sender));
  return found != theirs_.end() && !found->second.empty();
}

}  // namespace wab::sandbox
