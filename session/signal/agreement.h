// X3DH: a first shared secret from a prekey bundle (dossier 2 section 1.3). Pure, any thread.
#pragma once

#include <optional>
#include <utility>

#include "session/signal/curve.h"

namespace wab::signal {

// What the server hands out about one device of a peer.
struct PreKeyBundle {
  uint32_t registration_id = 0;
  Key32 identity{};
  uint32_t signed_id = 0;
  Key32 signed_pub{};
  ByteArray<64> signature{};                             // of serialized(signed_pub) by identity
  std::optional<std::pair<uint32_t, Key32>> one_time{};  // absent when the server's pool is empty
};

// The signature of the signed prekey holds. start_outgoing() refuses other bundles by itself.
bool bundle_is_authentic(const PreKeyBundle& bundle);

struct AgreedKeys {
  SecretKey32 root;
  SecretKey32 chain;
};

// Root and chain from the three or four agreements in their order, dh4 may be null.
AgreedKeys derive_agreed(const SecretKey32& dh1, const SecretKey32& dh2, const SecretKey32& dh3,
                         const SecretKey32* dh4);

// Who sends the first message.
Result<AgreedKeys> agree_as_initiator(const KeyPair& identity, const KeyPair& base,
                                      const PreKeyBundle& bundle);
// Who published the prekeys; `one_time` is null when the message names none.
Result<AgreedKeys> agree_as_responder(const KeyPair& identity, const KeyPair& signed_prekey,
                                      const KeyPair* one_time, const Key32& their_identity,
                                      const Key32& their_base);

}  // namespace wab::signal
