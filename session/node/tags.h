// First bytes of the binary XML that are not tokens (dossier 1 section 4.2), and what may stand in
// an address on the wire. Private to the codec.
#pragma once

#include <cstdint>
#include <string_view>

#include "storage/base/bytes.h"

namespace wab::node {

namespace tags {
inline constexpr uint8_t list_empty = 0;
inline constexpr uint8_t dictionary_0 = 236;
inline constexpr uint8_t dictionary_3 = 239;
inline constexpr uint8_t interop_jid = 245;
inline constexpr uint8_t fb_jid = 246;
inline constexpr uint8_t ad_jid = 247;
inline constexpr uint8_t list_8 = 248;
inline constexpr uint8_t list_16 = 249;
inline constexpr uint8_t jid_pair = 250;
inline constexpr uint8_t hex_8 = 251;
inline constexpr uint8_t binary_8 = 252;
inline constexpr uint8_t binary_20 = 253;
inline constexpr uint8_t binary_32 = 254;
inline constexpr uint8_t nibble_8 = 255;
}  // namespace tags

// Neither part may hold what separates the parts of the text form, nor blanks or controls: the text
// of two different addresses must differ.
inline bool is_address_part(std::string_view part) {
  if (part.empty() || part.size() > 255 || !is_utf8(view(part))) return false;
  for (const char c : part) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte <= 0x20 || byte == 0x7f || c == '@' || c == ':') return false;
  }
  return true;
}

}  // namespace wab::node
