#include "session/noise/transport.h"

#include <algorithm>
#include <limits>

#include "session/signal/kdf.h"

namespace wab::noise {
namespace {

constexpr ByteArray<4> kRoutingMark = {0x45, 0x44, 0x00, 0x01};  // "ED", 0, 1
constexpr uint64_t kLastCounter = std::numeric_limits<uint32_t>::max();

void put_length(Bytes& to, size_t size) {
  to.push_back(static_cast<uint8_t>(size >> 16));
  to.push_back(static_cast<uint8_t>(size >> 8));
  to.push_back(static_cast<uint8_t>(size));
}

size_t read_length(ByteView three) {
  return static_cast<size_t>(three[0]) << 16 | static_cast<size_t>(three[1]) << 8 | three[2];
}

}  // namespace

Result<Bytes> frame(ByteView payload) {
  if (payload.size() > kMaxFrame) return fail(NoiseError::frame_too_large, "outbound");
  Bytes out;
  out.reserve(3 + payload.size());
  put_length(out, payload.size());
  append(out, payload);
  return out;
}

Bytes intro(ByteView routing_info) {
  Bytes out;
  if (!routing_info.empty() && routing_info.size() <= kMaxFrame) {
    append(out, kRoutingMark);
    put_length(out, routing_info.size());
    append(out, routing_info);
  }
  append(out, kConnectionHeader);
  return out;
}

Result<Bytes> Transport::seal(ByteView plain) {
  if (plain.size() > kMaxFrame - kTagSize) return fail(NoiseError::frame_too_large, "outbound");
  if (written_ > kLastCounter) return fail(NoiseError::counter_exhausted, "write");
  const auto nonce = counter_nonce(static_cast<uint32_t>(written_++));
  return frame(signal::aes256_gcm_seal(keys_.write.reveal(), nonce, {}, plain));
}

Result<Bytes> Transport::open(ByteView sealed) {
  if (sealed.size() < kTagSize) return fail(NoiseError::frame_too_short, "inbound");
  if (read_ > kLastCounter) return fail(NoiseError::counter_exhausted, "read");
  const auto nonce = counter_nonce(static_cast<uint32_t>(read_));
  auto plain = signal::aes256_gcm_open(keys_.read.reveal(), nonce, {}, sealed);
  if (!plain) return fail(NoiseError::transport_decrypt, "inbound");
  ++read_;
  return std::move(*plain);
}

Result<std::optional<Bytes>> FrameReader::take(ByteView& input) {
  while (head_size_ < head_.size() && !input.empty()) {
    head_[head_size_++] = input.front();
    input = input.subspan(1);
  }
  if (head_size_ < head_.size()) return std::optional<Bytes>();
  const size_t size = read_length(head_);
  if (size > limit_) return fail(NoiseError::frame_too_large, "inbound");
  const size_t more = std::min(size - body_.size(), input.size());
  // Grows with what arrived, whatever was announced.
  append(body_, input.first(more));
  input = input.subspan(more);
  if (body_.size() < size) return std::optional<Bytes>();
  head_size_ = 0;
  Bytes whole;
  whole.swap(body_);
  return std::optional<Bytes>(std::move(whole));
}

Result<bool> IntroReader::take(ByteView& input) {
  while (!done_) {
    if (input.empty()) return false;
    seen_.push_back(input.front());
    input = input.subspan(1);
    const size_t size = seen_.size();
    // Both openings differ in their first byte.
    const bool routing = seen_[0] == kRoutingMark[0];
    const ByteView expected = routing ? ByteView(kRoutingMark) : ByteView(kConnectionHeader);
    if (size <= expected.size() && seen_.back() != expected[size - 1]) {
      return fail(NoiseError::bad_intro, "opening bytes");
    }
    if (!routing) {
      done_ = size == expected.size();
      continue;
    }
    if (routing_info_) return fail(NoiseError::bad_intro, "second routing blob");
    if (size < 7) continue;
    const size_t blob = read_length(ByteView(seen_).subspan(4, 3));
    if (blob == 0 || blob > limit_) return fail(NoiseError::bad_intro, "size of routing blob");
    if (size < 7 + blob) continue;
    routing_info_ = Bytes(seen_.begin() + 7, seen_.end());
    seen_.clear();
  }
  Bytes().swap(seen_);
  return true;
}

}  // namespace wab::noise
