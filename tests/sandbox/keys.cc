#include "tests/sandbox/keys.h"

#include <openssl/sha.h>

#include <algorithm>

#include "session/signal/kdf.h"
#include "tests/sandbox/fields.h"

namespace wab::sandbox {

std::optional<uint32_t> read_id(ByteView three_bytes) {
  if (three_bytes.size() != 3) return std::nullopt;
  const uint32_t id = static_cast<uint32_t>(three_bytes[0]) << 16 |
                      static_cast<uint32_t>(three_bytes[1]) << 8 | three_bytes[2];
  if (id == 0) return std::nullopt;
  return id;
}

Bytes write_id(uint32_t id) {
  return {static_cast<uint8_t>(id >> 16), static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id)};
}

std::optional<SignedKey> read_signed_key(const node::Node& skey) {
  const node::Node* id = skey.child("id");
  const node::Node* value = skey.child("value");
  const node::Node* signature = skey.child("signature");
  if (id == nullptr || value == nullptr || signature == nullptr) return std::nullopt;
  const auto number = read_id(id->content_bytes());
  if (!number || value->content_bytes().size() != 32 || signature->content_bytes().size() != 64) {
    return std::nullopt;
  }
  return SignedKey{*number, to_bytes(value->content_bytes()), to_bytes(signature->content_bytes())};
}

bool signed_key_verifies(const SignedKey& key, ByteView identity) {
  const auto pub = to_array<32>(identity);
  if (!pub) return false;
  const uint8_t type = 0x05;
  return signal::verify(*pub, concat({ByteView(&type, 1), key.value}), key.signature);
}

node::Node bytes_node(std::string tag, ByteView content) {
  node::Node out(std::move(tag));
  out.bytes(content);
  return out;
}

node::Node skey_node(const SignedKey& key) {
  node::Node out("skey");
  out.add(bytes_node("id", write_id(key.id)));
  out.add(bytes_node("value", key.value));
  out.add(bytes_node("signature", key.signature));
  return out;
}

node::Node key_node(const OneTimeKey& key) {
  node::Node out("key");
  out.add(bytes_node("id", write_id(key.id)));
  out.add(bytes_node("value", key.value));
  return out;
}

Bytes bundle_digest(const KeyBundle& keys) {
  Bytes all = concat({keys.identity, keys.signed_key.value, keys.signed_key.signature});
  for (const OneTimeKey& key : keys.one_time) append(all, key.value);
  Bytes out(SHA_DIGEST_LENGTH);
  SHA1(all.data(), all.size(), out.data());
  return out;
}

std::string participant_hash(const std::vector<node::Jid>& devices) {
  std::vector<std::string> names;
  names.reserve(devices.size());
  for (const node::Jid& jid : devices) {
    names.push_back(jid.user + ".0:" + std::to_string(jid.device) + "@" + jid.server);
  }
  std::ranges::sort(names);
  std::string all;
  for (const std::string& name : names) all += name;
  const auto hash = signal::sha256(view(all));
  return "2:" + to_base64(ByteView(hash).first(6));
}

Bytes signed_key_index_list(const Account& account, const std::vector<uint32_t>& valid,
                            UnixSeconds at, Random& random) {
  Bytes list;
  put_field(list, 1, account.registration_id);
  put_field(list, 2, static_cast<uint64_t>(at));
  put_field(list, 3, account.next_key_index == 0 ? 0 : account.next_key_index - 1);
  if (!valid.empty()) {
    Bytes packed;
    for (uint64_t index : valid) {
      while (index >= 0x80) {
        packed.push_back(static_cast<uint8_t>(index | 0x80));
        index >>= 7;
      }
      packed.push_back(static_cast<uint8_t>(index));
    }
    put_field(list, 4, packed);
  }
  static constexpr uint8_t kPrefix[] = {0x06, 0x02};
  const auto signature =
      signal::sign(account.identity.priv, concat({ByteView(kPrefix), list}), random);
  Bytes out;
  put_field(out, 1, list);
  put_field(out, 2, signature);
  put_field(out, 3, account.identity.pub);
  return out;
}

bool device_identity_verifies(ByteView blob, ByteView identity, const Key32& account_key) {
  const auto fields = Fields::parse(blob);
  if (!fields) return false;
  const Bytes details = fields->copy(1);
  const Bytes named_key = fields->copy(2);
  const auto own = to_array<32>(identity);
  if (details.empty() || !own) return false;
  if (!named_key.empty() && !equal_constant_time(named_key, account_key)) return false;
  const auto holds = [&](uint8_t account_byte, uint8_t device_byte) {
    const uint8_t account_prefix[] = {0x06, account_byte};
    const uint8_t device_prefix[] = {0x06, device_byte};
    return signal::verify(account_key, concat({ByteView(account_prefix), details, identity}),
                          fields->copy(3)) &&
           signal::verify(*own, concat({ByteView(device_prefix), details, identity, account_key}),
                          fields->copy(4));
  };
  return holds(0x00, 0x01) || holds(0x05, 0x06);
}

}  // namespace wab::sandbox
