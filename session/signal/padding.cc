#include "session/signal/padding.h"

#include <algorithm>

namespace wab::signal {

Bytes pad(ByteView plaintext, Random& random) {
  const auto n = static_cast<uint8_t>(1 + random.below(16));
  Bytes out;
  out.reserve(plaintext.size() + n);
  append(out, plaintext);
  out.insert(out.end(), n, n);
  return out;
}

Result<Bytes> unpad(Bytes padded) {
  if (padded.empty()) return fail(SignalError::bad_padding, "no bytes");
  const uint8_t n = padded.back();
  if (n == 0 || n > padded.size()) return fail(SignalError::bad_padding, "count");
  const auto begin = padded.end() - n;
  if (std::any_of(begin, padded.end(), [n](uint8_t byte) { return byte != n; })) {
    return fail(SignalError::bad_padding, "bytes differ");
  }
  padded.erase(begin, padded.end());
  return padded;
}

}  // namespace wab::signal
