// Deleting a session, which a kill at any instant leaves to be finished.
//
// Once its phone was told, the session's row says that it is being erased; then everything of it
// goes, and the row last. Whoever finds a row that says so at a start finishes it: a session of
// which half is gone must not live again, it would number its events from the beginning.
#pragma once

#include "bridge/session_directory.h"

namespace wab::bridge {

bool is_being_erased(ByteView session_row);
// Marks the row; from here on there is no way back.
awaitable<Result<void>> mark_session_erased(storage::Store* store, storage::OrgScope org,
                                            SessionView view);
awaitable<Result<void>> finish_erasing_session(storage::Store* store, storage::OrgScope org,
                                               SessionId id);

}  // namespace wab::bridge
