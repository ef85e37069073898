// Frame headers and close frames from strangers, and our own frames read back.
#include <cstdlib>

#include "session/wire/ws_frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace wab;
  using namespace wab::wire;
  if (size == 0) return 0;
  const bool masked = (data[0] & 1) != 0;
  const ByteView input = ByteView(data, size).subspan(1);
  const auto header = parse_frame_header(input, masked);
  if (header && *header) {
    if ((*header)->header_size > input.size() || (*header)->mask.has_value() != masked) {
      std::abort();
    }
    if ((*header)->is_control() && (*header)->size > kMaxControlPayload) std::abort();
  }
  (void)parse_close(input);

  std::optional<Mask> mask;
  if (masked) mask = Mask{data[0], 1, 2, 3};
  Bytes frame;
  put_frame(frame, Opcode::binary, input, mask);
  const auto back = parse_frame_header(frame, masked);
  if (!back || !*back || (*back)->size != input.size()) std::abort();
  MutableBytes payload = MutableBytes(frame).subspan((*back)->header_size);
  if (mask) apply_mask(payload, *mask, 0);
  if (!equal_constant_time(payload, input)) std::abort();
  return 0;
}
