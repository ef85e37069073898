#include "session/signal/agreement.h"

#include <algorithm>

#include "session/signal/kdf.h"

namespace wab::signal {

bool bundle_is_authentic(const PreKeyBundle& bundle) {
  return verify(bundle.identity, serialized_array(bundle.signed_pub), bundle.signature);
}

AgreedKeys derive_agreed(const SecretKey32& dh1, const SecretKey32& dh2, const SecretKey32& dh3,
                         const SecretKey32* dh4) {
  Secret<32 * 5> secret;
  const MutableBytes all = secret.fill();
  std::fill_n(all.begin(), 32, uint8_t{0xff});
  size_t size = 32;
  for (const SecretKey32* part : {&dh1, &dh2, &dh3, dh4}) {
    if (part == nullptr) continue;
    std::copy(part->reveal().begin(), part->reveal().end(),
              all.begin() + static_cast<std::ptrdiff_t>(size));
    size += 32;
  }
  Secret<64> okm;
  hkdf_sha256_into(secret.reveal().first(size), {}, view("WhisperText"), okm.fill());
  return AgreedKeys{*SecretKey32::from(okm.reveal().first(32)),
                    *SecretKey32::from(okm.reveal().last(32))};
}

Result<AgreedKeys> agree_as_initiator(const KeyPair& identity, const KeyPair& base,
                                      const PreKeyBundle& bundle) {
  TRY(const auto dh1, agree(identity.priv, bundle.signed_pub));
  TRY(const auto dh2, agree(base.priv, bundle.identity));
  TRY(const auto dh3, agree(base.priv, bundle.signed_pub));
  if (!bundle.one_time) return derive_agreed(dh1, dh2, dh3, nullptr);
  TRY(const auto dh4, agree(base.priv, bundle.one_time->second));
  return derive_agreed(dh1, dh2, dh3, &dh4);
}

Result<AgreedKeys> agree_as_responder(const KeyPair& identity, const KeyPair& signed_prekey,
                                      const KeyPair* one_time, const Key32& their_identity,
                                      const Key32& their_base) {
  TRY(const auto dh1, agree(signed_prekey.priv, their_identity));
  TRY(const auto dh2, agree(identity.priv, their_base));
  TRY(const auto dh3, agree(signed_prekey.priv, their_base));
  if (one_time == nullptr) return derive_agreed(dh1, dh2, dh3, nullptr);
  TRY(const auto dh4, agree(one_time->priv, their_base));
  return derive_agreed(dh1, dh2, dh3, &dh4);
}

}  // namespace wab::signal
