// X25519 agreement and XEdDSA signatures (dossier 2 sections 1.1 and 1.2).
//
// Public keys are the raw 32-byte u-coordinate here; the 33-byte form with its type byte 0x05
// appears only inside Signal messages and where a signed prekey is signed. Pure, any thread.
// Everything that touches a private key runs in constant time.
#pragma once

#include <optional>

#include "session/signal/error.h"
#include "storage/base/clock.h"
#include "storage/base/secret.h"

namespace wab::signal {

struct KeyPair {
  SecretKey32 priv;  // clamped
  Key32 pub{};

  KeyPair clone() const { return KeyPair{priv.clone(), pub}; }
  static KeyPair generate(Random& random);
  static KeyPair from_private(const SecretKey32& priv);
};

// SignalError::invalid_key when the result is all zeros (a point of small order).
Result<SecretKey32> agree(const SecretKey32& priv, const Key32& pub);

// Draws 64 bytes from `random`. The sign of the Edwards form of the key is in bit 7 of the last
// byte.
ByteArray<64> sign(const SecretKey32& priv, ByteView message, Random& random);
bool verify(const Key32& pub, ByteView message, ByteView signature64);

// 0x05 || key.
Bytes serialized(const Key32& pub);
ByteArray<33> serialized_array(const Key32& pub);
std::optional<Key32> parse_public(ByteView bytes33);

}  // namespace wab::signal
