// Proof of who calls: tokens and browser sessions to a Caller; making and revoking tokens.
//
// Any shard. Nothing is cached: every request reads the token's two rows, so that a revoked token
// is refused by the next request. A token's text is never stored; its row is found by a keyed hash
// (Store::keyed_hash of the deployment, the pepper) and compared in constant time. A token may be
// limited to sessions and to networks of its callers. When it was last used is written at most once
// an hour, to a row of its own, so that no use can bring a revoked token back.
//
// Rows (JSON with "v": 1): token_lookup in the deployment says which organization; token in the
// organization (or the deployment, for an operator's) says role, scopes and expiry. The lookup is
// written first and erased last, so that a crash leaves at most a lookup that leads nowhere.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "bridge/access.h"
#include "bridge/browser_sessions.h"
#include "bridge/problem.h"
#include "bridge/token.h"
#include "storage/store.h"

namespace wab::bridge {

using boost::asio::awaitable;

struct TokenRecord {
  TokenId id;
  std::string name;
  Role role = Role::viewer;
  std::optional<Permissions> scopes;  // nothing: all that the role gives
  std::vector<SessionId> sessions;    // none: all sessions
  std::vector<std::string> ip_allow;  // networks; none: from everywhere
  UnixMillis created_at = 0;
  UnixMillis expires_at = 0;
  UnixMillis last_used_at = 0;  // to the hour; 0: never or not asked: list() alone fills it in
};

// A token of ours that was refused all the same: for the audit log, never for the caller.
struct TokenRefusal {
  storage::OrgScope owner;
  TokenId id;
  std::string_view why;  // "expired", "address"
};
inline constexpr int64_t kLastUsedEveryMs = 3600 * 1000;

struct MintedToken {
  TokenRecord record;
  std::string token;  // shown once
  storage::Row lookup, row;
};

inline constexpr std::string_view kCookie = "__Host-wab";

class Auth {
 public:
  Auth(storage::Store& store, const storage::ScopeIssuer& scopes, Clock& clock, Random& random);

  // The value of the Authorization header, and the client's address.
  awaitable<Outcome<Caller>> by_token(std::string authorization, std::string address = {},
                                      std::optional<TokenRefusal>* refusal = nullptr);
  // The value of the cookie. `quietly`: only to see, which keeps no session from ending.
  awaitable<Outcome<Caller>> by_cookie(std::string cookie, bool quietly = false);

  // A new token as values; store() makes it true, together with `also` (rows of the organization).
  MintedToken mint(storage::OrgScope owner, std::string name, Role role,
                   std::optional<Permissions> scopes, std::chrono::seconds life);
  // The same with everything a token can have; id and times are given here.
  MintedToken mint(storage::OrgScope owner, TokenRecord wish, std::chrono::seconds life);
  awaitable<Outcome<void>> store(storage::OrgScope owner, MintedToken minted,
                                 std::vector<storage::Row> also);
  struct TokenPage {
    std::vector<TokenRecord> tokens;
    std::string next;
  };
  // As store(), for an operator's call whose repeatable answer (`answer`, a row of the deployment)
  // must become true with the token: the token's own row is first, and it works only with its
  // lookup, which is in one commit with the answer.
  awaitable<Outcome<void>> store_for_operator(storage::OrgScope owner, MintedToken minted,
                                              std::vector<storage::Row> answer);
  struct StoredToken {
    TokenRecord record;
    std::string hash;
  };
  awaitable<Outcome<StoredToken>> find(storage::OrgScope owner, TokenId id);
  // Its row, changed: for a commit of the caller.
  storage::Row row_of(const StoredToken& token) const;
  awaitable<Outcome<TokenPage>> list(storage::OrgScope owner, std::string after, size_t limit);
  awaitable<Outcome<void>> revoke(storage::OrgScope owner, TokenId id);
  // For the hourly housekeeping: rows of tokens that expired more than `after` ago, and rows that
  // no lookup leads to. At most `most` at once; how many went.
  awaitable<Outcome<size_t>> sweep(storage::OrgScope owner, std::chrono::hours after, size_t most);

  // An operator's way into one organization: 404 when there is none of that id.
  awaitable<Outcome<storage::OrgScope>> organization(const Caller& operator_caller, OrgId id);

  UserRows& users() { return users_; }
  BrowserSessions& browsers() { return browsers_; }

 private:
  std::string lookup_name(std::string_view token) const;
  awaitable<void> note_use(storage::OrgScope owner, TokenId id);

  storage::Store& store_;
  const storage::ScopeIssuer& scopes_;
  Clock& clock_;
  Random& random_;
  UserRows users_;
  BrowserSessions browsers_;
  std::mutex used_mutex_;
  std::unordered_map<TokenId, UnixMillis> used_;  // when we last wrote it down
};

}  // namespace wab::bridge
