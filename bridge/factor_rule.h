// Who must have a second factor here (auth.require_second_factor).
//
// Pure. Whoever must and has none reaches only the routes of one's own account (Access::session)
// until one is on; tokens are not concerned.
#pragma once

#include "bridge/access.h"
#include "bridge/config.h"

namespace wab::bridge {

bool factor_required(const Config& config, Role role);
bool factor_missing(const Config& config, const Caller& caller);

}  // namespace wab::bridge
