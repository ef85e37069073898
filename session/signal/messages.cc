#include "session/signal/messages.h"

#include <string>

#include "session/proto/signal.pb.h"

namespace wab::signal {
namespace {

// Far above a frame of the connection (16 MiB), far below what protobuf counts in int.
constexpr size_t kMaxMessage = size_t{64} << 20;

template <class Proto>
Bytes with_version(const Proto& proto) {
  Bytes out(1 + proto.ByteSizeLong());
  out[0] = kVersionByte;
  proto.SerializeWithCachedSizesToArray(out.data() + 1);
  return out;
}

// `bytes` start with the version byte; `tail` bytes at the end are no part of the protobuf.
template <class Proto>
Result<void> parse(Proto& proto, ByteView bytes, size_t tail) {
  if (bytes.size() < 1 + tail) return fail(SignalError::invalid_message, "too short");
  if (bytes.size() > kMaxMessage) return fail(SignalError::invalid_message, "too long");
  if (bytes[0] >> 4 != 3) return fail(SignalError::version, "message version");
  const ByteView body = bytes.subspan(1, bytes.size() - 1 - tail);
  if (!proto.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return fail(SignalError::invalid_message, "protobuf");
  }
  return ok();
}

void set(std::string* field, ByteView value) { field->assign(text(value)); }
Bytes get(const std::string& field) { return to_bytes(std::string_view(field)); }

Result<Key32> key_of(bool present, const std::string& field, const char* where) {
  if (!present) return fail(SignalError::invalid_message, where);
  const auto key = parse_public(view(field));
  if (!key) return fail(SignalError::invalid_key, where);
  return *key;
}

}  // namespace

Bytes write_signal_message(const SignalMessage& message) {
  pb::SignalMessageWire wire;
  set(wire.mutable_ratchet_key(), serialized_array(message.ratchet));
  wire.set_counter(message.counter);
  wire.set_previous_counter(message.previous_counter);
  set(wire.mutable_ciphertext(), message.ciphertext);
  return with_version(wire);
}

Result<ReadSignalMessage> read_signal_message(ByteView bytes) {
  pb::SignalMessageWire wire;
  TRY_VOID(parse(wire, bytes, kMacSize));
  ReadSignalMessage out;
  TRY(out.message.ratchet, key_of(wire.has_ratchet_key(), wire.ratchet_key(), "ratchetKey"));
  if (!wire.has_counter()) return fail(SignalError::invalid_message, "counter");
  if (!wire.has_ciphertext()) return fail(SignalError::invalid_message, "ciphertext");
  out.message.counter = wire.counter();
  out.message.previous_counter = wire.previous_counter();
  out.message.ciphertext = get(wire.ciphertext());
  out.authenticated = bytes.first(bytes.size() - kMacSize);
  out.mac = bytes.last(kMacSize);
  return out;
}

Bytes write_prekey_message(const PreKeySignalMessage& message) {
  pb::PreKeySignalMessageWire wire;
  if (message.one_time_id) wire.set_pre_key_id(*message.one_time_id);
  set(wire.mutable_base_key(), serialized_array(message.base_key));
  set(wire.mutable_identity_key(), serialized_array(message.identity));
  set(wire.mutable_message(), message.message);
  wire.set_registration_id(message.registration_id);
  wire.set_signed_pre_key_id(message.signed_id);
  return with_version(wire);
}

Result<PreKeySignalMessage> read_prekey_message(ByteView bytes) {
  pb::PreKeySignalMessageWire wire;
  TRY_VOID(parse(wire, bytes, 0));
  PreKeySignalMessage out;
  TRY(out.base_key, key_of(wire.has_base_key(), wire.base_key(), "baseKey"));
  TRY(out.identity, key_of(wire.has_identity_key(), wire.identity_key(), "identityKey"));
  if (!wire.has_message()) return fail(SignalError::invalid_message, "message");
  if (!wire.has_signed_pre_key_id()) return fail(SignalError::invalid_message, "signedPreKeyId");
  if (wire.has_pre_key_id()) out.one_time_id = wire.pre_key_id();
  out.message = get(wire.message());
  out.registration_id = wire.registration_id();
  out.signed_id = wire.signed_pre_key_id();
  return out;
}

Bytes write_sender_key_message(const SenderKeyMessage& message) {
  pb::SenderKeyMessageWire wire;
  wire.set_id(message.chain_id);
  wire.set_iteration(message.iteration);
  set(wire.mutable_ciphertext(), message.ciphertext);
  return with_version(wire);
}

Result<ReadSenderKeyMessage> read_sender_key_message(ByteView bytes) {
  pb::SenderKeyMessageWire wire;
  TRY_VOID(parse(wire, bytes, kSignatureSize));
  if (!wire.has_id() || !wire.has_iteration() || !wire.has_ciphertext()) {
    return fail(SignalError::invalid_message, "group message field");
  }
  ReadSenderKeyMessage out;
  out.message.chain_id = wire.id();
  out.message.iteration = wire.iteration();
  out.message.ciphertext = get(wire.ciphertext());
  out.authenticated = bytes.first(bytes.size() - kSignatureSize);
  out.signature = bytes.last(kSignatureSize);
  return out;
}

Bytes write_distribution_message(const DistributionMessage& message) {
  pb::SenderKeyDistributionMessageWire wire;
  wire.set_id(message.chain_id);
  wire.set_iteration(message.iteration);
  set(wire.mutable_chain_key(), message.seed.reveal());
  set(wire.mutable_signing_key(), serialized_array(message.signing_pub));
  Bytes out = with_version(wire);
  std::string& secret = *wire.mutable_chain_key();
  wipe({reinterpret_cast<uint8_t*>(secret.data()), secret.size()});
  return out;
}

Result<DistributionMessage> read_distribution_message(ByteView bytes) {
  pb::SenderKeyDistributionMessageWire wire;
  TRY_VOID(parse(wire, bytes, 0));
  DistributionMessage out;
  if (!wire.has_id() || !wire.has_iteration()) {
    return fail(SignalError::invalid_message, "distribution field");
  }
  out.chain_id = wire.id();
  out.iteration = wire.iteration();
  auto seed = SecretKey32::from(view(wire.chain_key()));
  if (wire.has_chain_key()) {
    std::string& secret = *wire.mutable_chain_key();
    wipe({reinterpret_cast<uint8_t*>(secret.data()), secret.size()});
  }
  if (!seed) return fail(SignalError::invalid_message, "chainKey");
  out.seed = std::move(*seed);
  // Some clients once kept, and hand on, signing keys without their type byte (section 1.1).
  if (const auto raw = to_array<32>(view(wire.signing_key()))) {
    out.signing_pub = *raw;
  } else {
    TRY(out.signing_pub, key_of(wire.has_signing_key(), wire.signing_key(), "signingKey"));
  }
  return out;
}

}  // namespace wab::signal
