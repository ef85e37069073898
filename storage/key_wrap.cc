// Wrapping of data keys: HKDF-SHA256 (RFC 5869) and AES-256-KWP (RFC 5649) from OpenSSL.
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <memory>

#include "storage/keyring.h"
#include "storage/store.h"

namespace wab::storage {
namespace {

constexpr size_t kWrappedKey = 40;  // 32 bytes under KWP

struct Free {
  void operator()(EVP_KDF* p) const { EVP_KDF_free(p); }
  void operator()(EVP_KDF_CTX* p) const { EVP_KDF_CTX_free(p); }
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
};

bool hkdf(ByteView key, ByteView salt, std::string_view info, MutableBytes out) {
  const std::unique_ptr<EVP_KDF, Free> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const std::unique_ptr<EVP_KDF_CTX, Free> context(EVP_KDF_CTX_new(kdf.get()));
  if (!context) return false;
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<uint8_t*>(key.data()),
                                        key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<uint8_t*>(salt.data()),
                                        salt.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<char*>(info.data()),
                                        info.size()),
      OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), out.data(), out.size(), params) == 1;
}

// KWP in either direction; the size written, or nothing when the integrity check fails.
std::optional<size_t> key_wrap(ByteView key, ByteView in, MutableBytes out, bool wrapping) {
  const std::unique_ptr<EVP_CIPHER_CTX, Free> context(EVP_CIPHER_CTX_new());
  if (!context) return std::nullopt;
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  int written = 0, last = 0;
  if (EVP_CipherInit_ex(context.get(), EVP_aes_256_wrap_pad(), nullptr, key.data(), nullptr,
                        wrapping ? 1 : 0) != 1 ||
      EVP_CipherUpdate(context.get(), out.data(), &written, in.data(),
                       static_cast<int>(in.size())) != 1 ||
      written < 0 || EVP_CipherFinal_ex(context.get(), out.data() + written, &last) != 1) {
    return std::nullopt;
  }
  return static_cast<size_t>(written + last);
}

}  // namespace

Result<Bytes> Keyring::wrap_key(const OrgId& org, const SecretKey32& half, uint32_t term) const {
  const std::shared_lock lock(mutex_);
  const auto found = terms_.find(term);
  if (found == terms_.end()) return fail(StoreError::unsealed, "key term");
  const std::string info = "wrap|" + org.text() + "|" + std::to_string(term);
  Bytes key(32);
  if (!hkdf(found->second.key.reveal(), half.reveal(), info, key)) {
    return fail(StoreError::io, "hkdf");
  }
  return key;
}

Result<Bytes> Keyring::wrap(const OrgId& org, const SecretKey32& half,
                            const SecretKey32& data_key) const {
  const uint32_t term = current_term();
  TRY(Bytes key, wrap_key(org, half, term));
  Bytes out;
  put_be32(out, term);
  out.resize(4 + kWrappedKey + 8);
  const auto size = key_wrap(key, data_key.reveal(), MutableBytes(out).subspan(4), true);
  wipe(key);
  if (size != kWrappedKey) return fail(StoreError::io, "key wrap");
  out.resize(4 + kWrappedKey);
  return out;
}

Result<SecretKey32> Keyring::unwrap(const OrgId& org, const SecretKey32& half,
                                    ByteView wrapped) const {
  if (wrapped.size() != 4 + kWrappedKey) return fail(StoreError::unsealed, "wrapped key size");
  TRY(Bytes key, wrap_key(org, half, read_be32(wrapped)));
  Bytes out(kWrappedKey + 16);
  const auto size = key_wrap(key, wrapped.subspan(4), out, false);
  wipe(key);
  auto data_key = size == 32 ? SecretKey32::from(ByteView(out).first(32)) : std::nullopt;
  wipe(out);
  if (!data_key) return fail(StoreError::unsealed, "wrapped key");
  return std::move(*data_key);
}

}  // namespace wab::storage
