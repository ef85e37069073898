// The stored settings and wish of a session (format in sessions.h). Pure.
#pragma once

#include <optional>

#include "bridge/session_directory.h"

namespace wab::bridge {

storage::Row session_row(const SessionView& view);
// Nothing for a row that does not parse; the status is left at its default.
std::optional<SessionView> read_session_row(ByteView stored);

}  // namespace wab::bridge
