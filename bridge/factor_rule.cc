#include "bridge/factor_rule.h"

namespace wab::bridge {

bool factor_required(const Config& config, Role role) {
  const auto& wanted = config.auth.require_second_factor;
  if (wanted == "all") return true;
  if (wanted == "admins") return role >= Role::admin;
  return wanted == "operators" && role == Role::operators;
}

bool factor_missing(const Config& config, const Caller& caller) {
  return caller.from_browser() && !caller.has_second_factor() &&
         factor_required(config, caller.role());
}

}  // namespace wab::bridge
