// Reading and writing the stored forms of state.cc and sender_key.cc. Inner header of
// session/signal. Fixed-width big-endian integers, raw keys, counts before lists.
#pragma once

#include <algorithm>

#include "session/signal/state.h"

namespace wab::signal {

// A reader that remembers its first failure: after one, everything reads as zeros, and whoever
// reads asks failed() before it believes a count.
class StoredReader {
 public:
  explicit StoredReader(ByteView bytes) : rest_(bytes) {}

  uint8_t u8() { return take(1)[0]; }
  uint16_t u16() {
    const ByteView at = take(2);
    return static_cast<uint16_t>(at[0] << 8 | at[1]);
  }
  uint32_t u32() { return read_be32(take(4)); }
  Key32 key() { return *to_array<32>(take(32)); }
  SecretKey32 secret() { return *SecretKey32::from(take(32)); }
  void refuse() { failed_ = true; }
  bool failed() const { return failed_; }
  bool done() const { return !failed_ && rest_.empty(); }

 private:
  ByteView take(size_t size) {
    static constexpr uint8_t kZeros[32] = {};
    if (failed_ || rest_.size() < size) {
      failed_ = true;
      return ByteView(kZeros).first(size);
    }
    const ByteView out = rest_.first(size);
    rest_ = rest_.subspan(size);
    return out;
  }
  ByteView rest_;
  bool failed_ = false;
};

inline constexpr size_t kStoredSkippedSize = 4 + 32;
inline size_t stored_size(const std::vector<SkippedKey>& skipped) {
  return 2 + skipped.size() * kStoredSkippedSize;
}
void write_skipped(Bytes& to, const std::vector<SkippedKey>& skipped);
// Counters ascend and stay below `index`; anything else is refused.
std::vector<SkippedKey> read_skipped(StoredReader& reader, uint32_t index);

}  // namespace wab::signal
