// Which user a Google account belongs to.
//
// Any shard. An identity is (issuer, subject) and leads to a user only after that user, signed in,
// has linked it: an e-mail address in a token proves nothing about users here, not even one that
// holds an invitation. One account per user. Rows in the deployment, which must agree with each
// other: deployment_meta by "google issuer subject", and by "google user " and the user's id.
#pragma once

#include "bridge/id_token.h"
#include "bridge/people.h"

namespace wab::bridge {

class GoogleAccounts {
 public:
  GoogleAccounts(storage::Store& store, storage::OrgScope deployment, Clock& clock, Random& random)
      : store_(store), deployment_(deployment), clock_(clock), random_(random) {}

  // A new browser session for the user who linked this identity; Code::not_invited without one.
  awaitable<Outcome<People::Login>> enter(IdClaims claims);

  // Links it to the user of this browser session. The same again is fine; Code::conflict when it
  // is another user's, or the user has another one.
  awaitable<Outcome<void>> link(std::string session_cookie, IdClaims claims);

  struct Linked {
    std::string email;
    UnixMillis linked_at = 0;
  };
  // Code::not_found without one. `user` is the id as text.
  awaitable<Outcome<Linked>> linked(std::string user);
  awaitable<Outcome<void>> unlink(std::string user);

 private:
  storage::Store& store_;
  storage::OrgScope deployment_;
  Clock& clock_;
  Random& random_;
};

}  // namespace wab::bridge
