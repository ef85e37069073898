// What a connection opens with: registration or login, the cached server key, edge routing (dossier
// 1 sections 1.2, 2.5 and 3).
#pragma once

#include "session/engine.h"

namespace wab::session {

// `use_cached_key`: try IK when a verified chain is kept and still valid.
Connection::Opening make_opening(const Engine& engine, bool use_cached_key);

}  // namespace wab::session
