#include "webhook/log_head.h"

#include <algorithm>

#include "webhook/pack.h"

namespace wab::webhook {
namespace {

constexpr uint8_t kVersion = 1;
constexpr int64_t kDay = 24 * 3600 * 1000;

}  // namespace

uint64_t LogHead::append(UnixMillis now) {
  const int64_t day = now / kDay;
  // A clock that went back does not make the log younger.
  if (days.empty() || day > days.back().first) days.emplace_back(day, next);
  return next++;
}

uint64_t LogHead::expired(UnixMillis now, uint64_t step) const {
  const int64_t oldest = now / kDay - kKeepDays;
  uint64_t keep = first;
  for (size_t i = 0; i < days.size(); ++i) {
    if (days[i].first >= oldest) break;
    keep = i + 1 < days.size() ? days[i + 1].second : next;
  }
  if (next > kMost) keep = std::max(keep, next - kMost);
  return std::min(std::max(keep, first), first + step);
}

void LogHead::drop_before(uint64_t number) {
  first = std::max(first, number);
  while (days.size() > 1 && days[1].second <= first) days.erase(days.begin());
  if (days.size() == 1 && first >= next) days.clear();
}

Bytes encode(const LogHead& head) {
  Bytes out{kVersion};
  put_be64(out, head.first);
  put_be64(out, head.next);
  put_be32(out, static_cast<uint32_t>(head.days.size()));
  for (const auto& [day, number] : head.days) {
    put_be64(out, static_cast<uint64_t>(day));
    put_be64(out, number);
  }
  return out;
}

std::optional<LogHead> decode_log_head(ByteView stored) {
  Unpack in(stored);
  if (in.u8() != kVersion) return std::nullopt;
  LogHead out;
  out.first = in.u64();
  out.next = in.u64();
  const uint32_t count = in.u32();
  if (count > 1000) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i) {
    const int64_t day = in.i64();
    out.days.emplace_back(day, in.u64());
  }
  if (!in.done() || out.first > out.next) return std::nullopt;
  return out;
}

std::string log_name(const EndpointId& endpoint, uint64_t number) {
  return endpoint.text() + "/" + std::to_string(number);
}

}  // namespace wab::webhook
