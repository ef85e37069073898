// People: from a proof to a browser session.

#include "bridge/people.h"

namespace wab::bridge {

awaitable<Outcome<People::Login>> People::enter(UserRecord user, SignInFacts facts) {
  Login out;
  out.role = user.role;
  out.organization = user.org ? user.org->text() : "";
  out.user = user.id.text();
  auto cookie = co_await browsers_.open(std::move(user), std::move(facts));
  if (!cookie) co_return refuse(cookie.error());
  out.cookie = std::move(*cookie);
  co_return std::move(out);
}

awaitable<Outcome<People::Login>> People::login(std::string email, std::string password,
                                                std::string code, SignInFacts facts) {
  email = folded_email(std::move(email));
  auto known = co_await users_.by_email(email);
  if (!known) co_return refuse(known.error());
  // Whoever it is, or nobody: one hash is computed before anything is said.
  std::string stored = *known ? (*known)->password : std::string();
  std::string again = password;
  auto verified = co_await passwords_.verify(stored, std::move(password));
  if (!verified) co_return refuse(verified.error());
  if (!verified->same || (*known)->disabled) co_return refuse(Code::bad_credentials);
  std::string fresh;
  if (verified->stale) {
    auto hashed = co_await passwords_.hash(std::move(again));
    if (!hashed) co_return refuse(hashed.error());
    fresh = std::move(*hashed);
  }
  std::string old = std::move(facts.old_cookie);
  auto entered = co_await finish_login(std::move(email), std::move(stored), std::move(fresh),
                                       std::move(code), std::move(facts));
  if (entered && !old.empty()) {
    auto closed = co_await browsers_.close_cookie(std::move(old));
    if (!closed) co_return refuse(closed.error());
  }
  co_return entered;
}

awaitable<Outcome<People::Login>> People::finish_login(std::string email, std::string proven,
                                                       std::string fresh, std::string code,
                                                       SignInFacts facts) {
  const auto turn = co_await users_.turn();
  auto user = co_await users_.by_email(std::move(email));
  if (!user) co_return refuse(user.error());
  // Changed while the hash was computed: what was proven is no longer so.
  if (!*user || (*user)->disabled || (*user)->password != proven) {
    co_return refuse(Code::bad_credentials);
  }
  if (!(*user)->totp_secret.empty()) {
    if (code.empty()) co_return refuse(Code::code_required);
    if (!spend_code(**user, code)) co_return refuse(Code::code_refused);
  }
  if (!fresh.empty()) (*user)->password = std::move(fresh);
  auto entered = co_await enter(std::move(**user), std::move(facts));
  co_return entered;
}

awaitable<Outcome<People::Login>> People::open_session(std::string id, SignInFacts facts,
                                                       std::string code) {
  std::string old = std::move(facts.old_cookie);
  auto entered = co_await open_for(std::move(id), std::move(facts), std::move(code));
  if (entered && !old.empty()) {
    auto closed = co_await browsers_.close_cookie(std::move(old));
    if (!closed) co_return refuse(closed.error());
  }
  co_return entered;
}

awaitable<Outcome<People::Login>> People::open_for(std::string id, SignInFacts facts,
                                                   std::string code) {
  const auto turn = co_await users_.turn();
  auto user = co_await users_.by_id(std::move(id));
  if (!user && user.error().code != Code::not_found) co_return refuse(user.error());
  if (!user || user->disabled) co_return refuse(Code::not_invited);
  // No way in is weaker than another: who has a second factor shows it.
  if (!user->totp_secret.empty()) {
    if (code.empty()) co_return refuse(Code::code_required);
    if (!spend_code(*user, code)) co_return refuse(Code::code_refused);
  }
  auto entered = co_await enter(std::move(*user), std::move(facts));
  co_return entered;
}

awaitable<Outcome<void>> People::logout(std::string cookie) {
  auto closed = co_await browsers_.close_cookie(std::move(cookie));
  co_return closed;
}

}  // namespace wab::bridge
