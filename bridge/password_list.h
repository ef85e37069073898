// The bundled list of passwords that attackers try first.
//
// Pure. See bridge/passwords/README.md for its source, licence and form.
#pragma once

#include <cstddef>
#include <string_view>

namespace wab::bridge {

// `folded` in lower case. Of passwords that are not in the list, about one in 100,000 is taken for
// one that is.
bool is_common_password(std::string_view folded);
// How many the list holds.
size_t common_passwords();

}  // namespace wab::bridge
