#include "storage/base/trace.h"

#include <sodium.h>

#include <algorithm>

namespace wab {
namespace {

constexpr size_t kLength = 55;
constexpr size_t kMostOfLaterVersions = 256;
constexpr uint8_t kSampled = 1;

// Lower case only: the recommendation says that others are to be refused.
template <size_t N>
bool take_hex(std::string_view text, ByteArray<N>& into) {
  if (text.find_first_not_of("0123456789abcdef") != std::string_view::npos) return false;
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != N) return false;
  std::copy(bytes->begin(), bytes->end(), into.begin());
  return true;
}

template <size_t N>
bool is_zero(const ByteArray<N>& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

}  // namespace

std::optional<TraceContext> TraceContext::parse(std::string_view text) {
  if (text.size() < kLength || text.size() > kMostOfLaterVersions) return std::nullopt;
  TraceContext out;
  ByteArray<1> version{}, flags{};
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  if (!take_hex(text.substr(0, 2), version) || !take_hex(text.substr(3, 32), out.trace) ||
      !take_hex(text.substr(36, 16), out.span) || !take_hex(text.substr(53, 2), flags)) {
    return std::nullopt;
  }
  if (version[0] == 0xFF || is_zero(out.trace) || is_zero(out.span)) return std::nullopt;
  if (text.size() > kLength && (version[0] == 0 || text[kLength] != '-')) return std::nullopt;
  out.flags = flags[0] & kSampled;
  return out;
}

TraceContext TraceContext::fresh(Random& random) {
  TraceContext out;
  out.flags = kSampled;  // our log is a record of it
  // Zeros are no ids; they will not come, and would not be one for ever.
  do {
    out.trace = random.array<16>();
  } while (is_zero(out.trace));
  return out.child(random);
}

TraceContext TraceContext::of(std::string_view cause) {
  TraceContext out;
  out.flags = kSampled;
  crypto_generichash(out.trace.data(), out.trace.size(),
                     reinterpret_cast<const uint8_t*>(cause.data()), cause.size(), nullptr, 0);
  out.span = *to_array<8>(ByteView(out.trace).last(8));
  return out;
}

TraceContext TraceContext::child(Random& random) const {
  TraceContext out = *this;
  do {
    out.span = random.array<8>();
  } while (is_zero(out.span));
  return out;
}

std::string TraceContext::traceparent() const {
  return "00-" + to_hex(trace) + "-" + to_hex(span) + "-" + to_hex(ByteArray<1>{flags});
}

}  // namespace wab
