#include "webhook/guard.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

namespace wab::webhook {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

constexpr const char* kSpecial4[] = {
    "0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10",   "127.0.0.0/8",     "169.254.0.0/16",
    "172.16.0.0/12",  "192.0.0.0/24",   "192.0.2.0/24",    "192.31.196.0/24", "192.52.193.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",   "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4"};

constexpr const char* kSpecial6[] = {"::/96",  // unspecified, loopback, IPv4-compatible
                                     "64:ff9b:1::/48", "100::/64",  "100:0:0:1::/64",
                                     "2001::/23",  // Teredo, ORCHID, benchmarking
                                     "2001:db8::/32",  "2002::/16", "3fff::/20",      "5f00::/16",
                                     "fc00::/7",       "fe80::/10", "fec0::/10",      "ff00::/8"};

std::vector<Network> parse_all(const char* const* begin, const char* const* end) {
  std::vector<Network> out;
  for (; begin != end; ++begin) out.push_back(*Network::parse(*begin));
  return out;
}

std::optional<address_v4> embedded(const address_v6& v6) {
  const auto bytes = v6.to_bytes();
  const bool mapped = v6.is_v4_mapped();
  static const auto nat64 = boost::asio::ip::make_address_v6("64:ff9b::").to_bytes();
  const bool translated = std::equal(bytes.begin(), bytes.begin() + 12, nat64.begin());
  if (!mapped && !translated) return std::nullopt;
  return address_v4({bytes[12], bytes[13], bytes[14], bytes[15]});
}

template <class Array>
bool same_prefix(const Array& a, const Array& b, unsigned bits) {
  for (unsigned i = 0; i < bits; ++i) {
    const unsigned mask = 0x80u >> (i % 8);
    if ((a[i / 8] & mask) != (b[i / 8] & mask)) return false;
  }
  return true;
}

}  // namespace

std::optional<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  boost::system::error_code error;
  Network out;
  out.base = boost::asio::ip::make_address(std::string(text.substr(0, slash)), error);
  if (error) return std::nullopt;
  const unsigned most = out.base.is_v4() ? 32 : 128;
  out.prefix = most;
  if (slash != std::string_view::npos) {
    const auto number = text.substr(slash + 1);
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), out.prefix);
    if (parsed.ec != std::errc() || parsed.ptr != number.data() + number.size() ||
        out.prefix > most) {
      return std::nullopt;
    }
  }
  return out;
}

bool Network::contains(const address& a) const {
  if (a.is_v4() != base.is_v4()) return false;
  if (a.is_v4()) return same_prefix(a.to_v4().to_bytes(), base.to_v4().to_bytes(), prefix);
  return same_prefix(a.to_v6().to_bytes(), base.to_v6().to_bytes(), prefix);
}

bool is_public(const address& a) {
  static const auto special4 = parse_all(std::begin(kSpecial4), std::end(kSpecial4));
  static const auto special6 = parse_all(std::begin(kSpecial6), std::end(kSpecial6));
  const auto in = [&a](const Network& network) { return network.contains(a); };
  if (a.is_v4()) return std::none_of(special4.begin(), special4.end(), in);
  if (const auto v4 = embedded(a.to_v6())) return is_public(*v4);
  return a.to_v6().scope_id() == 0 && std::none_of(special6.begin(), special6.end(), in);
}

std::vector<address> own_addresses() {
  std::vector<address> out;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return out;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    if (one->ifa_addr->sa_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, one->ifa_addr, sizeof(in));
      out.emplace_back(address_v4(ntohl(in.sin_addr.s_addr)));
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 in{};
      std::memcpy(&in, one->ifa_addr, sizeof(in));
      address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
      out.emplace_back(address_v6(bytes));
    }
  }
  freeifaddrs(list);
  return out;
}

bool Guard::allows(const address& a) const {
  if (is_public(a) && std::find(own_.begin(), own_.end(), a) == own_.end()) return true;
  return std::any_of(allowed_.begin(), allowed_.end(), [&a](const Network& network) {
    if (network.contains(a)) return true;
    const auto v4 = a.is_v6() ? embedded(a.to_v6()) : std::nullopt;
    return v4 && network.contains(*v4);
  });
}

}  // namespace wab::webhook
