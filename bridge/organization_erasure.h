// The last part of deleting an organization, which a kill at any instant leaves to be finished.
//
// First everything that has to be read is undone (sessions unlinked, endpoints, people); then the
// organization's row says so; then its half key is destroyed and nothing of it can be read again.
// Whoever finds a row that says so, the next start or the same call again, goes on from there.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "bridge/audit.h"
#include "bridge/stored.h"

namespace wab::bridge {

bool is_being_erased(const nlohmann::json& organization_row);

// Marks the row; from here on there is no way back.
awaitable<Outcome<void>> mark_erased(storage::Store* store, storage::OrgScope deployment,
                                     nlohmann::json organization_row);
// Destroys the key, erases every row and at last the organization's own.
awaitable<Outcome<void>> finish_erasing(storage::Store* store, Audit* audit,
                                        storage::OrgScope deployment, storage::OrgScope org);

}  // namespace wab::bridge
