// Sender keys: one ratchet per sender and group, handed to each member pairwise (dossier 2 section
// 2). Pure, any thread; a record is used by one thread at a time and belongs to one row of
// Kind::sender_key.
//
// Every function changes the record only when it succeeds. Make it durable before the bytes leave
// or the message is acknowledged.
#pragma once

#include <optional>
#include <vector>

#include "session/signal/state.h"

namespace wab::signal {

struct SenderKeyState {
  uint32_t chain_id = 0;  // 31 random bits
  uint32_t iteration = 0;
  SecretKey32 seed;
  Key32 signing_pub{};
  std::optional<SecretKey32> signing_priv{};  // only in our own record
  std::vector<SkippedKey> skipped{};          // oldest first

  SenderKeyState clone() const;
};

struct SenderKeyRecord {
  std::vector<SenderKeyState> states{};  // newest first, at most 5

  bool empty() const { return states.empty(); }
  // As SessionRecord: canonical, versioned, secret.
  Bytes to_bytes() const;
  static Result<SenderKeyRecord> from_bytes(ByteView bytes);
  SenderKeyRecord clone() const;
};

// True when `record` can send.
bool has_own_sender_key(const SenderKeyRecord& record);
// Makes an own key if there is none. Returns whether it made one: then every member needs the
// distribution again. To rotate, start from an empty record.
bool ensure_own_sender_key(SenderKeyRecord& record, Random& random);
// The SenderKeyDistributionMessage of the own key where it stands now. Take it before
// group_encrypt() of the same stanza, so that receivers start at the right iteration. Error:
// no_sender_key.
Result<Bytes> own_distribution(const SenderKeyRecord& record);

// A peer's distribution message. A known (chain id, signing key) keeps its ratchet and moves to the
// front; the same chain id under another signing key is replaced.
Result<void> process_distribution(SenderKeyRecord& record, ByteView bytes);

// "skmsg" from padded plaintext. Errors: no_sender_key, exhausted.
Result<Bytes> group_encrypt(SenderKeyRecord& record, ByteView plaintext, Random& random);
// Padded plaintext. Errors: no_sender_key, bad_signature, duplicate, too_far_ahead,
// invalid_message, version.
Result<Bytes> group_decrypt(SenderKeyRecord& record, ByteView bytes);

// The chain id a "skmsg" was made with, for logs and repair. Not authenticated.
Result<uint32_t> inspect_group_message(ByteView bytes);

}  // namespace wab::signal
