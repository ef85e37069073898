// People: a link for a new password, single use and expiring; of its token only a keyed hash is
// kept.
//
// Everything is in the deployment's rows, so that making and spending a link are one commit each:
// the password_reset row leads to the user, and counts while the user's row names it.

#include <nlohmann/json.hpp>

#include "bridge/people.h"
#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Key;
using storage::Kind;

void People::forget_reset(UserRecord& user, storage::Commit& into) {
  if (user.reset.empty()) return;
  into.erase.push_back(Key{Kind::password_reset, std::exchange(user.reset, "")});
}

awaitable<Outcome<People::Reset>> People::make_reset(Caller caller, std::string id) {
  const auto turn = co_await users_.turn();
  const std::string own = caller.principal();
  auto user = co_await find_user(caller, std::move(id));
  if (!user) co_return refuse(user.error());
  // A session that somebody left open must not become the account.
  if (user->id.text() == own) {
    co_return refuse(Code::forbidden, "Use POST /v1/me/password for a password of one's own.");
  }
  const bool top = user->role == Role::owner || user->role == Role::operators;
  if (user->role > caller.role() || (top && !caller.is_operator())) {
    co_return refuse(Code::forbidden,
                     top ? "Only an operator does this for an owner or an operator."
                         : "Nobody does this for those above himself.");
  }
  if (user->disabled) co_return refuse(Code::conflict, "The user is disabled.");
  Reset out;
  out.token = make_token(TokenKind::reset, random_);
  out.expires_at = clock_.now_ms() + kResetLifeMs;
  const std::string name = to_hex(store_.keyed_hash(deployment_, "reset", view(out.token)));
  auto commit = users_.commit();
  forget_reset(*user, commit);
  user->reset = name;
  const json row = {{"v", 1}, {"user", user->id.text()}, {"expires_at", out.expires_at}};
  commit.put.push_back(json_row(Kind::password_reset, name, row));
  out.user = *user;
  auto written = co_await users_.write(std::move(*user), std::move(commit));
  if (!written) co_return refuse(written.error());
  co_return std::move(out);
}

awaitable<Outcome<UserRecord>> People::user_of_reset(std::string name) {
  auto row = co_await load_one(store_, deployment_, Kind::password_reset, name);
  if (!row) co_return refuse(problem_of(row.error()));
  if (!*row || clock_.now_ms() >= number_at(**row, "expires_at")) {
    co_return refuse(Code::reset_refused);
  }
  std::string id = text_at(**row, "user");
  auto user = co_await users_.by_id(std::move(id));
  if (!user && user.error().code != Code::not_found) co_return user;
  if (!user || user->disabled || !equal_constant_time(view(user->reset), view(name))) {
    co_return refuse(Code::reset_refused);
  }
  co_return user;
}

awaitable<Outcome<UserRecord>> People::find_reset(std::string token) {
  if (check_token(token) != TokenKind::reset) co_return refuse(Code::reset_refused);
  std::string name = to_hex(store_.keyed_hash(deployment_, "reset", view(token)));
  auto user = co_await user_of_reset(std::move(name));
  co_return user;
}

awaitable<Outcome<UserRecord>> People::accept_reset(std::string token, std::string password,
                                                    std::string code) {
  auto known = co_await find_reset(token);
  if (!known) co_return known;
  if (auto good = judge_password(password, known->email); !good) co_return refuse(good.error());
  if (!known->totp_secret.empty() && code.empty()) co_return refuse(Code::code_required);
  auto hashed = co_await passwords_.hash(std::move(password));
  if (!hashed) co_return refuse(hashed.error());

  const auto turn = co_await users_.turn();
  // Once more, now that nobody else can: of two that accept, one is first.
  auto user = co_await find_reset(std::move(token));
  if (!user) co_return user;
  if (!user->totp_secret.empty()) {
    if (code.empty()) co_return refuse(Code::code_required);
    if (!spend_code(*user, code)) co_return refuse(Code::code_refused);
  }
  user->password = std::move(*hashed);
  auto commit = users_.commit();
  forget_reset(*user, commit);
  BrowserSessions::forget_all(*user, "", commit);
  UserRecord changed = *user;
  auto written = co_await users_.write(std::move(*user), std::move(commit));
  if (!written) co_return refuse(written.error());
  co_return std::move(changed);
}

}  // namespace wab::bridge
