// Opaque cursors of paged lists.
//
// A cursor is the store's own page mark with a keyed check over it, so that a caller can neither
// read it as something else nor hand one list's (or organization's) cursor to another.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/store.h"

namespace wab::bridge {

std::string seal_cursor(storage::Store& store, storage::OrgScope org, std::string_view list,
                        std::string_view mark);
// Nothing when it is not one of ours. "" opens to "" (the first page).
std::optional<std::string> open_cursor(storage::Store& store, storage::OrgScope org,
                                       std::string_view list, std::string_view cursor);

}  // namespace wab::bridge
