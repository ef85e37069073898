// What a change to one's own account asks for: a sign-in of this browser that is not old.
//
// Any shard. A stolen or unattended session must not become the whole account. Whoever is refused
// signs in again with POST /v1/login (every factor, the same cost and limits), which replaces the
// session, and repeats the call.
#pragma once

#include "bridge/routes/tables.h"

namespace wab::bridge {

inline constexpr int64_t kFreshSignInMs = 5 * 60 * 1000;

// Code::forbidden when the session of this cookie began earlier. `user` is the id as text.
awaitable<Outcome<void>> freshly_signed_in(App& app, std::string user, std::string cookie);

}  // namespace wab::bridge
