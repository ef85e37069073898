// Operators and users: first setup, sign-in, and everything about an account.
//
// Any shard. What a user is and how the row changes: user_rows.h; hashing and what makes a good
// password: passwords.h; what a cookie stands for: browser_sessions.h; one-time codes: totp.h. The
// rows of this class itself, in the deployment (JSON with "v": 1): setup_token, deployment_meta
// "setup", invitation_lookup, password_reset; and invitation in the rows of the organization (of
// the deployment for operators). Topics: people.cc, sign_in.cc, users.cc, invitations.cc,
// password_reset.cc, second_factor.cc, identities.cc.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "bridge/access.h"
#include "bridge/auth.h"
#include "bridge/login_guard.h"
#include "bridge/passwords.h"

namespace wab::bridge {

inline constexpr int64_t kSetupLifeMs = 30 * 60 * 1000;
inline constexpr int64_t kInvitationLifeMs = 7LL * 86400 * 1000;
inline constexpr int64_t kResetLifeMs = 3600 * 1000;
inline constexpr size_t kMostInvitations = 200, kMostUsers = 1000;  // of one organization

// Somebody at an identity provider. The pair is the key; the address is only shown.
struct Identity {
  std::string issuer, subject;
  std::string email;
};

class People {
 public:
  // `deployment` from ScopeIssuer::deployment(). `password` should have one thread and a queue
  // of 8.
  People(storage::Store& store, storage::OrgScope deployment, Auth& auth, Clock& clock,
         Random& random, BlockingPool& password);

  // Call once before serving: whether setup is still to be done, and if so a fresh setup token,
  // which replaces any earlier one. The caller prints it once.
  awaitable<Outcome<std::optional<std::string>>> prepare_setup();
  bool setup_pending() const { return setup_pending_; }

  // The first operator and a token for them.
  awaitable<Outcome<MintedToken>> setup(std::string setup_token, std::string email,
                                        std::string password, std::chrono::seconds token_life);
  // Code::conflict when the address is taken, weak_password.
  awaitable<Outcome<UserId>> create_user(std::string email, std::string password, Role role,
                                         std::optional<OrgId> org);

  // The value of the cookie. The time taken does not tell whether the address is known.
  struct Login {
    std::string cookie;
    Role role = Role::viewer;
    std::string organization;  // id text, "" for an operator
    std::string user;          // id text
  };
  // `code` of the second factor, "" without. A code is asked for only after the password was right:
  // Code::code_required, code_refused; bad_credentials for everything else.
  awaitable<Outcome<Login>> login(std::string email, std::string password, std::string code,
                                  SignInFacts facts);
  // For whoever proved a user in another way: a browser session. `user` is the id as text;
  // Code::not_invited when there is no such user or it is disabled; with a factor on, `code` must
  // be of it: code_required, code_refused.
  awaitable<Outcome<Login>> open_session(std::string user, SignInFacts facts,
                                         std::string code = {});
  awaitable<Outcome<void>> logout(std::string cookie);

  // Ways in beside the password. An identity leads to a user only after that user, signed in, has
  // linked it; one per user. Rows: federated_identity by "issuer subject" and by "user " and id.
  // The user's id as text, or Code::not_invited.
  awaitable<Outcome<std::string>> find_identity(Identity identity);
  // find_identity() and open_session() without a code; an earlier session of the browser ends.
  awaitable<Outcome<Login>> enter_by(Identity identity, SignInFacts facts);
  // The same again is fine; Code::conflict when it is another user's, or the user has another.
  awaitable<Outcome<void>> link_identity(std::string user, Identity identity);
  struct Linked {
    std::string email;
    UnixMillis linked_at = 0;
  };
  // Code::not_found without one.
  awaitable<Outcome<Linked>> linked_identity(std::string user);
  awaitable<Outcome<void>> unlink_identity(std::string user);

  // Other people. `caller` may reach users of his own organization, an operator everybody; whoever
  // is out of reach is Code::not_found, whoever stands above him Code::forbidden.
  awaitable<Outcome<UserRecord>> find_user(Caller caller, std::string id);
  struct UserPatch {
    std::optional<Role> role;
    std::optional<bool> disabled;
  };
  // Holds from the next request on. Code::last_owner rather than an organization that nobody
  // manages.
  awaitable<Outcome<UserRecord>> patch_user(Caller caller, std::string id, UserPatch patch);
  awaitable<Outcome<void>> erase_user(Caller caller, std::string id);
  // All users and invitations of an organization that goes.
  awaitable<Outcome<void>> erase_organization(storage::OrgScope org);

  struct Invitation {
    InvitationId id;
    std::string email;
    Role role = Role::viewer;
    std::string invited_by;
    UnixMillis created_at = 0, expires_at = 0;
  };
  struct Invited {
    Invitation invitation;
    std::string token;  // shown once
    storage::Commit lookup, row;
  };
  // As values; store_invitation() makes it true. Code::conflict when the address is a user of the
  // organization, limit_reached.
  awaitable<Outcome<Invited>> make_invitation(storage::OrgScope into, std::string email, Role role,
                                              std::string invited_by);
  // `also`: rows of the organization, true together with the invitation.
  awaitable<Outcome<void>> store_invitation(Invited invited, std::vector<storage::Row> also);
  // As store_invitation(), for an operator's call whose repeatable answer (`answer`, a row of the
  // deployment) must become true with it: the invitation's row is first, and it works only with
  // its lookup, which is in one commit with the answer.
  awaitable<Outcome<void>> store_invitation_for_operator(Invited invited,
                                                         std::vector<storage::Row> answer);
  struct InvitationPage {
    std::vector<Invitation> invitations;
    std::string next;
  };
  awaitable<Outcome<InvitationPage>> list_invitations(storage::OrgScope of, std::string after,
                                                      size_t limit);
  awaitable<Outcome<void>> erase_invitation(storage::OrgScope of, InvitationId id);
  // The user it makes. Code::invitation_refused, weak_password, conflict (the address has a user).
  awaitable<Outcome<UserRecord>> accept_invitation(std::string token, std::string password);
  // For the hourly housekeeping: what has expired, at most `most` at once; how many rows went.
  awaitable<Outcome<size_t>> sweep_invitations(storage::OrgScope of, size_t most);
  awaitable<Outcome<size_t>> sweep_links(size_t most);  // lookups, and links for a new password

  // A new password for somebody who forgot theirs: a link of one use, good for kResetLifeMs, which
  // replaces an earlier one. The second factor stays on, and its code is asked for.
  struct Reset {
    std::string token;  // shown once
    UnixMillis expires_at = 0;
    UserRecord user;
  };
  // Code::not_found, forbidden: for those beneath the caller or beside him; an owner's, and an
  // operator's, only by an operator; one's own not at all.
  awaitable<Outcome<Reset>> make_reset(Caller caller, std::string id);
  // Whose link this is: Code::reset_refused. Changes nothing.
  awaitable<Outcome<UserRecord>> find_reset(std::string token);
  // All browser sessions of the user end. Code::reset_refused, weak_password, code_required,
  // code_refused.
  awaitable<Outcome<UserRecord>> accept_reset(std::string token, std::string password,
                                              std::string code);

  // One's own account. `user` is the id as text, `cookie` of the browser that asks.
  // Ends the other browser sessions. Code::bad_credentials when `current` is wrong.
  awaitable<Outcome<void>> change_password(std::string user, std::string current,
                                           std::string password, std::string cookie);
  awaitable<Outcome<std::vector<BrowserSession>>> browser_sessions(std::string user);
  awaitable<Outcome<void>> close_session(std::string user, BrowserSessionId id);
  awaitable<Outcome<void>> close_other_sessions(std::string user, std::string cookie);
  struct TotpOffer {
    std::string secret, uri;
  };
  // A fresh secret, which counts once confirmed. Code::conflict when the second factor is on.
  awaitable<Outcome<TotpOffer>> begin_totp(std::string user);
  // The recovery codes, shown once. Code::conflict when nothing was begun, code_refused.
  awaitable<Outcome<std::vector<std::string>>> confirm_totp(std::string user, std::string code);
  awaitable<Outcome<void>> end_totp(std::string user, std::string code);

  const Passwords& passwords() const { return passwords_; }
  LoginGuard& guard() { return guard_; }

 private:
  // Within a turn.
  awaitable<Outcome<Login>> enter(UserRecord user, SignInFacts facts);
  // In a turn of its own.
  awaitable<Outcome<Login>> open_for(std::string user, SignInFacts facts, std::string code);
  // What follows a right password, in a turn of its own: `proven` is the hash that it fitted.
  awaitable<Outcome<Login>> finish_login(std::string email, std::string proven, std::string fresh,
                                         std::string code, SignInFacts facts);
  struct Found {
    Invitation invitation;
    storage::OrgScope scope;
  };
  awaitable<Outcome<Found>> find_invitation(std::string hash);
  awaitable<Outcome<UserRecord>> user_of_reset(std::string name);
  // Within a turn: the link that `user` has out does not count any more.
  static void forget_reset(UserRecord& user, storage::Commit& into);
  // Within a turn: spends `code`, of the app or for recovery, in `user`; the caller writes it.
  bool spend_code(UserRecord& user, std::string_view code) const;
  std::string recovery_name(const UserRecord& user, std::string_view code) const;
  awaitable<Outcome<void>> keep_an_owner(UserRecord user);

  storage::Store& store_;
  storage::OrgScope deployment_;
  Auth& auth_;
  Clock& clock_;
  Random& random_;
  Passwords passwords_;
  LoginGuard guard_;
  UserRows& users_;
  BrowserSessions& browsers_;
  std::atomic<bool> setup_pending_{false};
  std::atomic<bool> setup_running_{false};
};

}  // namespace wab::bridge
