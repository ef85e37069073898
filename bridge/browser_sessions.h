// Browser sessions: what a cookie stands for, and how one begins and ends.
//
// Any shard. The cookie is 256 random bits and is never stored: its row (browser_session of the
// deployment, JSON with "v": 1) is named by a keyed hash. A session counts while the row of its
// user names it, so that ending one, or all, is a single write to the user's row and holds from the
// next request on. It ends by itself after 30 minutes without a request and 12 hours after sign-in.
// What is kept about the browser is coarse: the network of its address, its kind.
#pragma once

#include "bridge/user_rows.h"

namespace wab::bridge {

struct Request;

inline constexpr int64_t kBrowserIdleMs = 30 * 60 * 1000, kBrowserLifeMs = 12 * 3600 * 1000;
// Of one user; the oldest goes when one more begins.
inline constexpr size_t kMostBrowserSessions = 20;

// What a request tells about the browser that signs in.
struct SignInFacts {
  std::string address;     // "203.0.113.0/24"
  std::string agent;       // "Firefox on Linux"
  std::string old_cookie;  // ends with the sign-in, whoever's it is
};
SignInFacts facts_of(const Request& request);
std::string coarse_address(std::string_view address);
std::string short_agent(std::string_view user_agent);

struct BrowserSession {
  BrowserSessionId id;
  std::string name;  // of the row
  std::string address, agent;
  UnixMillis created_at = 0;
  UnixMillis seen_at = 0;  // to the minute
};

class BrowserSessions {
 public:
  BrowserSessions(storage::Store& store, UserRows& users, Clock& clock, Random& random)
      : store_(store), users_(users), clock_(clock), random_(random) {}

  // The user behind a cookie, while session and user count. Notes the use, unless `quietly`.
  awaitable<Outcome<UserRecord>> user_of(std::string cookie, bool quietly = false);
  std::string name_of(std::string_view cookie) const;

  // Within a turn of the user's: a new session, written with the user's row. The cookie's value.
  awaitable<Outcome<std::string>> open(UserRecord user, SignInFacts facts);
  // Those of the user that have not ended, newest first.
  awaitable<Outcome<std::vector<BrowserSession>>> list(UserRecord user);
  // Within a turn: the session of this name.
  awaitable<Outcome<void>> close(UserRecord user, std::string name);
  // Takes every session but `keep` out of `user`; the caller writes both in one turn.
  static void forget_all(UserRecord& user, std::string_view keep, storage::Commit& into);

  // Whoever's it is; takes its own turn.
  awaitable<Outcome<void>> close_cookie(std::string cookie);

 private:
  storage::Store& store_;
  UserRows& users_;
  Clock& clock_;
  Random& random_;
};

}  // namespace wab::bridge
