// Every session of every organization: which shard it lives on, its wish, its actor.
//
// Implements SessionDirectory. Owned by the service; all state is per shard and touched by that
// shard's thread alone, calls hop there with on(). The wish (started or stopped) and the settings
// are the row Kind::session_config of the organization, name = session id text, JSON {"v":1,
// "id","name","metadata","proxy","wanted","restore_seen"?,"erasing"?,"created_at","updated_at"}.
//
// After a restore a session that is linked to a phone is held back (restored_state.h): it keeps its
// wish, shows FAILED with the reason restored_backup, and is not started.
#pragma once

#include <map>
#include <memory>

#include "bridge/config.h"
#include "bridge/session_context.h"
#include "bridge/session_directory.h"
#include "storage/base/shards.h"

namespace wab::bridge {

class Sessions final : public SessionDirectory {
 public:
  Sessions(Shards& shards, SessionWorld& world, const Config& config);
  ~Sessions() override;

  // After a start: opens every session of this organization, from the disk alone.
  awaitable<Result<size_t>> recover(storage::OrgScope org);
  // Then connects those that are wanted, spread by the dial budget.
  awaitable<void> start_wanted();
  // Finishes what sessions hold and closes them; no call after.
  awaitable<void> close();
  // Sessions by status word and reason code, for the metrics.
  using Counts = std::map<std::pair<std::string, std::string>, size_t>;
  awaitable<Counts> count();

  awaitable<Outcome<SessionView>> create(storage::OrgScope org, SessionId id,
                                         SessionSettings settings,
                                         std::vector<storage::Row> also) override;
  awaitable<Outcome<SessionView>> get(storage::OrgScope org, SessionId id) override;
  awaitable<Outcome<Page>> list(storage::OrgScope org, std::string after, size_t limit) override;
  awaitable<Outcome<SessionView>> patch(storage::OrgScope org, SessionId id,
                                        SessionPatch patch) override;
  awaitable<Outcome<void>> erase(storage::OrgScope org, SessionId id) override;
  awaitable<Outcome<void>> erase_organization(storage::OrgScope org) override;
  awaitable<Outcome<void>> start(storage::OrgScope org, SessionId id) override;
  awaitable<Outcome<void>> accept_restored(storage::OrgScope org, SessionId id) override;
  awaitable<Outcome<void>> stop(storage::OrgScope org, SessionId id) override;
  awaitable<Outcome<void>> restart(storage::OrgScope org, SessionId id) override;
  awaitable<Outcome<void>> logout(storage::OrgScope org, SessionId id) override;
  awaitable<Outcome<PairingView>> watch(storage::OrgScope org, SessionId id, uint64_t seen,
                                        SteadyTime deadline) override;
  awaitable<Outcome<session::PairingCodeView>> pairing_code(storage::OrgScope org, SessionId id,
                                                            std::string phone) override;
  awaitable<Outcome<session::SendAccepted>> send_text(storage::OrgScope org, SessionId id,
                                                      MessageRowId message, session::SendText text,
                                                      session::SendAlso also) override;
  awaitable<Outcome<session::MessageView>> message(storage::OrgScope org, SessionId id,
                                                   MessageRowId message) override;

 private:
  struct Entry;
  struct Shard;
  using EntryPtr = std::shared_ptr<Entry>;
  enum class Wish { start, stop, restart, logout };

  Shard& shard_of(const SessionId& id);
  EntryPtr find(Shard& shard, const OrgId& org, const SessionId& id);
  SessionView view_of(const Entry& entry) const;
  session::StatusView status_of(const Entry& entry) const;
  awaitable<Outcome<EntryPtr>> add(Shard& shard, storage::OrgScope org, SessionView settings);
  awaitable<Outcome<void>> store(storage::OrgScope org, EntryPtr entry,
                                 std::vector<storage::Row> also);

  awaitable<Outcome<SessionView>> do_create(Shard& shard, storage::OrgScope org, SessionId id,
                                            SessionSettings settings,
                                            std::vector<storage::Row> also);
  awaitable<Outcome<SessionView>> do_get(Shard& shard, OrgId org, SessionId id);
  awaitable<Outcome<SessionView>> do_patch(Shard& shard, storage::OrgScope org, SessionId id,
                                           SessionPatch patch);
  awaitable<Outcome<void>> do_erase(Shard& shard, storage::OrgScope org, SessionId id);
  awaitable<Outcome<void>> do_wish(Shard& shard, storage::OrgScope org, SessionId id, Wish wish);
  awaitable<Outcome<void>> do_accept(Shard& shard, storage::OrgScope org, SessionId id);
  // Its rows tell nothing of before the restore any more: it is held back no longer.
  awaitable<Outcome<void>> release(storage::OrgScope org, EntryPtr entry);
  awaitable<Outcome<PairingView>> do_watch(Shard& shard, OrgId org, SessionId id, uint64_t seen,
                                           SteadyTime deadline);
  awaitable<Outcome<session::PairingCodeView>> do_pairing_code(Shard& shard, OrgId org,
                                                               SessionId id, std::string phone);
  awaitable<Outcome<session::SendAccepted>> do_send(Shard& shard, OrgId org, SessionId id,
                                                    MessageRowId message, session::SendText text,
                                                    session::SendAlso also);
  awaitable<Outcome<session::MessageView>> do_message(Shard& shard, OrgId org, SessionId id,
                                                      MessageRowId message);
  awaitable<void> do_recover(Shard& shard, storage::OrgScope org, SessionView stored);
  awaitable<void> do_start_wanted(Shard& shard);
  awaitable<void> do_close(Shard& shard);
  awaitable<Outcome<void>> wish(storage::OrgScope org, SessionId id, Wish wish);

  Shards& shards_;
  SessionWorld& world_;
  const Config& config_;
  std::vector<std::unique_ptr<Shard>> state_;
};

}  // namespace wab::bridge
