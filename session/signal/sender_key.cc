#include "session/signal/sender_key.h"

#include <algorithm>
#include <limits>

#include "session/signal/chain.h"
#include "session/signal/kdf.h"
#include "session/signal/messages.h"
#include "session/signal/stored.h"

namespace wab::signal {
namespace {

// Format 1, all integers big endian:
//   record  u8 format, u8 states, state * states
//   state   u8 flags, u32 chain id, u32 iteration, secret seed, key signing public,
//           [secret signing private], u16 count, (u32 iteration, secret seed) * count
constexpr uint8_t kFormat = 1;
constexpr uint8_t kOwn = 1;

void put_first(std::vector<SenderKeyState>& states, SenderKeyState state) {
  states.insert(states.begin(), std::move(state));
  if (states.size() > kMaxSenderKeyStates) states.pop_back();
}

}  // namespace

SenderKeyState SenderKeyState::clone() const {
  SenderKeyState out;
  out.chain_id = chain_id;
  out.iteration = iteration;
  out.seed = seed.clone();
  out.signing_pub = signing_pub;
  if (signing_priv) out.signing_priv = signing_priv->clone();
  out.skipped.reserve(skipped.size());
  for (const SkippedKey& key : skipped) out.skipped.push_back(key.clone());
  return out;
}

SenderKeyRecord SenderKeyRecord::clone() const {
  SenderKeyRecord out;
  for (const SenderKeyState& state : states) out.states.push_back(state.clone());
  return out;
}

Bytes SenderKeyRecord::to_bytes() const {
  size_t size = 2;
  for (const SenderKeyState& state : states) {
    size += 1 + 4 + 4 + 32 + 32 + (state.signing_priv ? 32 : 0) + stored_size(state.skipped);
  }
  Bytes out;
  out.reserve(size);
  out.push_back(kFormat);
  out.push_back(static_cast<uint8_t>(states.size()));
  for (const SenderKeyState& state : states) {
    out.push_back(state.signing_priv ? kOwn : 0);
    put_be32(out, state.chain_id);
    put_be32(out, state.iteration);
    append(out, state.seed.reveal());
    append(out, state.signing_pub);
    if (state.signing_priv) append(out, state.signing_priv->reveal());
    write_skipped(out, state.skipped);
  }
  return out;
}

Result<SenderKeyRecord> SenderKeyRecord::from_bytes(ByteView bytes) {
  StoredReader reader(bytes);
  if (reader.u8() != kFormat) return fail(SignalError::malformed_record, "sender key format");
  SenderKeyRecord record;
  const size_t count = reader.u8();
  if (count > kMaxSenderKeyStates) reader.refuse();
  for (size_t i = 0; i < count && !reader.failed(); ++i) {
    SenderKeyState state;
    const uint8_t flags = reader.u8();
    if ((flags & ~kOwn) != 0) reader.refuse();
    state.chain_id = reader.u32();
    state.iteration = reader.u32();
    state.seed = reader.secret();
    state.signing_pub = reader.key();
    if ((flags & kOwn) != 0) state.signing_priv = reader.secret();
    state.skipped = read_skipped(reader, state.iteration);
    record.states.push_back(std::move(state));
  }
  if (!reader.done()) return fail(SignalError::malformed_record, "sender key record");
  return record;
}

bool has_own_sender_key(const SenderKeyRecord& record) {
  return !record.states.empty() && record.states.front().signing_priv;
}

bool ensure_own_sender_key(SenderKeyRecord& record, Random& random) {
  if (has_own_sender_key(record)) return false;
  SenderKeyState state;
  state.chain_id = random.u32() >> 1;
  random.fill(state.seed.fill());
  KeyPair signing = KeyPair::generate(random);
  state.signing_pub = signing.pub;
  state.signing_priv = std::move(signing.priv);
  put_first(record.states, std::move(state));
  return true;
}

Result<Bytes> own_distribution(const SenderKeyRecord& record) {
  if (!has_own_sender_key(record)) return fail(SignalError::no_sender_key, "distribution");
  const SenderKeyState& state = record.states.front();
  DistributionMessage message;
  message.chain_id = state.chain_id;
  message.iteration = state.iteration;
  message.seed = state.seed.clone();
  message.signing_pub = state.signing_pub;
  return write_distribution_message(message);
}

Result<void> process_distribution(SenderKeyRecord& record, ByteView bytes) {
  TRY(DistributionMessage message, read_distribution_message(bytes));
  SenderKeyState state;
  state.chain_id = message.chain_id;
  state.iteration = message.iteration;
  state.seed = std::move(message.seed);
  state.signing_pub = message.signing_pub;

  auto& states = record.states;
  const auto same = std::find_if(states.begin(), states.end(), [&state](const auto& one) {
    return one.chain_id == state.chain_id && one.signing_pub == state.signing_pub;
  });
  if (same != states.end()) state = std::move(*same);  // its ratchet is at least as far
  std::erase_if(states, [&state](const auto& one) { return one.chain_id == state.chain_id; });
  put_first(states, std::move(state));
  return ok();
}

Result<Bytes> group_encrypt(SenderKeyRecord& record, ByteView plaintext, Random& random) {
  if (!has_own_sender_key(record)) return fail(SignalError::no_sender_key, "encrypt");
  SenderKeyState& state = record.states.front();
  if (state.iteration == std::numeric_limits<uint32_t>::max()) {
    return fail(SignalError::exhausted, "sender chain");
  }
  const GroupMessageKeys keys = group_message_keys(message_seed(state.seed));
  SenderKeyMessage message;
  message.chain_id = state.chain_id;
  message.iteration = state.iteration;
  message.ciphertext = aes256_cbc_encrypt(keys.cipher_key(), keys.iv(), plaintext);
  Bytes out = write_sender_key_message(message);
  append(out, sign(*state.signing_priv, out, random));
  state.seed = next_chain_key(state.seed);
  ++state.iteration;
  return out;
}

Result<Bytes> group_decrypt(SenderKeyRecord& record, ByteView bytes) {
  TRY(const auto read, read_sender_key_message(bytes));
  const auto state =
      std::find_if(record.states.begin(), record.states.end(),
                   [&read](const auto& one) { return one.chain_id == read.message.chain_id; });
  if (state == record.states.end()) return fail(SignalError::no_sender_key, "chain id");
  if (!verify(state->signing_pub, read.authenticated, read.signature)) {
    return fail(SignalError::bad_signature, "group message");
  }
  const auto open = [&read](const SecretKey32& seed) -> Result<Bytes> {
    const GroupMessageKeys keys = group_message_keys(seed);
    auto plaintext = aes256_cbc_decrypt(keys.cipher_key(), keys.iv(), read.message.ciphertext);
    if (!plaintext) return fail(SignalError::invalid_message, "group body");
    return std::move(*plaintext);
  };
  const uint32_t iteration = read.message.iteration;
  if (iteration < state->iteration) {
    const auto skipped = find_skipped(state->skipped, iteration);
    if (skipped == state->skipped.end()) return fail(SignalError::duplicate, "iteration");
    TRY(Bytes plaintext, open(skipped->seed));
    state->skipped.erase(skipped);
    return plaintext;
  }
  TRY(ChainWalk walk, ChainWalk::to(state->seed, state->iteration, iteration));
  TRY(Bytes plaintext, open(walk.seed()));
  std::move(walk).commit(state->seed, state->iteration, state->skipped);
  return plaintext;
}

Result<uint32_t> inspect_group_message(ByteView bytes) {
  TRY(const auto read, read_sender_key_message(bytes));
  return read.message.chain_id;
}

}  // namespace wab::signal
