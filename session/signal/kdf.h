// Symmetric primitives, thin over OpenSSL EVP: SHA-256, HMAC, HKDF, AES-256 in CBC, GCM and CTR.
//
// Algorithm objects are fetched once per process and contexts are kept per thread, so the hot path
// allocates nothing but its result; a context never keeps a key after the call. Any thread.
// Keys, nonces and initialisation vectors of a wrong size are bugs of the caller and throw
// std::logic_error; bad ciphertext answers std::nullopt.
#pragma once

#include <initializer_list>
#include <optional>

#include "storage/base/secret.h"

namespace wab::signal {

ByteArray<32> sha256(ByteView data);
ByteArray<32> sha256_parts(std::initializer_list<ByteView> parts);

ByteArray<32> hmac_sha256(ByteView key, ByteView data);
ByteArray<32> hmac_sha256_parts(ByteView key, std::initializer_list<ByteView> parts);
// For results that are keys themselves.
SecretKey32 hmac_sha256_secret(ByteView key, ByteView data);

// RFC 5869 extract and expand. An empty salt means 32 zero bytes. size <= 8160.
SecretBytes hkdf_sha256(ByteView ikm, ByteView salt, ByteView info, size_t size);
// The same into a buffer of the caller, without allocation.
void hkdf_sha256_into(ByteView ikm, ByteView salt, ByteView info, MutableBytes out);

// PKCS#7 padded. Decryption fails on a length that is no multiple of 16, on no data and on bad
// padding; callers authenticate before they decrypt.
Bytes aes256_cbc_encrypt(ByteView key32, ByteView iv16, ByteView plaintext);
std::optional<Bytes> aes256_cbc_decrypt(ByteView key32, ByteView iv16, ByteView ciphertext);

// ciphertext || 16-byte tag.
Bytes aes256_gcm_seal(ByteView key32, ByteView nonce12, ByteView aad, ByteView plaintext);
std::optional<Bytes> aes256_gcm_open(ByteView key32, ByteView nonce12, ByteView aad,
                                     ByteView sealed);

// Encrypts and decrypts alike; the whole 16-byte block counts, big endian.
Bytes aes256_ctr(ByteView key32, ByteView iv16, ByteView data);

// RFC 8018 with HMAC-SHA256, for the pairing code (dossier 1 section 7.1).
SecretBytes pbkdf2_sha256(ByteView password, ByteView salt, uint32_t rounds, size_t size);

}  // namespace wab::signal
