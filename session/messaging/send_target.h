// Whom the API means by "to": digits of a phone number, or a JID of a person or group. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "session/node/jid.h"

namespace wab::session {

// "15550100002", "+1 555 010 0002", "15550100002@s.whatsapp.net", "1000@lid", "1203...@g.us".
// Nothing for anything else; a device part is dropped.
std::optional<node::Jid> parse_target(std::string_view to);

}  // namespace wab::session
