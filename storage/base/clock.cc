#include "storage/base/clock.h"

#include <fmt/format.h>
#include <sodium.h>

#include <ctime>

namespace wab {
namespace {

class SystemClock : public Clock {
 public:
  UnixMillis now_ms() const override {
    using namespace std::chrono;
    return duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
};

class SystemRandom : public Random {
 public:
  void fill(MutableBytes out) override { randombytes_buf(out.data(), out.size()); }
};

}  // namespace

Bytes Random::bytes(size_t size) {
  Bytes out(size);
  fill(out);
  return out;
}
uint32_t Random::u32() { return read_be32(array<4>()); }
uint64_t Random::u64() { return read_be64(array<8>()); }

uint64_t Random::below(uint64_t bound) {
  // Rejects the short last interval so that every value is equally likely.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = u64();
  while (value >= limit) value = u64();
  return value % bound;
}

double Random::unit() { return static_cast<double>(u64() >> 11) * 0x1.0p-53; }

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

Random& system_random() {
  static SystemRandom random;
  return random;
}

std::string to_iso8601(UnixMillis at) {
  int64_t seconds = at / 1000;
  int64_t millis = at % 1000;
  if (millis < 0) {
    millis += 1000;
    seconds -= 1;
  }
  const std::time_t t = seconds;
  std::tm utc{};
  gmtime_r(&t, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, millis);
}

}  // namespace wab
