#include "bridge/limits.h"

#include <sodium.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

namespace wab::bridge {

Limits::Limits(const Clock& clock, Random& random)
    : clock_(clock),
      seed_(random.array<16>()),
      slots_(new Slot[kSlots]),
      counters_(new std::atomic<int32_t>[kCounters]()) {}
Limits::~Limits() = default;

uint64_t Limits::hash(std::string_view policy, std::string_view key) const {
  Bytes data = to_bytes(policy);
  data.push_back(0);
  append(data, view(key));
  ByteArray<8> out;
  crypto_shorthash(out.data(), data.data(), data.size(), seed_.data());
  return read_be64(out) | 1;  // 0 marks an empty slot
}

Verdict Limits::take(std::string_view policy, std::string_view key, int64_t quota,
                     std::chrono::seconds window) {
  const int64_t now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.steady().time_since_epoch())
          .count();
  const int64_t span = std::chrono::nanoseconds(window).count();
  const int64_t step = std::max<int64_t>(span / quota, 1);
  const uint64_t id = hash(policy, key);
  Slot* const bucket = &slots_[(id % (kSlots / kWays)) * kWays];

  Slot* slot = nullptr;
  for (size_t i = 0; i < kWays && !slot; ++i) {
    if (bucket[i].key.load() == id) slot = &bucket[i];
  }
  // A slot whose time has passed says the same as an empty one: take it over as it is.
  for (size_t i = 0; i < kWays && !slot; ++i) {
    uint64_t old = bucket[i].key.load();
    if (old != 0 && bucket[i].tat.load() > now) continue;
    if (bucket[i].key.compare_exchange_strong(old, id) || old == id) slot = &bucket[i];
  }
  if (!slot) {
    slot = std::max_element(bucket, bucket + kWays, [](const Slot& a, const Slot& b) {
      return a.tat.load() < b.tat.load();
    });
  }

  Verdict verdict;
  verdict.quota = quota;
  int64_t tat = slot->tat.load();
  for (;;) {
    const int64_t next = std::max(tat, now) + step;
    if (next - now > span) {
      verdict.allowed = false;
      verdict.retry_after = std::max<int64_t>((next - now - span + 999'999'999) / 1'000'000'000, 1);
      break;
    }
    if (slot->tat.compare_exchange_weak(tat, next)) {
      tat = next;
      break;
    }
  }
  const int64_t used = std::max<int64_t>(tat - now, 0);
  verdict.remaining = std::max<int64_t>((span - used) / step, 0);
  if (!verdict.allowed) verdict.remaining = 0;
  verdict.reset_s = (used + 999'999'999) / 1'000'000'000;
  return verdict;
}

bool Limits::enter(std::string_view address, int64_t per_address, int64_t in_all) {
  auto& counter = counters_[hash("connection", address_group(address)) % kCounters];
  if (connections_.fetch_add(1) >= in_all) {
    connections_.fetch_sub(1);
    return false;
  }
  if (counter.fetch_add(1) >= per_address) {
    counter.fetch_sub(1);
    connections_.fetch_sub(1);
    return false;
  }
  return true;
}

void Limits::leave(std::string_view address) {
  counters_[hash("connection", address_group(address)) % kCounters].fetch_sub(1);
  connections_.fetch_sub(1);
}

InFlight::InFlight() : slots_(new std::atomic<uint64_t>[kSlots]()) {}

InFlight::Answer InFlight::claim(uint64_t key) {
  auto* const bucket = &slots_[(key % (kSlots / kWays)) * kWays];
  size_t mine = kWays;
  for (size_t i = 0; i < kWays && mine == kWays; ++i) {
    uint64_t empty = 0;
    if (bucket[i].compare_exchange_strong(empty, key)) mine = i;
  }
  if (mine == kWays) return Answer::full;
  // Stand first, then look around: of two that came together at least one sees the other.
  for (size_t i = 0; i < kWays; ++i) {
    if (i == mine || bucket[i].load() != key) continue;
    bucket[mine].store(0);
    return Answer::taken;
  }
  return Answer::claimed;
}

void InFlight::release(uint64_t key) {
  auto* const bucket = &slots_[(key % (kSlots / kWays)) * kWays];
  for (size_t i = 0; i < kWays; ++i) {
    uint64_t held = key;
    if (bucket[i].compare_exchange_strong(held, 0)) return;
  }
}

std::string address_group(std::string_view text) {
  boost::system::error_code ec;
  const auto address = boost::asio::ip::make_address(std::string(text), ec);
  if (ec || address.is_v4()) return std::string(text);
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6).to_string();
  }
  const auto raw = v6.to_bytes();
  return to_hex(ByteView(raw).first(8)) + "/64";
}

}  // namespace wab::bridge
