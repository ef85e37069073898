// Sessions of a store that was put back from a backup.
//
// The ratchets of a backup are a step back in time: keys that they would use next were used already
// for other messages. So a session that was linked when the backup was made is held back until its
// admin logs it out and links the phone anew, or accepts the restored state
// (POST /v1/sessions/{id}/start with accept_restored_state). Either way every ratchet that we send
// with is forgotten before anything is sent: the next message to a device begins a new one, and
// what senders encrypted with the old ones they send again when asked. No message key is used
// twice.
#pragma once

#include <optional>
#include <string>

#include "session/session.h"
#include "storage/rocks_store.h"

namespace wab::bridge {

using boost::asio::awaitable;

// How a session's row names the restore that it has seen; "" without one.
std::string restore_name(const std::optional<storage::Restored>& restored);
// FAILED, restored_backup, and what to do.
void show_held_back(session::StatusView& status, const storage::Restored& restored);
// Erases every pairwise ratchet, the keys that we send with in groups and who has them; how many
// rows. For a session that has not connected since it was opened.
awaitable<Result<size_t>> forget_ratchets(storage::Store& store, storage::Scope session,
                                          session::StatusView status);

}  // namespace wab::bridge
