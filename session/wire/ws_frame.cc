#include "session/wire/ws_frame.h"

#include <cstring>

namespace wab::wire {
namespace {

bool is_opcode(uint8_t value) { return value <= 2 || (value >= 8 && value <= 10); }

// Codes that may stand in a frame: section 7.4.1 and the registry, and the two private ranges.
bool is_close_code(uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

}  // namespace

Result<std::optional<FrameHeader>> parse_frame_header(ByteView in, bool masked) {
  if (in.empty()) return std::nullopt;
  FrameHeader header;
  header.fin = (in[0] & 0x80) != 0;
  if ((in[0] & 0x70) != 0) return fail(WireError::websocket, "reserved bits");
  if (!is_opcode(in[0] & 0x0F)) return fail(WireError::websocket, "reserved opcode");
  header.opcode = static_cast<Opcode>(in[0] & 0x0F);
  if (header.is_control() && !header.fin) {
    return fail(WireError::websocket, "control frame in pieces");
  }
  if (in.size() < 2) return std::nullopt;
  if (((in[1] & 0x80) != 0) != masked) {
    return fail(WireError::websocket, masked ? "unmasked frame" : "masked frame");
  }
  const uint8_t length = in[1] & 0x7F;
  if (header.is_control() && length > kMaxControlPayload) {
    return fail(WireError::websocket, "long control frame");
  }
  size_t at = 2;
  header.size = length;
  if (length == 126) {
    if (in.size() < 4) return std::nullopt;
    header.size = static_cast<uint64_t>(in[2]) << 8 | in[3];
    if (header.size < 126) return fail(WireError::websocket, "length is not minimal");
    at = 4;
  } else if (length == 127) {
    if (in.size() < 10) return std::nullopt;
    header.size = read_be64(in.subspan(2));
    if (header.size <= 0xFFFF || header.size >> 63 != 0) {
      return fail(WireError::websocket, "length is not minimal");
    }
    at = 10;
  }
  if (masked) {
    if (in.size() < at + 4) return std::nullopt;
    header.mask = Mask{in[at], in[at + 1], in[at + 2], in[at + 3]};
    at += 4;
  }
  header.header_size = at;
  return header;
}

void put_frame(Bytes& out, Opcode opcode, ByteView payload, const std::optional<Mask>& mask) {
  out.reserve(out.size() + kMaxFrameHeader + payload.size());
  out.push_back(static_cast<uint8_t>(0x80 | static_cast<uint8_t>(opcode)));
  const uint8_t mask_bit = mask ? 0x80 : 0;
  if (payload.size() < 126) {
    out.push_back(static_cast<uint8_t>(mask_bit | payload.size()));
  } else if (payload.size() <= 0xFFFF) {
    out.push_back(static_cast<uint8_t>(mask_bit | 126));
    put_be16(out, static_cast<uint16_t>(payload.size()));
  } else {
    out.push_back(static_cast<uint8_t>(mask_bit | 127));
    put_be64(out, payload.size());
  }
  if (mask) append(out, *mask);
  const size_t start = out.size();
  append(out, payload);
  if (mask) apply_mask(MutableBytes(out).subspan(start), *mask, 0);
}

void apply_mask(MutableBytes bytes, const Mask& mask, uint64_t offset) {
  ByteArray<8> key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = mask[(offset + i) % 4];
  uint64_t word_key = 0;
  std::memcpy(&word_key, key.data(), 8);
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    word ^= word_key;
    std::memcpy(bytes.data() + i, &word, 8);
  }
  for (; i < bytes.size(); ++i) bytes[i] ^= key[i % 4];
}

std::optional<uint16_t> parse_close(ByteView payload) {
  if (payload.empty()) return 1005;
  if (payload.size() < 2) return std::nullopt;
  const auto code = static_cast<uint16_t>(payload[0] << 8 | payload[1]);
  if (!is_close_code(code) || !is_utf8(payload.subspan(2))) return std::nullopt;
  return code;
}

}  // namespace wab::wire
