// Users as rows: what one holds, how it is found, and the one door through which it changes.
//
// Any shard. Rows of the deployment (JSON with "v": 1): user by e-mail address, user_index by id;
// and member by id in the user's organization (the deployment for operators), which only lists.
// Whoever changes a user takes a turn, reads, decides and writes within it, so that two changes
// never overwrite each other and a one-time code is spent once. Fields that a row of an earlier
// version lacks are off or empty.
#pragma once

#include "bridge/access.h"
#include "bridge/problem.h"
#include "bridge/turns.h"
#include "storage/store.h"

namespace wab::bridge {

struct InvitationTag {
  static constexpr const char* prefix = "inv_";
};
struct BrowserSessionTag {
  static constexpr const char* prefix = "bws_";
};
using InvitationId = Id<InvitationTag>;
using BrowserSessionId = Id<BrowserSessionTag>;

struct UserRecord {
  UserId id;
  std::string email;  // lower case
  Role role = Role::viewer;
  std::optional<OrgId> org;  // nothing: an operator
  std::string password;      // Argon2id, in the text form of libsodium
  bool disabled = false;
  UnixMillis created_at = 0;

  // The second factor. A secret is in base32; recovery codes are keyed hashes in hex.
  std::string totp_secret;   // "" when off
  std::string totp_pending;  // shown, not yet confirmed
  int64_t totp_step = 0;     // the last one used: neither it nor an earlier one is taken again
  std::vector<std::string> recovery;

  // Name of the password_reset row that counts, "" for none.
  std::string reset;

  // Names of the browser_session rows that count, oldest first: one that is not here is ended.
  std::vector<std::string> sessions;
};

// Lower case; addresses are compared so.
std::string folded_email(std::string email);
// The row, or nothing when it is not one of a user.
std::optional<UserRecord> parse_user(const Bytes& row);

class UserRows {
 public:
  UserRows(storage::Store& store, const storage::ScopeIssuer& scopes)
      : store_(store), scopes_(scopes) {}

  awaitable<Turns::Turn> turn() { return turns_.take(); }

  awaitable<Outcome<std::optional<UserRecord>>> by_email(std::string email);
  // Code::not_found without one.
  awaitable<Outcome<UserRecord>> by_id(std::string id);

  struct Page {
    std::vector<UserRecord> users;
    std::string next;
  };
  // Of the organization; operators for the deployment's scope.
  awaitable<Outcome<Page>> list(storage::OrgScope of, std::string after, size_t limit);
  awaitable<Outcome<size_t>> count(storage::OrgScope of, std::optional<Role> role);

  // Within a turn: the user's row, with `more` in the same write.
  awaitable<Outcome<void>> write(UserRecord user, storage::Commit more);
  awaitable<Outcome<void>> write(UserRecord user);
  // Within a turn: all three rows.
  awaitable<Outcome<void>> add(UserRecord user, storage::Commit more);
  // Within a turn: all rows of the user, browser sessions and linked identity included.
  awaitable<Outcome<void>> erase(UserRecord user);

  // Once before serving: rows of earlier versions get their index.
  awaitable<Outcome<void>> complete();

  storage::Commit commit() const { return storage::Commit{storage::Scope(scopes_.deployment())}; }
  storage::OrgScope deployment() const { return scopes_.deployment(); }
  storage::OrgScope scope_of(const UserRecord& user) const;

 private:
  storage::Store& store_;
  const storage::ScopeIssuer& scopes_;
  Turns turns_;
};

}  // namespace wab::bridge
