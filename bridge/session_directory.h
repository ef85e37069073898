// All sessions of all organizations, as the HTTP side sees them.
//
// Declared here, implemented by the session manager (bridge/sessions). Every call may be made on
// any shard and hops to the session's own; it answers on the caller's. A session id of another
// organization is SessionError::not_found, exactly as an unknown one. Calls that return `void` are
// legal in every state and idempotent.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bridge/problem.h"
#include "session/session.h"

namespace wab::bridge {

using boost::asio::awaitable;

struct SessionSettings {
  std::string name;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string proxy;  // "" for the deployment's
};

struct SessionPatch {
  std::optional<std::string> name;
  std::optional<std::vector<std::pair<std::string, std::string>>> metadata;  // replaces all
  std::optional<std::string> proxy;                                          // "" takes it away
};

struct SessionView {
  SessionId id;
  SessionSettings settings;
  bool wanted = false;  // start was asked for and stop was not: survives a restart
  UnixMillis created_at = 0;
  UnixMillis updated_at = 0;
  session::StatusView status;
  // The restore (storage::Restored) up to which this session's state is good; not shown.
  std::string restore_seen = {};
};

// What a follower of the pairing sees. `version` grows with every change of status or code.
struct PairingView {
  uint64_t version = 0;
  session::StatusView status;
  std::optional<session::QrView> qr;
};

class SessionDirectory {
 public:
  virtual ~SessionDirectory() = default;

  // Stores the session, stopped. `also` are rows of the organization that become true in the same
  // commit. Whether there is room for one more was asked of Quotas before.
  virtual awaitable<Outcome<SessionView>> create(storage::OrgScope org, SessionId id,
                                                 SessionSettings settings,
                                                 std::vector<storage::Row> also) = 0;
  virtual awaitable<Outcome<SessionView>> get(storage::OrgScope org, SessionId id) = 0;
  struct Page {
    std::vector<SessionView> sessions;
    std::string next;  // mark for the next page, "" at the end
  };
  virtual awaitable<Outcome<Page>> list(storage::OrgScope org, std::string after, size_t limit) = 0;
  virtual awaitable<Outcome<SessionView>> patch(storage::OrgScope org, SessionId id,
                                                SessionPatch patch) = 0;
  // Logs out, ends the actor, erases every row of it.
  virtual awaitable<Outcome<void>> erase(storage::OrgScope org, SessionId id) = 0;
  // Ends every session of an organization that is being deleted; their rows go with it.
  virtual awaitable<Outcome<void>> erase_organization(storage::OrgScope org) = 0;

  virtual awaitable<Outcome<void>> start(storage::OrgScope org, SessionId id) = 0;
  // Lets a session go on that is held back since a backup was restored: forgets its ratchets, so
  // that no message key is used twice. For any other session nothing happens.
  virtual awaitable<Outcome<void>> accept_restored(storage::OrgScope org, SessionId id) = 0;
  virtual awaitable<Outcome<void>> stop(storage::OrgScope org, SessionId id) = 0;
  virtual awaitable<Outcome<void>> restart(storage::OrgScope org, SessionId id) = 0;
  virtual awaitable<Outcome<void>> logout(storage::OrgScope org, SessionId id) = 0;

  // As soon as the version differs from `seen` (0: at once), else at the deadline, or when the
  // service stops, with what is there then.
  virtual awaitable<Outcome<PairingView>> watch(storage::OrgScope org, SessionId id, uint64_t seen,
                                                SteadyTime deadline) = 0;
  virtual awaitable<Outcome<session::PairingCodeView>> pairing_code(storage::OrgScope org,
                                                                    SessionId id,
                                                                    std::string phone) = 0;
  virtual awaitable<Outcome<session::SendAccepted>> send_text(storage::OrgScope org, SessionId id,
                                                              MessageRowId message,
                                                              session::SendText text,
                                                              session::SendAlso also) = 0;
  virtual awaitable<Outcome<session::MessageView>> message(storage::OrgScope org, SessionId id,
                                                           MessageRowId message) = 0;
};

}  // namespace wab::bridge
