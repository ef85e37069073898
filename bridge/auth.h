// Proof of who calls: tokens and browser sessions to a Caller; making and revoking tokens.
//
// Any shard. Nothing is cached: every request reads the token's two rows, so that a revoked token
// is refused by the next request. A token's text is never stored; its row is found by a keyed hash
// (Store::keyed_hash of the deployment, the pepper) and compared in constant time.
//
// Rows (JSON with "v": 1): token_lookup in the deployment says which organization; token in the
// organization (or the deployment, for an operator's) says role, scopes and expiry. The lookup is
// written first and erased last, so that a crash leaves at most a lookup that leads nowhere.
#pragma once

#include <string>
#include <vector>

#include "bridge/access.h"
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
  UnixMillis created_at = 0;
  UnixMillis expires_at = 0;
};

struct MintedToken {
  TokenRecord record;
  std::string token;  // shown once
  storage::Row lookup, row;
};

inline constexpr std::string_view kCookie = "__Host-wab";
inline constexpr int64_t kBrowserIdleMs = 30 * 60 * 1000, kBrowserLifeMs = 12 * 3600 * 1000;

class Auth {
 public:
  Auth(storage::Store& store, const storage::ScopeIssuer& scopes, Clock& clock, Random& random);

  // The value of the Authorization header.
  awaitable<Outcome<Caller>> by_token(std::string authorization);
  // The value of the cookie.
  awaitable<Outcome<Caller>> by_cookie(std::string cookie);

  // A new token as values; store() makes it true, together with `also` (rows of the organization).
  MintedToken mint(storage::OrgScope owner, std::string name, Role role,
                   std::optional<Permissions> scopes, std::chrono::seconds life);
  awaitable<Outcome<void>> store(storage::OrgScope owner, MintedToken minted,
                                 std::vector<storage::Row> also);
  struct TokenPage {
    std::vector<TokenRecord> tokens;
    std::string next;
  };
  awaitable<Outcome<TokenPage>> list(storage::OrgScope owner, std::string after, size_t limit);
  awaitable<Outcome<void>> revoke(storage::OrgScope owner, TokenId id);

  // An operator's way into one organization: 404 when there is none of that id.
  awaitable<Outcome<storage::OrgScope>> organization(const Caller& operator_caller, OrgId id);

 private:
  std::string lookup_name(std::string_view token) const;

  storage::Store& store_;
  const storage::ScopeIssuer& scopes_;
  Clock& clock_;
  Random& random_;
};

}  // namespace wab::bridge
