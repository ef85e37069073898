// The record envelope: how one value is sealed so that it opens only where it was written.
//
//   0        1        2          4              8               16        40           72 n-16
//   +--------+--------+----------+--------------+---------------+---------+------------+---------+-----+
//   | format | algor. | schema   | key version  | record version| nonce   | commitment | sealed  |
//   tag |
//   +--------+--------+----------+--------------+---------------+---------+------------+---------+-----+
//
// 88 bytes over the padded plaintext (32-bit length, value, zeros up to 64, 256, 1 Ki, 4 Ki, 16 Ki,
// then multiples of 16 Ki). XChaCha20-Poly1305 does not commit to its key, so cipher key and a
// commitment both come from BLAKE2b-512(column key, "rec1" | nonce) and the commitment is compared
// first. The associated data names deployment, organization, session, column, full key and all
// header numbers: a record moved anywhere else does not open.
//
// Pure: no clock, no randomness, no IO. Any thread.
#pragma once

#include "storage/base/bytes.h"
#include "storage/base/result.h"
#include "storage/base/secret.h"

namespace wab::storage {

enum class SealError {
  truncated = 1,  // shorter than an envelope, or of a size no padding makes
  format,         // an envelope of another format or algorithm
  wrong_key,      // the commitment names another key
  damaged,        // right key, but contents or context differ
  too_long,       // plaintext above kMaxPlaintext
};
const ErrorDomain& error_domain(SealError);

inline constexpr size_t kEnvelopeOverhead = 88;
inline constexpr size_t kMaxPlaintext = 64u << 20;
inline constexpr uint8_t kEnvelopeFormat = 1;
inline constexpr uint8_t kXChaCha20Committing = 1;  // 2 is reserved for AES-256-GCM

// Where a record lives. Everything here is authenticated, nothing of it is stored.
struct SealContext {
  ByteArray<16> deployment{};
  ByteArray<16> org{};
  ByteArray<16> session{};
  uint8_t column = 0;
  ByteView key;  // the full key in the store; must outlive the call
};

struct EnvelopeHeader {
  uint16_t schema = 0;       // of the plaintext
  uint32_t key_version = 0;  // which data key of the organization
  uint64_t record_version = 0;
};

struct Opened {
  EnvelopeHeader header;
  Bytes plaintext;
};

// The bucket that `size` plaintext bytes and their length fill.
size_t padded_size(size_t size);

Result<Bytes> seal(ByteView column_key, const SealContext& context, const EnvelopeHeader& header,
                   const ByteArray<24>& nonce, ByteView plaintext);
// What stands in front, before any key is known. Not authenticated until open() succeeds.
Result<EnvelopeHeader> peek(ByteView envelope);
Result<Opened> open(ByteView column_key, const SealContext& context, ByteView envelope);

}  // namespace wab::storage
