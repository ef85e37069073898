// Small binary records of this room: big-endian numbers and length-prefixed texts. Reading never
// fails half-way: `ok` is false at the end when anything was short.
#pragma once

#include <string>

#include "storage/base/bytes.h"
#include "webhook/endpoint.h"

namespace wab::webhook {

inline void put_text(Bytes& to, std::string_view part) {
  put_be32(to, static_cast<uint32_t>(part.size()));
  append(to, view(part));
}

struct Unpack {
  explicit Unpack(ByteView bytes) : in(bytes) {}

  ByteView take(size_t size) {
    if (!ok || in.size() < size) {
      ok = false;
      return {};
    }
    const ByteView out = in.first(size);
    in = in.subspan(size);
    return out;
  }
  uint8_t u8() {
    const auto bytes = take(1);
    return ok ? bytes[0] : 0;
  }
  uint32_t u32() {
    const auto bytes = take(4);
    return ok ? read_be32(bytes) : 0;
  }
  uint64_t u64() {
    const auto bytes = take(8);
    return ok ? read_be64(bytes) : 0;
  }
  int64_t i64() { return static_cast<int64_t>(u64()); }
  std::string str() { return to_string(take(u32())); }
  template <size_t N>
  ByteArray<N> array() {
    return to_array<N>(take(N)).value_or(ByteArray<N>{});
  }
  bool done() const { return ok && in.empty(); }

  ByteView in;
  bool ok = true;
};

// One byte: 0 when it is not known.
inline void put_format(Bytes& to, std::optional<BodyFormat> format) {
  to.push_back(format ? static_cast<uint8_t>(static_cast<uint8_t>(*format) + 1) : 0);
}
inline std::optional<BodyFormat> take_format(Unpack& in) {
  const uint8_t word = in.u8();
  if (word == 0) return std::nullopt;
  if (word > static_cast<uint8_t>(BodyFormat::cloud) + 1) in.ok = false;
  return static_cast<BodyFormat>(word - 1);
}

}  // namespace wab::webhook
