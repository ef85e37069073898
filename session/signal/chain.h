// The key derivations of both ratchets (dossier 2 sections 1.4 and 2.1), and walking a chain
// forward without changing it. Inner header of session/signal. Pure, any thread.
#pragma once

#include <vector>

#include "session/signal/state.h"

namespace wab::signal {

SecretKey32 message_seed(const SecretKey32& chain_key);
SecretKey32 next_chain_key(const SecretKey32& chain_key);

struct MessageKeys {
  Secret<80> okm;
  ByteView cipher_key() const { return okm.reveal().subspan(0, 32); }
  ByteView mac_key() const { return okm.reveal().subspan(32, 32); }
  ByteView iv() const { return okm.reveal().subspan(64, 16); }
};
MessageKeys message_keys(const SecretKey32& seed);

struct GroupMessageKeys {
  Secret<48> okm;
  ByteView iv() const { return okm.reveal().subspan(0, 16); }
  ByteView cipher_key() const { return okm.reveal().subspan(16, 32); }
};
GroupMessageKeys group_message_keys(const SecretKey32& seed);

struct RootStep {
  SecretKey32 root;
  SecretKey32 chain;
};
// `shared` is the agreement of one side's ratchet key with the other's.
RootStep root_step(const SecretKey32& root, const SecretKey32& shared);

// A chain moved forward to one message. Nothing of the chain itself changes until commit(), so a
// message that proves false leaves no trace.
class ChainWalk {
 public:
  // From `key` at `index` to the message `target` >= index. SignalError::too_far_ahead beyond
  // kMaxForwardJump.
  static Result<ChainWalk> to(const SecretKey32& key, uint32_t index, uint32_t target);

  const SecretKey32& seed() const { return seed_; }
  // Stores the chain past the target and the seeds of all messages jumped over.
  void commit(SecretKey32& key, uint32_t& index, std::vector<SkippedKey>& skipped) &&;

 private:
  ChainWalk() = default;
  uint32_t first_ = 0;
  std::vector<SecretKey32> passed_;  // chain keys; their seeds are made only on commit
  SecretKey32 seed_;
  SecretKey32 next_;
};

// Skipped seeds are ordered by counter. Returns the place of `counter`, or end().
std::vector<SkippedKey>::const_iterator find_skipped(const std::vector<SkippedKey>& skipped,
                                                     uint32_t counter);

}  // namespace wab::signal
