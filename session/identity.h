// The device that we are: keys made once per pairing, what pairing added, and their stored form.
//
// Owned by the session's Engine, on its shard. Everything here is durable before it is used: the
// keys before the first connection, the adv secret before a QR code that contains it is shown, the
// paired state before pair-device-sign is sent (dossier 1 section 5.3).
#pragma once

#include <optional>
#include <vector>

#include "session/client_payload.h"
#include "session/messaging/message_info.h"
#include "session/signal/ratchet.h"
#include "storage/base/result.h"

namespace wab::session {

struct SignedPreKey {
  uint32_t id = 0;
  signal::KeyPair keys;
  ByteArray<64> signature{};
  UnixSeconds created = 0;

  SignedPreKey clone() const { return {id, keys.clone(), signature, created}; }
};

struct DeviceIdentity {
  signal::KeyPair noise;
  signal::Identity signal;  // identity key pair and registration id
  SignedPreKey signed_prekey;
  std::vector<SignedPreKey> previous;  // newest first, at most 2
  SecretKey32 adv_secret;

  Bytes account;  // empty until paired
  OwnIdentity own;
  std::string platform;
  std::string business_name;
  bool lid_migrated = true;

  bool paired() const { return !account.empty(); }
  const SignedPreKey* signed_prekey_by_id(uint32_t id) const;
  RegistrationKeys registration() const;

  static DeviceIdentity make(Random& random, UnixSeconds now);
  Bytes to_bytes() const;
  static std::optional<DeviceIdentity> from_bytes(ByteView stored);
};

SignedPreKey make_signed_prekey(uint32_t id, const signal::KeyPair& identity, UnixSeconds now,
                                Random& random);

}  // namespace wab::session
