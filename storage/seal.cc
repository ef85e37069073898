#include "storage/seal.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace wab::storage {
namespace {

constexpr size_t kHeader = 16, kNonce = 24, kCommitment = 32, kTag = 16, kLength = 4;
constexpr size_t kSealedAt = kHeader + kNonce + kCommitment;
static_assert(kSealedAt + kTag == kEnvelopeOverhead);
constexpr size_t kBuckets[] = {64, 256, 1024, 4096, 16384};
constexpr size_t kLargest = 16384;

const char* error_name(int code) {
  switch (static_cast<SealError>(code)) {
    case SealError::truncated:
      return "truncated";
    case SealError::format:
      return "format";
    case SealError::wrong_key:
      return "wrong_key";
    case SealError::damaged:
      return "damaged";
    case SealError::too_long:
      return "too_long";
  }
  return "unknown";
}

struct RecordKey {
  ByteArray<64> bytes;
  RecordKey(ByteView column_key, ByteView nonce) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, column_key.data(), column_key.size(), bytes.size());
    crypto_generichash_update(&state, reinterpret_cast<const uint8_t*>("rec1"), 4);
    crypto_generichash_update(&state, nonce.data(), nonce.size());
    crypto_generichash_final(&state, bytes.data(), bytes.size());
    sodium_memzero(&state, sizeof state);
  }
  ~RecordKey() { wipe(bytes); }
  RecordKey(const RecordKey&) = delete;
  RecordKey& operator=(const RecordKey&) = delete;
  const uint8_t* cipher() const { return bytes.data(); }
  ByteView commitment() const { return ByteView(bytes).subspan(32); }
};

void put_header(Bytes& to, const EnvelopeHeader& header) {
  to.push_back(kEnvelopeFormat);
  to.push_back(kXChaCha20Committing);
  put_be16(to, header.schema);
  put_be32(to, header.key_version);
  put_be64(to, header.record_version);
}

void put_field(Bytes& to, ByteView field) {
  put_be32(to, static_cast<uint32_t>(field.size()));
  append(to, field);
}

Bytes associated_data(const SealContext& context, ByteView header) {
  Bytes aad;
  aad.reserve(4 + 4 * 6 + 16 * 3 + 1 + context.key.size() + kHeader);
  append(aad, view("wab1"));
  put_field(aad, context.deployment);
  put_field(aad, context.org);
  put_field(aad, context.session);
  put_field(aad, ByteView(&context.column, 1));
  put_field(aad, context.key);
  put_field(aad, header);
  return aad;
}

bool is_bucket(size_t size) {
  return std::find(std::begin(kBuckets), std::end(kBuckets), size) != std::end(kBuckets) ||
         (size > kLargest && size % kLargest == 0);
}

}  // namespace

const ErrorDomain& error_domain(SealError) {
  static constexpr ErrorDomain domain{"seal", error_name};
  return domain;
}

size_t padded_size(size_t size) {
  const size_t need = size + kLength;
  for (const size_t bucket : kBuckets) {
    if (need <= bucket) return bucket;
  }
  return (need + kLargest - 1) / kLargest * kLargest;
}

Result<Bytes> seal(ByteView column_key, const SealContext& context, const EnvelopeHeader& header,
                   const ByteArray<24>& nonce, ByteView plaintext) {
  if (plaintext.size() > kMaxPlaintext) return fail(SealError::too_long, "seal");
  const size_t padded = padded_size(plaintext.size());
  const RecordKey key(column_key, nonce);
  Bytes out;
  out.reserve(kEnvelopeOverhead + padded);
  put_header(out, header);
  const Bytes aad = associated_data(context, out);
  append(out, nonce);
  append(out, key.commitment());
  put_be32(out, static_cast<uint32_t>(plaintext.size()));
  append(out, plaintext);
  out.resize(kSealedAt + padded);
  out.resize(kSealedAt + padded + kTag);
  // In place: libsodium allows message and ciphertext to be the same buffer.
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data() + kSealedAt, nullptr,
                                             out.data() + kSealedAt, padded, aad.data(), aad.size(),
                                             nullptr, nonce.data(), key.cipher());
  return out;
}

Result<EnvelopeHeader> peek(ByteView envelope) {
  if (envelope.size() < kEnvelopeOverhead + kBuckets[0]) {
    return fail(SealError::truncated, "envelope");
  }
  if (envelope.size() > kEnvelopeOverhead + kMaxPlaintext + kLargest ||
      !is_bucket(envelope.size() - kEnvelopeOverhead)) {
    return fail(SealError::truncated, "envelope size");
  }
  if (envelope[0] != kEnvelopeFormat) return fail(SealError::format, "envelope format");
  if (envelope[1] != kXChaCha20Committing) return fail(SealError::format, "envelope algorithm");
  EnvelopeHeader header;
  header.schema = static_cast<uint16_t>(envelope[2] << 8 | envelope[3]);
  header.key_version = read_be32(envelope.subspan(4));
  header.record_version = read_be64(envelope.subspan(8));
  return header;
}

Result<Opened> open(ByteView column_key, const SealContext& context, ByteView envelope) {
  TRY(const EnvelopeHeader header, peek(envelope));
  const ByteView nonce = envelope.subspan(kHeader, kNonce);
  const RecordKey key(column_key, nonce);
  if (!equal_constant_time(key.commitment(), envelope.subspan(kHeader + kNonce, kCommitment))) {
    return fail(SealError::wrong_key, "key commitment");
  }
  const Bytes aad = associated_data(context, envelope.first(kHeader));
  const ByteView sealed = envelope.subspan(kSealedAt);
  Bytes padded(sealed.size() - kTag);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(padded.data(), nullptr, nullptr, sealed.data(),
                                                 sealed.size(), aad.data(), aad.size(),
                                                 nonce.data(), key.cipher()) != 0) {
    return fail(SealError::damaged, "envelope tag");
  }
  const size_t size = read_be32(padded);
  if (size > padded.size() - kLength || padded_size(size) != padded.size()) {
    wipe(padded);
    return fail(SealError::damaged, "inner length");
  }
  Opened opened{header, {}};
  opened.plaintext.assign(padded.begin() + kLength,
                          padded.begin() + kLength + static_cast<ptrdiff_t>(size));
  wipe(padded);
  return opened;
}

}  // namespace wab::storage
