// JSON from strangers: one document, UTF-8, depth at most 64, no key twice in one object.
//
// Pure. nlohmann's parser alone would accept duplicate keys (the last wins) and any depth.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <tl/expected.hpp>

#include "bridge/shape.h"

namespace wab::bridge {

inline constexpr int kMaxJsonDepth = 64;

// The error names the place by its JSON pointer, as far as the parser came.
tl::expected<nlohmann::json, FieldError> parse_strict_json(std::string_view text);

}  // namespace wab::bridge
