// Where a URL may lead, judged before any name is looked up; addresses are judged by guard.h. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "session/wire/url.h"
#include "webhook/guard.h"

namespace wab::webhook {

struct TargetRules {
  std::vector<uint16_t> ports;    // empty: every one
  std::vector<Network> networks;  // named by the operator: http and every port are allowed there

  // In words for whoever wrote the URL; nothing when deliveries may go there. A network is known by
  // an address in the URL, or "localhost": what a name stands for is not known yet.
  std::optional<std::string> refused(const wire::Url& url) const;
};

}  // namespace wab::webhook
