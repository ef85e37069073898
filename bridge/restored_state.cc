#include "bridge/restored_state.h"

namespace wab::bridge {
namespace {

using storage::Kind;

constexpr size_t kPage = 200;

// Of "GROUP::USER.DEVICE" or "GROUP::USER_1.DEVICE" (session/messaging/signal_store.h).
bool is_own_sender_key(const std::string& name, const session::StatusView& status) {
  const auto at = name.rfind("::");
  if (at == std::string::npos) return true;
  const std::string address = name.substr(at + 2);
  const std::string user = address.substr(0, address.find_first_of("._"));
  // Of a session that is linked no more, whose was whose is not known: all of them go.
  return status.pn.empty() || user == status.pn || user == status.lid;
}

}  // namespace

std::string restore_name(const std::optional<storage::Restored>& restored) {
  return restored ? to_hex(restored->id) : std::string();
}

void show_held_back(session::StatusView& status, const storage::Restored& restored) {
  status.status = session::Status::failed;
  status.since = restored.at;
  status.reason = {"restored_backup",
                   "The store was restored from a backup of " + to_iso8601(restored.backup_at) +
                       ". This session is held back, because keys that it would use next may have "
                       "been used since.",
                   "Log the session out and link the phone again. Or start it with "
                   "accept_restored_state: true, which keeps the link and forgets the ratchets; "
                   "messages under way are then sent again by their senders."};
}

awaitable<Result<size_t>> forget_ratchets(storage::Store& store, storage::Scope session,
                                          session::StatusView status) {
  size_t gone = 0;
  for (const Kind kind : {Kind::signal_session, Kind::sender_key, Kind::sender_key_map}) {
    std::string after;
    do {
      CO_TRY(auto page, co_await store.scan(session, kind, after, kPage));
      storage::Commit commit(session);
      for (auto& row : page.rows) {
        if (kind == Kind::sender_key && !is_own_sender_key(row.key.name, status)) continue;
        commit.erase.push_back(std::move(row.key));
      }
      after = page.next;
      if (commit.erase.empty()) continue;
      const size_t some = commit.erase.size();
      CO_TRY_VOID(co_await store.commit(std::move(commit)));
      gone += some;
    } while (!after.empty());
  }
  co_return gone;
}

}  // namespace wab::bridge
