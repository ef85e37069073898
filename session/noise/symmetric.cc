#include "session/noise/symmetric.h"

#include <algorithm>

#include "session/signal/kdf.h"

namespace wab::noise {

ByteArray<12> counter_nonce(uint32_t counter) {
  ByteArray<12> nonce{};
  const ByteArray<4> tail = be32(counter);
  std::copy(tail.begin(), tail.end(), nonce.begin() + 8);
  return nonce;
}

SymmetricState::SymmetricState(std::string_view protocol_name) {
  if (protocol_name.size() == h_.size()) {
    const ByteView name = view(protocol_name);
    std::copy(name.begin(), name.end(), h_.begin());
  } else {
    h_ = signal::sha256(view(protocol_name));
  }
  ck_ = SecretKey32(h_);
  k_ = SecretKey32(h_);
  mix_hash(kConnectionHeader);
}

void SymmetricState::mix_hash(ByteView data) { h_ = signal::sha256_parts({h_, data}); }

void SymmetricState::mix_key(ByteView input) {
  Secret<64> both;
  signal::hkdf_sha256_into(input, ck_.reveal(), {}, both.fill());
  const ByteView out = both.reveal();
  std::copy_n(out.begin(), 32, ck_.fill().begin());
  std::copy_n(out.begin() + 32, 32, k_.fill().begin());
  n_ = 0;
}

Result<void> SymmetricState::mix_agreement(const signal::KeyPair& ours, const Key32& theirs) {
  const auto shared = signal::agree(ours.priv, theirs);
  if (!shared) return fail(NoiseError::weak_key, "agreement");
  mix_key(shared->reveal());
  return {};
}

Bytes SymmetricState::encrypt_and_hash(ByteView plain) {
  Bytes sealed = signal::aes256_gcm_seal(k_.reveal(), counter_nonce(n_++), h_, plain);
  mix_hash(sealed);
  return sealed;
}

Result<Bytes> SymmetricState::decrypt_and_hash(ByteView cipher) {
  auto plain = signal::aes256_gcm_open(k_.reveal(), counter_nonce(n_), h_, cipher);
  if (!plain) return fail(NoiseError::decrypt, "handshake ciphertext");
  ++n_;
  mix_hash(cipher);
  return std::move(*plain);
}

SymmetricState::Split SymmetricState::split() const {
  Secret<64> both;
  signal::hkdf_sha256_into({}, ck_.reveal(), {}, both.fill());
  Split out;
  const ByteView bytes = both.reveal();
  std::copy_n(bytes.begin(), 32, out.first.fill().begin());
  std::copy_n(bytes.begin() + 32, 32, out.second.fill().begin());
  return out;
}

}  // namespace wab::noise
