// JSON from strangers: one document, UTF-8, depth at most 64, no key twice in one object.
//
// Pure. nlohmann's parser alone would accept duplicate keys (the last wins) and any depth.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace wab::bridge {

inline constexpr int kMaxJsonDepth = 64;

// The error says what is wrong in words for the caller of the API.
tl::expected<nlohmann::json, std::string> parse_strict_json(std::string_view text);

}  // namespace wab::bridge
