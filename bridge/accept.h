// Choosing a representation by the Accept header (RFC 9110 section 12.5.1). Pure.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace wab::bridge {

// The best of `offered`, which stand in our own order of preference; nothing when none is accepted.
// An absent header accepts everything.
std::optional<std::string_view> negotiate(std::string_view accept,
                                          std::span<const std::string_view> offered);

}  // namespace wab::bridge
