// A session as the API shows it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "bridge/session_directory.h"

namespace wab::bridge {

nlohmann::json session_json(const SessionView& view);
nlohmann::json status_json(const session::StatusView& status);  // status, reason, since, me, ...

}  // namespace wab::bridge
