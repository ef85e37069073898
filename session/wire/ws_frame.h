// Frames of RFC 6455 section 5.2 as pure functions; strict about everything a peer may get wrong.
#pragma once

#include <optional>

#include "session/wire/stream.h"

namespace wab::wire {

enum class Opcode : uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

using Mask = ByteArray<4>;

struct FrameHeader {
  bool fin = true;
  Opcode opcode = Opcode::binary;
  uint64_t size = 0;
  std::optional<Mask> mask;
  size_t header_size = 0;  // bytes it took
  bool is_control() const { return static_cast<uint8_t>(opcode) >= 8; }
};

constexpr size_t kMaxFrameHeader = 14;
constexpr size_t kMaxControlPayload = 125;

// Nothing when more bytes are needed. WireError::websocket for reserved bits or opcodes, a control
// frame in pieces or above 125 bytes, a length not in its shortest form, and a mask where there
// must be none (from a server) or none where there must be one (from a client).
Result<std::optional<FrameHeader>> parse_frame_header(ByteView in, bool masked);
// Appends header and payload; masks when a mask is given.
void put_frame(Bytes& out, Opcode opcode, ByteView payload, const std::optional<Mask>& mask);
// XORs; `offset` is the position of the first byte within the payload.
void apply_mask(MutableBytes bytes, const Mask& mask, uint64_t offset);

// Code and reason of a close frame's payload, checked (section 7.4); nothing when malformed. An
// empty payload is 1005.
std::optional<uint16_t> parse_close(ByteView payload);

}  // namespace wab::wire
