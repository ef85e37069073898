#include "session/signal/kdf.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>

namespace wab::signal {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

struct FreeMac {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// Fetched once and kept for the life of the process; OpenSSL's own exit handler releases them.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  require(found != nullptr, "SHA256 not available");
  return found;
}
const EVP_CIPHER* cbc_algorithm() {
  static const EVP_CIPHER* const found = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  require(found != nullptr, "AES-256-CBC not available");
  return found;
}
const EVP_CIPHER* gcm_algorithm() {
  static const EVP_CIPHER* const found = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  require(found != nullptr, "AES-256-GCM not available");
  return found;
}
const EVP_CIPHER* ctr_algorithm() {
  static const EVP_CIPHER* const found = EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr);
  require(found != nullptr, "AES-256-CTR not available");
  return found;
}
EVP_MAC* hmac_algorithm() {
  static EVP_MAC* const found = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  require(found != nullptr, "HMAC not available");
  return found;
}

EVP_MAC_CTX* mac_context() {
  thread_local const std::unique_ptr<EVP_MAC_CTX, FreeMac> context = [] {
    std::unique_ptr<EVP_MAC_CTX, FreeMac> made(EVP_MAC_CTX_new(hmac_algorithm()));
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    require(made && EVP_MAC_CTX_set_params(made.get(), params) == 1, "HMAC context");
    return made;
  }();
  return context.get();
}

constexpr uint8_t kZeros[32] = {};

// One HMAC after another on the thread's context; the last key is overwritten at the end.
class Hmac {
 public:
  Hmac() : context_(mac_context()) {}
  ~Hmac() { EVP_MAC_init(context_, kZeros, sizeof kZeros, nullptr); }
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  void start(ByteView key) {
    const uint8_t* at = key.empty() ? kZeros : key.data();  // a null key would mean "the last one"
    require(EVP_MAC_init(context_, at, key.size(), nullptr) == 1, "HMAC key");
  }
  void add(ByteView data) {
    if (data.empty()) return;
    require(EVP_MAC_update(context_, data.data(), data.size()) == 1, "HMAC update");
  }
  void finish(MutableBytes out32) {
    size_t size = 0;
    require(EVP_MAC_final(context_, out32.data(), &size, out32.size()) == 1 && size == 32,
            "HMAC final");
  }

 private:
  EVP_MAC_CTX* context_;
};

// The thread's cipher context, wiped and reset when the call ends.
class Cipher {
 public:
  Cipher() : context_(kept()) {}
  ~Cipher() { EVP_CIPHER_CTX_reset(context_); }
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;
  EVP_CIPHER_CTX* get() const { return context_; }

  void update(ByteView in, uint8_t* out) {
    // EVP counts in int; nothing we handle whole comes near it.
    require(in.size() < static_cast<size_t>(std::numeric_limits<int>::max()) - 32, "too long");
    int size = 0;
    if (in.empty()) return;
    require(EVP_CipherUpdate(context_, out, &size, in.data(), static_cast<int>(in.size())) == 1,
            "cipher update");
    written_ += static_cast<size_t>(size);
  }
  bool finish(uint8_t* out) {
    int size = 0;
    if (EVP_CipherFinal_ex(context_, out, &size) != 1) return false;
    written_ += static_cast<size_t>(size);
    return true;
  }
  size_t written() const { return written_; }

 private:
  static EVP_CIPHER_CTX* kept() {
    thread_local const std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> context(EVP_CIPHER_CTX_new());
    require(context != nullptr, "cipher context");
    return context.get();
  }
  EVP_CIPHER_CTX* context_;
  size_t written_ = 0;
};

void start(Cipher& cipher, const EVP_CIPHER* algorithm, ByteView key, ByteView iv, bool encrypt) {
  require(key.size() == 32, "key size");
  require(iv.size() == static_cast<size_t>(EVP_CIPHER_get_iv_length(algorithm)), "iv size");
  require(EVP_CipherInit_ex2(cipher.get(), algorithm, key.data(), iv.data(), encrypt ? 1 : 0,
                             nullptr) == 1,
          "cipher init");
}

constexpr size_t kBlock = 16;
constexpr size_t kTag = 16;

}  // namespace

ByteArray<32> sha256_parts(std::initializer_list<ByteView> parts) {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(EVP_MD_CTX_new());
  require(context && EVP_DigestInit_ex2(context.get(), sha256_algorithm(), nullptr) == 1,
          "SHA256 init");
  for (const ByteView part : parts) {
    require(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1, "SHA256 update");
  }
  ByteArray<32> out;
  require(EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1, "SHA256 final");
  return out;
}

ByteArray<32> sha256(ByteView data) { return sha256_parts({data}); }

ByteArray<32> hmac_sha256_parts(ByteView key, std::initializer_list<ByteView> parts) {
  Hmac hmac;
  hmac.start(key);
  for (const ByteView part : parts) hmac.add(part);
  ByteArray<32> out;
  hmac.finish(out);
  return out;
}

ByteArray<32> hmac_sha256(ByteView key, ByteView data) { return hmac_sha256_parts(key, {data}); }

SecretKey32 hmac_sha256_secret(ByteView key, ByteView data) {
  Hmac hmac;
  hmac.start(key);
  hmac.add(data);
  SecretKey32 out;
  hmac.finish(out.fill());
  return out;
}

void hkdf_sha256_into(ByteView ikm, ByteView salt, ByteView info, MutableBytes out) {
  require(out.size() <= 255 * 32, "HKDF output size");
  Hmac hmac;
  SecretKey32 extracted;
  hmac.start(salt.empty() ? ByteView(kZeros) : salt);
  hmac.add(ikm);
  hmac.finish(extracted.fill());

  SecretKey32 block;
  uint8_t number = 0;
  for (size_t at = 0; at < out.size(); at += 32) {
    hmac.start(extracted.reveal());
    if (at > 0) hmac.add(block.reveal());
    hmac.add(info);
    ++number;
    hmac.add(ByteView(&number, 1));
    hmac.finish(block.fill());
    const size_t take = std::min<size_t>(32, out.size() - at);
    std::copy_n(block.reveal().begin(), take, out.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

SecretBytes hkdf_sha256(ByteView ikm, ByteView salt, ByteView info, size_t size) {
  Bytes out(size);
  hkdf_sha256_into(ikm, salt, info, out);
  return SecretBytes(std::move(out));
}

Bytes aes256_cbc_encrypt(ByteView key32, ByteView iv16, ByteView plaintext) {
  Cipher cipher;
  start(cipher, cbc_algorithm(), key32, iv16, true);
  Bytes out(plaintext.size() + kBlock);
  cipher.update(plaintext, out.data());
  require(cipher.finish(out.data() + cipher.written()), "CBC final");
  out.resize(cipher.written());
  return out;
}

std::optional<Bytes> aes256_cbc_decrypt(ByteView key32, ByteView iv16, ByteView ciphertext) {
  Cipher cipher;
  start(cipher, cbc_algorithm(), key32, iv16, false);
  if (ciphertext.empty() || ciphertext.size() % kBlock != 0) return std::nullopt;
  Bytes out(ciphertext.size() + kBlock);
  cipher.update(ciphertext, out.data());
  if (!cipher.finish(out.data() + cipher.written())) {
    wipe(out);
    return std::nullopt;
  }
  out.resize(cipher.written());
  return out;
}

Bytes aes256_gcm_seal(ByteView key32, ByteView nonce12, ByteView aad, ByteView plaintext) {
  Cipher cipher;
  start(cipher, gcm_algorithm(), key32, nonce12, true);
  cipher.update(aad, nullptr);
  Bytes out(plaintext.size() + kTag);
  cipher.update(plaintext, out.data());
  uint8_t rest[kBlock];
  require(cipher.finish(rest), "GCM final");
  require(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTag,
                              out.data() + plaintext.size()) == 1,
          "GCM tag");
  return out;
}

std::optional<Bytes> aes256_gcm_open(ByteView key32, ByteView nonce12, ByteView aad,
                                     ByteView sealed) {
  Cipher cipher;
  start(cipher, gcm_algorithm(), key32, nonce12, false);
  if (sealed.size() < kTag) return std::nullopt;
  const size_t size = sealed.size() - kTag;
  cipher.update(aad, nullptr);
  Bytes out(size);
  cipher.update(sealed.first(size), out.data());
  ByteArray<kTag> tag;
  std::copy(sealed.begin() + static_cast<std::ptrdiff_t>(size), sealed.end(), tag.begin());
  require(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTag, tag.data()) == 1,
          "GCM tag");
  uint8_t rest[kBlock];
  if (!cipher.finish(rest)) {
    wipe(out);
    return std::nullopt;
  }
  return out;
}

Bytes aes256_ctr(ByteView key32, ByteView iv16, ByteView data) {
  Cipher cipher;
  start(cipher, ctr_algorithm(), key32, iv16, true);
  Bytes out(data.size());
  cipher.update(data, out.data());
  return out;
}

SecretBytes pbkdf2_sha256(ByteView password, ByteView salt, uint32_t rounds, size_t size) {
  require(rounds > 0 && rounds <= 10'000'000, "PBKDF2 rounds");
  Bytes out(size);
  require(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(password.data()),
                            static_cast<int>(password.size()), salt.data(),
                            static_cast<int>(salt.size()), static_cast<int>(rounds),
                            sha256_algorithm(), static_cast<int>(size), out.data()) == 1,
          "PBKDF2");
  return SecretBytes(std::move(out));
}

}  // namespace wab::signal
