#include "session/wire/drop_list.h"

#include <linux/filter.h>

#include <boost/asio/ip/address_v6.hpp>
#include <boost/endian/conversion.hpp>

namespace wab::wire {
namespace {

// Offsets from the network header, whatever the socket's own view of the packet begins with.
constexpr uint32_t kNetwork = static_cast<uint32_t>(SKF_NET_OFF);
constexpr uint32_t kIpv4Source = 12, kIpv6Source = 8;
constexpr uint32_t kAccept = 0xffffffff, kDrop = 0;

FilterStep load(uint32_t offset) { return {BPF_LD | BPF_W | BPF_ABS, 0, 0, kNetwork + offset}; }
FilterStep end(uint32_t verdict) { return {BPF_RET | BPF_K, 0, 0, verdict}; }
FilterStep unless_equal_skip(uint32_t value, uint8_t steps) {
  return {BPF_JMP | BPF_JEQ | BPF_K, 0, steps, value};
}

}  // namespace

std::vector<FilterStep> drop_program(std::span<const Dropped> list) {
  list = list.first(std::min(list.size(), kMostDropped));
  std::vector<FilterStep> v4, v6;
  for (const Dropped& one : list) {
    if (one.address.is_v4()) {
      v4.push_back(unless_equal_skip(one.address.to_v4().to_uint(), 1));
      v4.push_back(end(kDrop));
      continue;
    }
    const auto bytes = one.address.to_v6().to_bytes();
    v6.push_back(load(kIpv6Source));
    v6.push_back(unless_equal_skip(boost::endian::load_big_u32(bytes.data()), 3));
    v6.push_back(load(kIpv6Source + 4));
    v6.push_back(unless_equal_skip(boost::endian::load_big_u32(bytes.data() + 4), 1));
    v6.push_back(end(kDrop));
  }
  std::vector<FilterStep> program;
  program.push_back({BPF_LD | BPF_B | BPF_ABS, 0, 0, kNetwork});
  program.push_back({BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xf0});
  program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0x40});  // to IPv4, which is far
  program.push_back({BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(v4.size()) + 2});
  program.push_back(load(kIpv4Source));
  program.insert(program.end(), v4.begin(), v4.end());
  program.push_back(end(kAccept));
  program.insert(program.end(), v6.begin(), v6.end());
  program.push_back(end(kAccept));
  return program;
}

}  // namespace wab::wire
