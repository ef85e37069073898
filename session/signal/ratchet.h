// The double ratchet: bytes and a record in, bytes and a changed record out (dossier 2 sections 1.3
// to 1.9). Pure, any thread; a record is used by one thread at a time.
//
// Every function changes the record only when it succeeds. Whoever calls must make the changed
// record durable before the bytes leave (encrypt) or before the message is acknowledged (decrypt),
// and must delete a used one-time prekey in the same commit as the record, never earlier.
//
// Trust: every identity key is accepted, on first use and on change; comparing
// PreKeyDecrypted::remote_identity with the stored one and telling people is the caller's part.
#pragma once

#include "session/signal/agreement.h"
#include "session/signal/state.h"

namespace wab::signal {

// Our own long-lived keys.
struct Identity {
  KeyPair identity;
  uint32_t registration_id = 0;

  Identity clone() const { return Identity{identity.clone(), registration_id}; }
};
using LocalKeys = Identity;

// Builds a state from a bundle, makes it current and archives the one before.
// Errors: bad_signature, invalid_key.
Result<void> start_outgoing(SessionRecord& record, const Identity& mine, const PreKeyBundle& bundle,
                            Random& random);

struct Encrypted {
  bool prekey = false;  // enc type "pkmsg", otherwise "msg"
  Bytes bytes;
};
// `plaintext` is padded already (padding.h). Errors: no_session, exhausted.
Result<Encrypted> encrypt(SessionRecord& record, const Identity& mine, ByteView plaintext);

// What to load from the store before decrypt_prekey_message().
struct PreKeyNeeds {
  uint32_t signed_id = 0;
  std::optional<uint32_t> one_time_id{};
  Key32 identity{};
  Key32 base_key{};
  uint32_t registration_id = 0;  // 0 when the peer left it out
};
Result<PreKeyNeeds> inspect_prekey_message(ByteView bytes);

// A "msg". Tries the current state, then the archived ones; one of these that succeeds becomes
// current. The plaintext is still padded. Errors, the strongest of all states: duplicate, bad_mac,
// too_far_ahead, invalid_message; no_session for a record without states; version.
Result<Bytes> decrypt_message(SessionRecord& record, const Identity& mine, ByteView bytes,
                              Random& random);

struct PreKeyDecrypted {
  Bytes plaintext;
  bool new_session = false;                 // a state was built, not merely found again
  std::optional<uint32_t> used_one_time{};  // erase this prekey together with storing the record
  Key32 remote_identity{};
};
// A "pkmsg". A state with the same base key is used again, whether or not the prekeys still exist;
// otherwise a null prekey that the message names is invalid_key_id.
Result<PreKeyDecrypted> decrypt_prekey_message(SessionRecord& record, const Identity& mine,
                                               ByteView bytes, const KeyPair* signed_prekey,
                                               const KeyPair* one_time, Random& random);

}  // namespace wab::signal
