#include "bridge/routes/proof.h"

namespace wab::bridge {

awaitable<Outcome<void>> freshly_signed_in(App& app, std::string user, std::string cookie) {
  const std::string name = app.auth.browsers().name_of(cookie);
  auto sessions = co_await app.people.browser_sessions(std::move(user));
  if (!sessions) co_return refuse(sessions.error());
  const auto now = app.clock.now_ms();
  for (const auto& one : *sessions) {
    if (one.name == name && now < one.created_at + kFreshSignInMs) co_return Outcome<void>();
  }
  co_return refuse(Code::forbidden,
                   "Sign in again: this takes a sign-in of the last five minutes.");
}

}  // namespace wab::bridge
