// Between an account at Google that was right and the code of the second factor.
//
// Any shard. Nothing is stored: the cookie names the user and the time, under a keyed hash over
// both and over when the account was linked. It is worth nothing without a code, five minutes long,
// and nothing at all once the account is linked anew or not any more.
#pragma once

#include "bridge/app.h"

namespace wab::bridge {

inline constexpr std::string_view kStepCookie = "__Host-wab-step";
inline constexpr int64_t kStepLifeS = 300;

// The cookie's value for a user (id as text) who has an account linked.
awaitable<Outcome<std::string>> begin_step(App& app, std::string user);
// Code::signin_refused when it is not one of ours or not any more.
awaitable<Outcome<UserRecord>> user_of_step(App& app, std::string cookie);
// Set-Cookie with this value; "" takes it away.
std::string step_cookie(const std::string& value);

}  // namespace wab::bridge
