// What two devices remember about their conversation, and its stored form.
//
// A SessionRecord belongs to one peer device (one row of Kind::signal_session). It is a plain
// value: the session's shard owns it, ratchet.h changes it, nothing here does IO. All key material
// is wiped with the value. Limits are those of dossier 2 section 1.8.
#pragma once

#include <optional>
#include <vector>

#include "session/signal/curve.h"

namespace wab::signal {

inline constexpr uint32_t kMaxForwardJump = 2000;
inline constexpr size_t kMaxSkippedKeys = 2000;  // per receiver chain; the oldest goes first
inline constexpr size_t kMaxReceiverChains = 5;
inline constexpr size_t kMaxArchivedStates = 40;
inline constexpr size_t kMaxSenderKeyStates = 5;

// The seed of one message's keys, kept because the message was overtaken.
struct SkippedKey {
  uint32_t counter = 0;
  SecretKey32 seed;

  SkippedKey clone() const { return SkippedKey{counter, seed.clone()}; }
};

struct ReceiverChain {
  Key32 ratchet{};  // the peer's ratchet key
  SecretKey32 key;
  uint32_t index = 0;                 // counter of the next message in order
  std::vector<SkippedKey> skipped{};  // oldest first

  ReceiverChain clone() const;
};

// Our sending half. After a new ratchet key of the peer arrived, `due` names it and only
// ratchet.priv is set (fresh and random): public key and chain are derived when we next send.
// Unsent chains cost no curve operation, and the wire shows no difference.
struct SendingChain {
  KeyPair ratchet;
  SecretKey32 key;
  uint32_t index = 0;  // counter of the next message
  std::optional<Key32> due{};

  SendingChain clone() const { return SendingChain{ratchet.clone(), key.clone(), index, due}; }
};

// Until the peer answers, every message repeats what it needs to build its side.
struct PendingPreKey {
  uint32_t signed_id = 0;
  std::optional<uint32_t> one_time_id{};
  bool operator==(const PendingPreKey&) const = default;
};

struct SessionState {
  Key32 remote_identity{};
  Key32 base_key{};  // of whoever initiated
  uint32_t remote_registration_id = 0;
  SecretKey32 root;
  SendingChain sending;
  uint32_t previous_counter = 0;
  std::vector<ReceiverChain> receivers{};  // oldest first
  std::optional<PendingPreKey> pending{};

  SessionState clone() const;
};

struct SessionRecord {
  std::optional<SessionState> current{};
  std::vector<SessionState> archived{};  // newest first

  // Canonical and versioned: equal records give equal bytes. The bytes are secret; seal them.
  Bytes to_bytes() const;
  // SignalError::malformed_record for anything that to_bytes() of this or an earlier version
  // cannot have made.
  static Result<SessionRecord> from_bytes(ByteView bytes);
  SessionRecord clone() const;

  // Puts the current state first among the archived ones, where late messages still find it; the
  // next send needs a bundle. No current state: nothing happens.
  void archive_current();
};

// Asked of the current state; nothing without one (zero for the registration id).
bool has_session(const SessionRecord& record);
uint32_t remote_registration_id(const SessionRecord& record);
std::optional<Key32> remote_identity(const SessionRecord& record);
// Stays the same until the session is rebuilt: tells whether a retry brought a new one (dossier 2
// section 8.6, rule 5c).
std::optional<Key32> current_base_key(const SessionRecord& record);
// The peer has not answered yet: the next message goes out as pkmsg.
bool is_unacknowledged(const SessionRecord& record);

}  // namespace wab::signal
