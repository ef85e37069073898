// The wire bytes of the four Signal messages (dossier 2 sections 1.5, 1.6, 2.2 and 2.3).
//
// Parsers take strangers' bytes: every field is checked, unknown fields are skipped, nothing is
// trusted before the ratchet has verified it. Writers are canonical: ascending fields, counters
// present even when 0. Pure, any thread.
#pragma once

#include <optional>

#include "session/signal/curve.h"

namespace wab::signal {

inline constexpr uint8_t kVersionByte = 0x33;  // message version 3, current version 3
inline constexpr size_t kMacSize = 8;
inline constexpr size_t kSignatureSize = 64;

struct SignalMessage {
  Key32 ratchet{};
  uint32_t counter = 0;
  uint32_t previous_counter = 0;  // receivers ignore it
  Bytes ciphertext{};
};
// Version byte and protobuf, without the MAC that follows.
Bytes write_signal_message(const SignalMessage& message);
// The whole message; the MAC covers `authenticated`, a view into `bytes`.
struct ReadSignalMessage {
  SignalMessage message;
  ByteView authenticated;
  ByteView mac;
};
Result<ReadSignalMessage> read_signal_message(ByteView bytes);

struct PreKeySignalMessage {
  std::optional<uint32_t> one_time_id{};
  Key32 base_key{};
  Key32 identity{};
  Bytes message{};  // a whole SignalMessage with its MAC
  uint32_t registration_id = 0;
  uint32_t signed_id = 0;
};
Bytes write_prekey_message(const PreKeySignalMessage& message);
Result<PreKeySignalMessage> read_prekey_message(ByteView bytes);

struct SenderKeyMessage {
  uint32_t chain_id = 0;
  uint32_t iteration = 0;
  Bytes ciphertext{};
};
// Version byte and protobuf, without the signature that follows.
Bytes write_sender_key_message(const SenderKeyMessage& message);
struct ReadSenderKeyMessage {
  SenderKeyMessage message;
  ByteView authenticated;
  ByteView signature;
};
Result<ReadSenderKeyMessage> read_sender_key_message(ByteView bytes);

struct DistributionMessage {
  uint32_t chain_id = 0;
  uint32_t iteration = 0;
  SecretKey32 seed;
  Key32 signing_pub{};
};
Bytes write_distribution_message(const DistributionMessage& message);
Result<DistributionMessage> read_distribution_message(ByteView bytes);

}  // namespace wab::signal
