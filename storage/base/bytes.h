// Bytes as values: owned buffers, views, text encodings, constant-time comparison, wiping.
//
// Every room stands on this header. Functions here are pure, thread-free and never throw for bad
// input: a decoder answers std::nullopt. Views never own; see README "House rules" for coroutines.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wab {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

template <size_t N>
using ByteArray = std::array<uint8_t, N>;
using Key32 = ByteArray<32>;  // public 32-byte values; secret ones use SecretKey32 (secret.h)

inline ByteView view(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(std::string_view text) { return {text.begin(), text.end()}; }
inline Bytes to_bytes(ByteView bytes) { return {bytes.begin(), bytes.end()}; }
inline std::string to_string(ByteView bytes) { return std::string(text(bytes)); }

// A fixed-size copy of `bytes`, or nothing when the size differs.
template <size_t N>
std::optional<ByteArray<N>> to_array(ByteView bytes) {
  if (bytes.size() != N) return std::nullopt;
  ByteArray<N> out;
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

Bytes concat(std::initializer_list<ByteView> parts);
void append(Bytes& to, ByteView more);

// Compares in time that depends on the sizes alone. Different sizes are unequal.
bool equal_constant_time(ByteView a, ByteView b);
// Overwrites with zeros in a way the optimiser keeps.
void wipe(MutableBytes bytes);

std::string to_hex(ByteView bytes);                       // lower case
std::optional<Bytes> from_hex(std::string_view hex);      // either case, even length
std::string to_base64(ByteView bytes);                    // RFC 4648 section 4, padded
std::optional<Bytes> from_base64(std::string_view text);  // padded or not; strict alphabet
std::string to_base64url(ByteView bytes);                 // section 5, unpadded
std::optional<Bytes> from_base64url(std::string_view text);
// Crockford's alphabet in lower case without i, l, o, u: the text form of our ids.
std::string to_base32(ByteView bytes);
std::optional<Bytes> from_base32(std::string_view text);

// Fixed-width integers, big endian.
void put_be16(Bytes& to, uint16_t v);
void put_be32(Bytes& to, uint32_t v);
void put_be64(Bytes& to, uint64_t v);
ByteArray<4> be32(uint32_t v);
ByteArray<8> be64(uint64_t v);
uint32_t read_be32(ByteView at_least_four);
uint64_t read_be64(ByteView at_least_eight);

// Well-formed UTF-8 without surrogates or overlong forms.
bool is_utf8(ByteView bytes);

}  // namespace wab
