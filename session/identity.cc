#include "session/identity.h"

#include "session/proto/stored.pb.h"

namespace wab::session {
namespace {

void write_signed(pb::StoredSignedPreKey& to, const SignedPreKey& key) {
  to.set_id(key.id);
  to.set_private_key(to_string(key.keys.priv.reveal()));
  to.set_signature(to_string(key.signature));
  to.set_created_s(key.created);
}

std::optional<SignedPreKey> read_signed(const pb::StoredSignedPreKey& from) {
  const auto priv = SecretKey32::from(view(from.private_key()));
  const auto signature = to_array<64>(view(from.signature()));
  if (!priv || !signature) return std::nullopt;
  SignedPreKey out;
  out.id = from.id();
  out.keys = signal::KeyPair::from_private(*priv);
  out.signature = *signature;
  out.created = from.created_s();
  return out;
}

}  // namespace

const SignedPreKey* DeviceIdentity::signed_prekey_by_id(uint32_t id) const {
  if (signed_prekey.id == id) return &signed_prekey;
  for (const auto& old : previous) {
    if (old.id == id) return &old;
  }
  return nullptr;
}

RegistrationKeys DeviceIdentity::registration() const {
  return {signal.registration_id, signal.identity.pub, signed_prekey.id, signed_prekey.keys.pub,
          signed_prekey.signature};
}

SignedPreKey make_signed_prekey(uint32_t id, const signal::KeyPair& identity, UnixSeconds now,
                                Random& random) {
  SignedPreKey out;
  out.id = id;
  out.keys = signal::KeyPair::generate(random);
  out.signature = signal::sign(identity.priv, signal::serialized(out.keys.pub), random);
  out.created = now;
  return out;
}

DeviceIdentity DeviceIdentity::make(Random& random, UnixSeconds now) {
  DeviceIdentity out;
  out.noise = signal::KeyPair::generate(random);
  out.signal.identity = signal::KeyPair::generate(random);
  out.signal.registration_id = static_cast<uint32_t>(random.below((1u << 31) - 1)) + 1;
  out.signed_prekey = make_signed_prekey(1, out.signal.identity, now, random);
  random.fill(out.adv_secret.fill());
  return out;
}

Bytes DeviceIdentity::to_bytes() const {
  pb::StoredIdentity out;
  out.set_noise_private(to_string(noise.priv.reveal()));
  out.set_identity_private(to_string(signal.identity.priv.reveal()));
  out.set_registration_id(signal.registration_id);
  write_signed(*out.mutable_signed_prekey(), signed_prekey);
  for (const auto& old : previous) write_signed(*out.add_previous_signed_prekey(), old);
  out.set_adv_secret(to_string(adv_secret.reveal()));
  if (paired()) {
    out.set_account(to_string(account));
    out.set_pn(own.pn.text());
    if (!own.lid.empty()) out.set_lid(own.lid.text());
    out.set_platform(platform);
    out.set_business_name(business_name);
    out.set_lid_migrated(lid_migrated);
  }
  return wab::to_bytes(out.SerializeAsString());
}

std::optional<DeviceIdentity> DeviceIdentity::from_bytes(ByteView stored) {
  pb::StoredIdentity in;
  if (!in.ParseFromArray(stored.data(), static_cast<int>(stored.size()))) return std::nullopt;
  const auto noise = SecretKey32::from(view(in.noise_private()));
  const auto identity = SecretKey32::from(view(in.identity_private()));
  auto adv = SecretKey32::from(view(in.adv_secret()));
  auto signed_prekey = read_signed(in.signed_prekey());
  if (!noise || !identity || !adv || !signed_prekey) return std::nullopt;
  DeviceIdentity out;
  out.noise = signal::KeyPair::from_private(*noise);
  out.signal.identity = signal::KeyPair::from_private(*identity);
  out.signal.registration_id = in.registration_id();
  out.signed_prekey = std::move(*signed_prekey);
  for (const auto& old : in.previous_signed_prekey()) {
    if (auto key = read_signed(old)) out.previous.push_back(std::move(*key));
  }
  out.adv_secret = std::move(*adv);
  if (in.has_account()) {
    const auto pn = node::Jid::parse(in.pn());
    if (!pn) return std::nullopt;
    out.account = wab::to_bytes(view(in.account()));
    out.own.pn = *pn;
    out.own.lid = node::Jid::parse(in.lid()).value_or(node::Jid());
    out.platform = in.platform();
    out.business_name = in.business_name();
    out.lid_migrated = in.lid_migrated();
  }
  return out;
}

}  // namespace wab::session
