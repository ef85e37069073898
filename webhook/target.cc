#include "webhook/target.h"

#include <algorithm>

namespace wab::webhook {

std::optional<std::string> TargetRules::refused(const wire::Url& url) const {
  if (url.scheme != "https" && url.scheme != "http") return "must begin with https://";
  boost::system::error_code error;
  const std::string host = url.host == "localhost" ? "127.0.0.1" : url.host;
  auto address = boost::asio::ip::make_address(host, error);
  if (!error) {
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
      address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
    }
    const auto in = [&address](const Network& network) { return network.contains(address); };
    if (std::any_of(networks.begin(), networks.end(), in)) return std::nullopt;
  }
  if (url.scheme == "http") return "must begin with https://";
  if (ports.empty() || std::find(ports.begin(), ports.end(), url.port) != ports.end()) {
    return std::nullopt;
  }
  std::string allowed;
  for (const uint16_t port : ports) allowed += (allowed.empty() ? "" : ", ") + std::to_string(port);
  return "must use one of the ports " + allowed;
}

}  // namespace wab::webhook
