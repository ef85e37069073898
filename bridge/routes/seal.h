// The table of routes/seal.cc.
#pragma once

#include "bridge/router.h"

namespace wab::bridge {

std::span<const Route> seal_routes();

}  // namespace wab::bridge
