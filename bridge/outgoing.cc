#include "bridge/outgoing.h"

#include <algorithm>
#include <charconv>
#include <memory>

namespace wab::bridge {
namespace {

std::vector<webhook::Network> networks_of(const Config& config) {
  std::vector<webhook::Network> out;
  for (const auto& text : config.webhook.allow_private_targets) {
    if (const auto network = webhook::Network::parse(text)) out.push_back(*network);
  }
  return out;
}

}  // namespace

webhook::Guard guard_of(const Config& config) {
  return webhook::Guard(networks_of(config), webhook::own_addresses());
}

wire::AddressJudge judge_of(const Config& config) {
  const auto guard = std::make_shared<webhook::Guard>(guard_of(config));
  return [guard](const boost::asio::ip::address& address) { return guard->allows(address); };
}

webhook::TargetRules target_rules_of(const Config& config) {
  webhook::TargetRules out;
  out.networks = networks_of(config);
  for (const auto& text : config.webhook.ports) {
    uint16_t port = 0;
    std::from_chars(text.data(), text.data() + text.size(), port);
    if (port != 0) out.ports.push_back(port);
  }
  return out;
}

webhook::Egress egress_of(const Config& config) {
  webhook::Egress out;
  if (config.webhook.proxy.empty()) return out;
  if (auto proxy = wire::parse_proxy(config.webhook.proxy)) out.proxy = std::move(*proxy);
  const auto networks = std::make_shared<std::vector<webhook::Network>>(networks_of(config));
  out.direct = [networks](const boost::asio::ip::address& address) {
    return std::ranges::any_of(*networks,
                               [&address](const auto& n) { return n.contains(address); });
  };
  return out;
}

}  // namespace wab::bridge
