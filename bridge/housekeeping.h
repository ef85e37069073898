// Erases what has expired, once an hour, organization by organization, little at a time.
//
// Owned by the service, on one shard; nothing waits for it. What it erases is already without
// effect: every reader checks expiry itself.
#pragma once

#include "bridge/auth.h"
#include "bridge/idempotency.h"
#include "bridge/people.h"
#include "bridge/quotas.h"
#include "storage/base/gate.h"

namespace wab::bridge {

inline constexpr std::chrono::seconds kHousekeepingEvery{3600};
// Tokens are shown for a month after they expired, so that their owner sees what happened.
inline constexpr std::chrono::hours kTokensKept{30 * 24};

class Housekeeping {
 public:
  Housekeeping(storage::Store& store, const storage::ScopeIssuer& scopes, Clock& clock, Auth& auth,
               People& people, Idempotency& idempotency, Quotas& quotas);

  // One round over everything; how many rows went. An organization's trouble is logged and is not
  // the others'.
  awaitable<size_t> round();
  // Rounds until close().
  void start(any_io_executor home);
  awaitable<void> close();

 private:
  awaitable<void> run();
  awaitable<size_t> one(storage::OrgScope owner);
  awaitable<size_t> browser_sessions();
  awaitable<void> rest();

  storage::Store& store_;
  const storage::ScopeIssuer& scopes_;
  Clock& clock_;
  Auth& auth_;
  People& people_;
  Idempotency& idempotency_;
  Quotas& quotas_;
  Signal closing_;
  Gate gate_;
};

}  // namespace wab::bridge
