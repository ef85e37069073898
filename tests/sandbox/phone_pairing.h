// How a phone lets a companion in: the account-signed device identity and the phone's half of the
// pairing code (dossier 1 sections 6.4, 6.6 and 7).
//
// Pure. Whatever takes a code stretches it, which takes 50 to 100 ms. Written from the dossier
// alone: nothing is shared with the product's own pairing, so that the two can disagree. Public
// keys are raw 32 bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "session/signal/curve.h"

namespace wab::sandbox {

// What an account signs about one companion.
struct CompanionGrant {
  uint32_t raw_id = 0;  // the same for all companions of an account
  UnixSeconds timestamp = 0;
  uint32_t key_index = 0;
};

// ADVSignedDeviceIdentityHMAC for pair-success; `adv_secret` is the one in the scanned QR code or
// the one that a pairing code agreed on.
Bytes sign_companion(const signal::KeyPair& account, const CompanionGrant& grant,
                     const Key32& companion_identity, ByteView adv_secret, Random& random);

// "ABCD-1234" to the eight characters that are stretched; nothing for another shape.
std::optional<std::string> normal_code(std::string_view text);
SecretKey32 stretch_pairing_code(std::string_view code, ByteView salt32);
// salt | iv | AES-256-CTR of a public key: 80 bytes.
Bytes wrap_ephemeral(std::string_view code, ByteView salt32, ByteView iv16, const Key32& pub);
// Not authenticated: a wrong code gives another key. Nothing unless 80 bytes.
std::optional<Key32> unwrap_ephemeral(std::string_view code, ByteView wrapped80);

// The phone's state between primary_hello and companion_finish.
struct EnteredCode {
  signal::KeyPair ephemeral;
  Key32 companion_ephemeral{};
  Bytes wrapped;  // goes out in primary_hello
};
// Nothing for a companion_hello of a wrong size.
std::optional<EnteredCode> enter_pairing_code(std::string_view code, ByteView wrapped_companion80,
                                              Random& random);
// Opens the 156 bytes of companion_finish and returns the new adv secret. Nothing when the bundle
// does not open (the code was wrong) or names other identities.
std::optional<SecretKey32> open_key_bundle(const EnteredCode& entered,
                                           const signal::KeyPair& account, ByteView bundle156,
                                           const Key32& companion_identity);

}  // namespace wab::sandbox
