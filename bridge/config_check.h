// What the values of a configuration must look like, each by itself and together. Pure.
#pragma once

#include "bridge/config.h"

namespace wab::bridge {

// The fix, when `text` is not what the check wants; of a list it is asked item by item.
const char* fix_for(ConfigCheck check, const std::string& text);

// Rules between keys: the first complaint, "section.key: what to do".
std::optional<std::string> check_together(const Config& config);

}  // namespace wab::bridge
