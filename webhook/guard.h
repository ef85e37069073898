// Which addresses may be dialled for a tenant: public ones, and the networks that the operator
// named. A pure table (design section 4.4): every special-purpose block of IANA for both families,
// embedded IPv4 judged by what it embeds.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string_view>
#include <vector>

namespace wab::webhook {

bool is_public(const boost::asio::ip::address& address);

// Of all interfaces of this machine, now.
std::vector<boost::asio::ip::address> own_addresses();

struct Network {
  boost::asio::ip::address base;
  unsigned prefix = 0;
  bool contains(const boost::asio::ip::address& address) const;
  // "10.0.0.0/8", "fd00::/8", "127.0.0.1".
  static std::optional<Network> parse(std::string_view text);
};

class Guard {
 public:
  // `own`: addresses of this machine, which are nobody's server even when they are public.
  explicit Guard(std::vector<Network> allowed, std::vector<boost::asio::ip::address> own = {})
      : allowed_(std::move(allowed)), own_(std::move(own)) {}
  bool allows(const boost::asio::ip::address& address) const;

 private:
  std::vector<Network> allowed_;
  std::vector<boost::asio::ip::address> own_;
};

}  // namespace wab::webhook
