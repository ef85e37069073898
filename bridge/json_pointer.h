// Where in a document something is wrong (RFC 6901).
//
// Pure; apart, so that fuzzers need nothing else.
#pragma once

#include <string>
#include <string_view>

namespace wab::bridge {

// One part of a JSON pointer: "~" and "/" escaped.
std::string pointer_part(std::string_view key);

}  // namespace wab::bridge
