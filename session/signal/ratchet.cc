#include "session/signal/ratchet.h"

#include <algorithm>
#include <limits>

#include "session/signal/chain.h"
#include "session/signal/kdf.h"
#include "session/signal/messages.h"

namespace wab::signal {
namespace {

ByteArray<kMacSize> mac_of(ByteView mac_key, const Key32& sender, const Key32& receiver,
                           ByteView authenticated) {
  const auto full = hmac_sha256_parts(
      mac_key, {serialized_array(sender), serialized_array(receiver), authenticated});
  ByteArray<kMacSize> out;
  std::copy_n(full.begin(), kMacSize, out.begin());
  return out;
}

Result<Bytes> open_body(const SecretKey32& seed, const SessionState& state, const Identity& mine,
                        const ReadSignalMessage& read) {
  const MessageKeys keys = message_keys(seed);
  const auto mac =
      mac_of(keys.mac_key(), state.remote_identity, mine.identity.pub, read.authenticated);
  if (!equal_constant_time(mac, read.mac)) return fail(SignalError::bad_mac, "message");
  auto plaintext = aes256_cbc_decrypt(keys.cipher_key(), keys.iv(), read.message.ciphertext);
  if (!plaintext) return fail(SignalError::invalid_message, "body");
  return std::move(*plaintext);
}

Result<Bytes> decrypt_on_known_chain(SessionState& state, ReceiverChain& chain,
                                     const Identity& mine, const ReadSignalMessage& read) {
  const uint32_t counter = read.message.counter;
  if (counter < chain.index) {
    const auto skipped = find_skipped(chain.skipped, counter);
    if (skipped == chain.skipped.end()) return fail(SignalError::duplicate, "counter");
    TRY(Bytes plaintext, open_body(skipped->seed, state, mine, read));
    chain.skipped.erase(skipped);
    return plaintext;
  }
  TRY(ChainWalk walk, ChainWalk::to(chain.key, chain.index, counter));
  TRY(Bytes plaintext, open_body(walk.seed(), state, mine, read));
  std::move(walk).commit(chain.key, chain.index, chain.skipped);
  return plaintext;
}

Result<Bytes> decrypt_on_new_chain(SessionState& state, const Identity& mine,
                                   const ReadSignalMessage& read, Random& random) {
  // The peer turns its ratchet only in answer to a key of ours that it has seen. While ours is not
  // even derived, an unknown key cannot belong to this state.
  if (state.sending.due) return fail(SignalError::bad_mac, "unknown ratchet key");
  ReceiverChain chain;
  chain.ratchet = read.message.ratchet;
  TRY(const auto shared, agree(state.sending.ratchet.priv, chain.ratchet));
  RootStep step = root_step(state.root, shared);
  TRY(ChainWalk walk, ChainWalk::to(step.chain, 0, read.message.counter));
  TRY(Bytes plaintext, open_body(walk.seed(), state, mine, read));

  std::move(walk).commit(chain.key, chain.index, chain.skipped);
  state.receivers.push_back(std::move(chain));
  if (state.receivers.size() > kMaxReceiverChains) state.receivers.erase(state.receivers.begin());
  state.root = std::move(step.root);
  state.previous_counter = std::max<uint32_t>(state.sending.index, 1) - 1;
  SendingChain next;
  random.fill(next.ratchet.priv.fill());
  next.due = read.message.ratchet;
  state.sending = std::move(next);
  return plaintext;
}

// Changes `state` only when the message proves genuine.
Result<Bytes> decrypt_on_state(SessionState& state, const Identity& mine,
                               const ReadSignalMessage& read, Random& random) {
  const auto chain = std::find_if(
      state.receivers.begin(), state.receivers.end(),
      [&read](const ReceiverChain& one) { return one.ratchet == read.message.ratchet; });
  Result<Bytes> plaintext = chain == state.receivers.end()
                                ? decrypt_on_new_chain(state, mine, read, random)
                                : decrypt_on_known_chain(state, *chain, mine, read);
  if (plaintext) state.pending.reset();  // the peer has our side of the agreement
  return plaintext;
}

void promote(SessionRecord& record, size_t archived_at) {
  const auto at = record.archived.begin() + static_cast<std::ptrdiff_t>(archived_at);
  SessionState state = std::move(*at);
  record.archived.erase(at);
  record.archive_current();
  record.current = std::move(state);
}

void start_state(SessionRecord& record, SessionState state) {
  record.archive_current();
  record.current = std::move(state);
}

// Which of two failures says more about a message (dossier 2 section 1.7).
int weight(const Error& error) {
  if (error.is(SignalError::duplicate)) return 3;
  if (error.is(SignalError::bad_mac)) return 2;
  if (error.is(SignalError::too_far_ahead)) return 1;
  return 0;
}

// Performs the half step that receiving left for later.
Result<void> derive_sending_chain(SessionState& state) {
  SendingChain next;
  next.ratchet = KeyPair::from_private(state.sending.ratchet.priv);
  TRY(const auto shared, agree(next.ratchet.priv, *state.sending.due));
  RootStep step = root_step(state.root, shared);
  next.key = std::move(step.chain);
  state.root = std::move(step.root);
  state.sending = std::move(next);
  return ok();
}

SessionState state_of_responder(const PreKeySignalMessage& message, const KeyPair& signed_prekey,
                                AgreedKeys agreed) {
  SessionState state;
  state.remote_identity = message.identity;
  state.base_key = message.base_key;
  state.remote_registration_id = message.registration_id;
  state.root = std::move(agreed.root);
  state.sending.ratchet = signed_prekey.clone();
  state.sending.key = std::move(agreed.chain);
  return state;
}

}  // namespace

Result<void> start_outgoing(SessionRecord& record, const Identity& mine, const PreKeyBundle& bundle,
                            Random& random) {
  if (!bundle_is_authentic(bundle)) return fail(SignalError::bad_signature, "signed prekey");
  const KeyPair base = KeyPair::generate(random);
  TRY(AgreedKeys agreed, agree_as_initiator(mine.identity, base, bundle));

  SessionState state;
  state.remote_identity = bundle.identity;
  state.base_key = base.pub;
  state.remote_registration_id = bundle.registration_id;
  state.root = std::move(agreed.root);
  ReceiverChain chain;
  chain.ratchet = bundle.signed_pub;
  chain.key = std::move(agreed.chain);
  state.receivers.push_back(std::move(chain));
  random.fill(state.sending.ratchet.priv.fill());
  state.sending.due = bundle.signed_pub;
  state.pending.emplace();
  state.pending->signed_id = bundle.signed_id;
  if (bundle.one_time) state.pending->one_time_id = bundle.one_time->first;
  start_state(record, std::move(state));
  return ok();
}

Result<Encrypted> encrypt(SessionRecord& record, const Identity& mine, ByteView plaintext) {
  if (!record.current) return fail(SignalError::no_session, "encrypt");
  SessionState& state = *record.current;
  if (state.sending.index == std::numeric_limits<uint32_t>::max()) {
    return fail(SignalError::exhausted, "sending chain");
  }
  if (state.sending.due) TRY_VOID(derive_sending_chain(state));

  const MessageKeys keys = message_keys(message_seed(state.sending.key));
  SignalMessage message;
  message.ratchet = state.sending.ratchet.pub;
  message.counter = state.sending.index;
  message.previous_counter = state.previous_counter;
  message.ciphertext = aes256_cbc_encrypt(keys.cipher_key(), keys.iv(), plaintext);
  Encrypted out;
  out.bytes = write_signal_message(message);
  append(out.bytes, mac_of(keys.mac_key(), mine.identity.pub, state.remote_identity, out.bytes));

  if (state.pending) {
    PreKeySignalMessage wrapped;
    wrapped.one_time_id = state.pending->one_time_id;
    wrapped.base_key = state.base_key;
    wrapped.identity = mine.identity.pub;
    wrapped.message = std::move(out.bytes);
    wrapped.registration_id = mine.registration_id;
    wrapped.signed_id = state.pending->signed_id;
    out.prekey = true;
    out.bytes = write_prekey_message(wrapped);
  }
  state.sending.key = next_chain_key(state.sending.key);
  ++state.sending.index;
  return out;
}

Result<PreKeyNeeds> inspect_prekey_message(ByteView bytes) {
  TRY(const auto message, read_prekey_message(bytes));
  PreKeyNeeds out;
  out.signed_id = message.signed_id;
  out.one_time_id = message.one_time_id;
  out.identity = message.identity;
  out.base_key = message.base_key;
  out.registration_id = message.registration_id;
  return out;
}

Result<Bytes> decrypt_message(SessionRecord& record, const Identity& mine, ByteView bytes,
                              Random& random) {
  TRY(const auto read, read_signal_message(bytes));
  if (!record.current && record.archived.empty()) {
    return fail(SignalError::no_session, "decrypt");
  }
  Error strongest(SignalError::invalid_message, "no state");
  if (record.current) {
    Result<Bytes> plaintext = decrypt_on_state(*record.current, mine, read, random);
    if (plaintext) return plaintext;
    strongest = plaintext.error();
  }
  for (size_t i = 0; i < record.archived.size(); ++i) {
    Result<Bytes> plaintext = decrypt_on_state(record.archived[i], mine, read, random);
    if (plaintext) {
      promote(record, i);
      return plaintext;
    }
    if (weight(plaintext.error()) > weight(strongest)) strongest = plaintext.error();
  }
  return fail(strongest);
}

Result<PreKeyDecrypted> decrypt_prekey_message(SessionRecord& record, const Identity& mine,
                                               ByteView bytes, const KeyPair* signed_prekey,
                                               const KeyPair* one_time, Random& random) {
  TRY(const auto message, read_prekey_message(bytes));
  TRY(const auto read, read_signal_message(message.message));
  PreKeyDecrypted out;

  const auto same_base = [&message](const SessionState& state) {
    return state.base_key == message.base_key;
  };
  if (record.current && same_base(*record.current)) {
    TRY(out.plaintext, decrypt_on_state(*record.current, mine, read, random));
    out.remote_identity = record.current->remote_identity;
    return out;
  }
  const auto found = std::find_if(record.archived.begin(), record.archived.end(), same_base);
  if (found != record.archived.end()) {
    TRY(out.plaintext, decrypt_on_state(*found, mine, read, random));
    promote(record, static_cast<size_t>(found - record.archived.begin()));
    out.remote_identity = record.current->remote_identity;
    return out;
  }

  if (signed_prekey == nullptr) return fail(SignalError::invalid_key_id, "signed prekey");
  if (message.one_time_id && one_time == nullptr) {
    return fail(SignalError::invalid_key_id, "one-time prekey");
  }
  TRY(AgreedKeys agreed,
      agree_as_responder(mine.identity, *signed_prekey, message.one_time_id ? one_time : nullptr,
                         message.identity, message.base_key));
  SessionState state = state_of_responder(message, *signed_prekey, std::move(agreed));
  TRY(out.plaintext, decrypt_on_state(state, mine, read, random));
  start_state(record, std::move(state));
  out.new_session = true;
  out.used_one_time = message.one_time_id;
  out.remote_identity = message.identity;
  return out;
}

}  // namespace wab::signal
