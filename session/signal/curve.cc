#include "session/signal/curve.h"

#include <openssl/bn.h>
#include <sodium.h>

#include <algorithm>
#include <memory>

namespace wab::signal {
namespace {

constexpr uint8_t kDjbType = 0x05;

// Chooses libsodium's code for this processor; without it X25519 takes half as long again.
void ready() {
  static const int done = sodium_init();
  static_cast<void>(done);
}

void clamp(MutableBytes scalar) {
  scalar[0] &= 248;
  scalar[31] &= 127;
  scalar[31] |= 64;
}

using Scalar = Secret<32>;

// `wide` mod L, little endian.
Scalar reduce(MutableBytes wide64) {
  Scalar out;
  crypto_core_ed25519_scalar_reduce(out.fill().data(), wide64.data());
  return out;
}

struct Sha512 {
  crypto_hash_sha512_state state;
  Sha512() { crypto_hash_sha512_init(&state); }
  ~Sha512() { sodium_memzero(&state, sizeof state); }
  Sha512(const Sha512&) = delete;
  Sha512& operator=(const Sha512&) = delete;
  Sha512& add(ByteView data) {
    crypto_hash_sha512_update(&state, data.data(), data.size());
    return *this;
  }
  Scalar reduced() {
    Secret<64> digest;
    crypto_hash_sha512_final(&state, digest.fill().data());
    return reduce(digest.fill());
  }
};

struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_free(number); }
};
struct FreeContext {
  void operator()(BN_CTX* context) const { BN_CTX_free(context); }
};
using Number = std::unique_ptr<BIGNUM, FreeNumber>;

// The field prime 2^255 - 19.
const BIGNUM* field_prime() {
  static const BIGNUM* const prime = [] {
    BIGNUM* p = BN_new();
    BN_set_bit(p, 255);
    BN_sub_word(p, 19);
    return p;
  }();
  return prime;
}

// Encoding of the Edwards point with y = (u - 1) / (u + 1) and the given sign of x. Public data,
// so its timing tells nothing. Whether y is on the curve is for the caller's verification to find.
std::optional<Key32> edwards_from_montgomery(const Key32& pub, uint8_t sign_bit) {
  thread_local const std::unique_ptr<BN_CTX, FreeContext> context(BN_CTX_new());
  Key32 little = pub;
  little[31] &= 0x7f;  // X25519 ignores this bit
  const Number u(BN_lebin2bn(little.data(), 32, nullptr));
  const Number numerator(BN_dup(u.get()));
  const Number inverse(BN_new());
  const BIGNUM* p = field_prime();
  if (!context || !u || !numerator || !inverse) return std::nullopt;
  if (BN_nnmod(u.get(), u.get(), p, context.get()) != 1) return std::nullopt;
  if (BN_mod_sub(numerator.get(), u.get(), BN_value_one(), p, context.get()) != 1 ||
      BN_add_word(u.get(), 1) != 1) {
    return std::nullopt;
  }
  // u = -1 has no inverse and no Edwards point.
  if (BN_cmp(u.get(), p) == 0) return std::nullopt;
  if (BN_mod_inverse(inverse.get(), u.get(), p, context.get()) == nullptr ||
      BN_mod_mul(u.get(), numerator.get(), inverse.get(), p, context.get()) != 1) {
    return std::nullopt;
  }
  Key32 out;
  if (BN_bn2lebinpad(u.get(), out.data(), 32) != 32) return std::nullopt;
  out[31] |= sign_bit;
  return out;
}

}  // namespace

KeyPair KeyPair::from_private(const SecretKey32& priv) {
  ready();
  KeyPair out;
  out.priv = priv.clone();
  clamp(out.priv.fill());
  crypto_scalarmult_curve25519_base(out.pub.data(), out.priv.reveal().data());
  return out;
}

KeyPair KeyPair::generate(Random& random) {
  SecretKey32 priv;
  random.fill(priv.fill());
  return from_private(priv);
}

Result<SecretKey32> agree(const SecretKey32& priv, const Key32& pub) {
  ready();
  SecretKey32 out;
  if (crypto_scalarmult_curve25519(out.fill().data(), priv.reveal().data(), pub.data()) != 0) {
    return fail(SignalError::invalid_key, "agreement of zeros");
  }
  return out;
}

ByteArray<64> sign(const SecretKey32& priv, ByteView message, Random& random) {
  ready();
  SecretKey32 k = priv.clone();
  clamp(k.fill());
  Secret<64> wide;
  std::copy(k.reveal().begin(), k.reveal().end(), wide.fill().begin());
  const Scalar a = reduce(wide.fill());
  ByteArray<32> public_point;
  crypto_scalarmult_ed25519_base_noclamp(public_point.data(), a.reveal().data());

  ByteArray<32> prefix;
  prefix.fill(0xff);
  prefix[0] = 0xfe;
  Secret<64> noise;
  random.fill(noise.fill());
  const Scalar r = Sha512().add(prefix).add(k.reveal()).add(message).add(noise.reveal()).reduced();

  ByteArray<64> out;
  crypto_scalarmult_ed25519_base_noclamp(out.data(), r.reveal().data());
  const Scalar h = Sha512().add(ByteView(out).first(32)).add(public_point).add(message).reduced();
  Scalar product;
  crypto_core_ed25519_scalar_mul(product.fill().data(), h.reveal().data(), a.reveal().data());
  crypto_core_ed25519_scalar_add(out.data() + 32, product.reveal().data(), r.reveal().data());
  out[63] = static_cast<uint8_t>((out[63] & 0x7f) | (public_point[31] & 0x80));
  return out;
}

bool verify(const Key32& pub, ByteView message, ByteView signature64) {
  ready();
  if (signature64.size() != 64) return false;
  const auto edwards = edwards_from_montgomery(pub, signature64[63] & 0x80);
  if (!edwards) return false;
  ByteArray<64> standard;
  std::copy(signature64.begin(), signature64.end(), standard.begin());
  standard[63] &= 0x7f;
  if ((standard[63] & 0xe0) != 0) return false;
  // libsodium insists on s < L, the rule here only on s < 2^253. The base point has order L, so
  // s mod L stands for the same equation.
  ByteArray<64> wide{};
  std::copy(standard.begin() + 32, standard.end(), wide.begin());
  crypto_core_ed25519_scalar_reduce(standard.data() + 32, wide.data());
  return crypto_sign_ed25519_verify_detached(standard.data(), message.data(), message.size(),
                                             edwards->data()) == 0;
}

ByteArray<33> serialized_array(const Key32& pub) {
  ByteArray<33> out;
  out[0] = kDjbType;
  std::copy(pub.begin(), pub.end(), out.begin() + 1);
  return out;
}

Bytes serialized(const Key32& pub) {
  const auto out = serialized_array(pub);
  return {out.begin(), out.end()};
}

std::optional<Key32> parse_public(ByteView bytes33) {
  if (bytes33.size() != 33 || bytes33[0] != kDjbType) return std::nullopt;
  return to_array<32>(bytes33.subspan(1));
}

}  // namespace wab::signal
