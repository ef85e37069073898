#include "session/signal/chain.h"

#include <algorithm>
#include <limits>

#include "session/signal/kdf.h"

namespace wab::signal {
namespace {

constexpr ByteArray<1> kMessageStep = {0x01};
constexpr ByteArray<1> kChainStep = {0x02};

}  // namespace

SecretKey32 message_seed(const SecretKey32& chain_key) {
  return hmac_sha256_secret(chain_key.reveal(), kMessageStep);
}

SecretKey32 next_chain_key(const SecretKey32& chain_key) {
  return hmac_sha256_secret(chain_key.reveal(), kChainStep);
}

MessageKeys message_keys(const SecretKey32& seed) {
  MessageKeys out;
  hkdf_sha256_into(seed.reveal(), {}, view("WhisperMessageKeys"), out.okm.fill());
  return out;
}

GroupMessageKeys group_message_keys(const SecretKey32& seed) {
  GroupMessageKeys out;
  hkdf_sha256_into(seed.reveal(), {}, view("WhisperGroup"), out.okm.fill());
  return out;
}

RootStep root_step(const SecretKey32& root, const SecretKey32& shared) {
  Secret<64> okm;
  hkdf_sha256_into(shared.reveal(), root.reveal(), view("WhisperRatchet"), okm.fill());
  return RootStep{*SecretKey32::from(okm.reveal().first(32)),
                  *SecretKey32::from(okm.reveal().last(32))};
}

Result<ChainWalk> ChainWalk::to(const SecretKey32& key, uint32_t index, uint32_t target) {
  if (target - index > kMaxForwardJump || target == std::numeric_limits<uint32_t>::max()) {
    return fail(SignalError::too_far_ahead, "counter");
  }
  ChainWalk walk;
  walk.first_ = index;
  walk.passed_.reserve(target - index);
  SecretKey32 at = key.clone();
  for (uint32_t i = index; i < target; ++i) {
    SecretKey32 next = next_chain_key(at);
    walk.passed_.push_back(std::move(at));
    at = std::move(next);
  }
  walk.seed_ = message_seed(at);
  walk.next_ = next_chain_key(at);
  return walk;
}

void ChainWalk::commit(SecretKey32& key, uint32_t& index, std::vector<SkippedKey>& skipped) && {
  const size_t wanted = skipped.size() + passed_.size();
  const size_t evicted = wanted > kMaxSkippedKeys ? wanted - kMaxSkippedKeys : 0;
  skipped.erase(skipped.begin(),
                skipped.begin() + static_cast<std::ptrdiff_t>(std::min(evicted, skipped.size())));
  skipped.reserve(skipped.size() + passed_.size());
  for (size_t i = 0; i < passed_.size(); ++i) {
    skipped.push_back(SkippedKey{first_ + static_cast<uint32_t>(i), message_seed(passed_[i])});
  }
  index = first_ + static_cast<uint32_t>(passed_.size()) + 1;
  key = std::move(next_);
}

std::vector<SkippedKey>::const_iterator find_skipped(const std::vector<SkippedKey>& skipped,
                                                     uint32_t counter) {
  const auto at =
      std::lower_bound(skipped.begin(), skipped.end(), counter,
                       [](const SkippedKey& key, uint32_t wanted) { return key.counter < wanted; });
  return at != skipped.end() && at->counter == counter ? at : skipped.end();
}

}  // namespace wab::signal
