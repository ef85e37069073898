// The text of a token: wab_<kind>_<30 base62><6 base62 checksum>.
//
// Pure. Kinds: "op" of an operator, "live" of an organization, "setup" of the first start, "invite"
// of an invitation, "reset" of a forgotten password. The checksum is CRC32 (IEEE) over everything
// before it, so that a typo or a guess is refused before anything is looked up. Secret scanners may
// use wab_(op|live|setup|invite|reset)_[0-9A-Za-z]{36}.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/base/clock.h"

namespace wab::bridge {

enum class TokenKind : uint8_t { operators, organization, setup, invitation, reset };

std::string make_token(TokenKind kind, Random& random);
// The kind, when form and checksum hold.
std::optional<TokenKind> check_token(std::string_view token);

}  // namespace wab::bridge
