#include "bridge/barred.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <string>

namespace wab::bridge {

bool Barred::add(std::string_view text, SteadyTime now) {
  boost::system::error_code bad;
  auto address = boost::asio::ip::make_address(std::string(text), bad);
  if (bad || list_.size() == wire::kMostDropped) return false;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
  }
  if (address.is_v6()) {
    auto bytes = address.to_v6().to_bytes();
    std::fill(bytes.begin() + 8, bytes.end(), 0);
    address = boost::asio::ip::address_v6(bytes);
  }
  const wire::Dropped one{address};
  if (std::find(list_.begin(), list_.end(), one) != list_.end()) return false;
  list_.push_back(one);
  until_.push_back(now + kFor);
  return true;
}

bool Barred::expire(SteadyTime now) {
  const auto over = std::upper_bound(until_.begin(), until_.end(), now) - until_.begin();
  list_.erase(list_.begin(), list_.begin() + over);
  until_.erase(until_.begin(), until_.begin() + over);
  return over > 0;
}

SteadyTime Barred::next() const { return until_.front(); }

}  // namespace wab::bridge
