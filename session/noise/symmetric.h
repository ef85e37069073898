// Noise's symmetric state with WhatsApp's parameters: AES-256-GCM, SHA-256 (dossier 1 section 2.1).
//
// One per handshake, on the stack of the machine that runs it; nothing here outlives the split.
#pragma once

#include <string_view>

#include "session/noise/error.h"
#include "session/signal/curve.h"

namespace wab::noise {

inline constexpr ByteArray<4> kConnectionHeader = {0x57, 0x41, 0x06, 0x03};  // "WA", 6, 3

inline constexpr std::string_view kXx{"Noise_XX_25519_AESGCM_SHA256\0\0\0\0", 32};
inline constexpr std::string_view kIk{"Noise_IK_25519_AESGCM_SHA256\0\0\0\0", 32};
inline constexpr std::string_view kXxFallback{"Noise_XXfallback_25519_AESGCM_SHA256"};

// Keys of the transport phase, as seen by their holder.
struct TransportKeys {
  SecretKey32 write;
  SecretKey32 read;
};

// Eight zero bytes, then the counter: the nonce of handshake and transport alike.
ByteArray<12> counter_nonce(uint32_t counter);

class SymmetricState {
 public:
  // Initialises with the protocol name and mixes the connection header in as prologue.
  explicit SymmetricState(std::string_view protocol_name);

  void mix_hash(ByteView data);
  void mix_key(ByteView input);
  // MixKey(DH(ours, theirs)); weak_key when the result is all zeros.
  Result<void> mix_agreement(const signal::KeyPair& ours, const Key32& theirs);
  Bytes encrypt_and_hash(ByteView plain);
  // The hash advances only on success.
  Result<Bytes> decrypt_and_hash(ByteView cipher);

  // First half and second half of the split: the initiator writes with `first`.
  struct Split {
    SecretKey32 first;
    SecretKey32 second;
  };
  Split split() const;

  ByteView hash() const { return h_; }

 private:
  ByteArray<32> h_{};
  SecretKey32 ck_;
  SecretKey32 k_;
  uint32_t n_ = 0;
};

}  // namespace wab::noise
