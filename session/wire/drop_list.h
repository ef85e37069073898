// Addresses that a listening socket is deaf to: the kernel drops their connection attempts.
//
// Accepting a connection only to close it costs a flooded service more than it costs the flooder. A
// classic BPF filter on the listening socket (SO_ATTACH_FILTER, no privilege needed; socket(7))
// lets nothing of them arrive: no answer, not even a refusal. Connections that stand already keep
// the filter they were born with. The program is a pure function of the list.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <span>
#include <vector>

namespace wab::wire {

// One address, of IPv6 the whole /64 (what limits count as one client).
struct Dropped {
  boost::asio::ip::address address;
  bool operator==(const Dropped&) const = default;
};

inline constexpr size_t kMostDropped = 256;

// struct sock_filter without the kernel's header.
struct FilterStep {
  uint16_t code;
  uint8_t if_true, if_false;
  uint32_t value;
};

// At most kMostDropped addresses; the rest are left out.
std::vector<FilterStep> drop_program(std::span<const Dropped> list);

}  // namespace wab::wire
