// People: what somebody may do to other users, and the account of one's own.

#include <algorithm>

#include "bridge/people.h"
#include "bridge/stored.h"

namespace wab::bridge {

// The walls first: who is out of reach does not exist. The organization's own row is asked before
// anything that knows everybody, so that the time taken does not tell that somebody is elsewhere.
awaitable<Outcome<UserRecord>> People::find_user(Caller caller, std::string id) {
  if (!caller.is_operator()) {
    auto member = co_await load_one(store_, caller.scope(), storage::Kind::member, id);
    if (!member) co_return refuse(problem_of(member.error()));
    if (!*member) co_return refuse(Code::not_found);
  }
  auto user = co_await users_.by_id(std::move(id));
  if (!user) co_return refuse(user.error());
  if (!caller.is_operator() && users_.scope_of(*user) != caller.scope()) {
    co_return refuse(Code::not_found);
  }
  co_return user;
}

// Within a turn: whether somebody else would still manage what `user` manages.
awaitable<Outcome<void>> People::keep_an_owner(UserRecord user) {
  const Role top = user.org ? Role::owner : Role::operators;
  if (user.role != top || user.disabled) co_return Outcome<void>();
  const auto scope = users_.scope_of(user);
  auto owners = co_await users_.count(scope, top);
  if (!owners) co_return refuse(owners.error());
  if (*owners <= 1) co_return refuse(Code::last_owner);
  co_return Outcome<void>();
}

awaitable<Outcome<UserRecord>> People::patch_user(Caller caller, std::string id, UserPatch patch) {
  const auto turn = co_await users_.turn();
  auto user = co_await find_user(caller, std::move(id));
  if (!user) co_return user;
  if (user->role > caller.role() || (patch.role && *patch.role > caller.role())) {
    co_return refuse(Code::forbidden,
                     "Nobody changes those above himself, or raises others there.");
  }
  if (patch.role && (*patch.role == Role::operators) != (user->role == Role::operators)) {
    co_return refuse(Code::conflict, "Operators stay operators, and users of organizations users.");
  }
  const bool lowers = patch.role && *patch.role < user->role;
  if (lowers || patch.disabled.value_or(false)) {
    // An operator is not of the organization, and may leave it without an owner.
    if (!caller.is_operator() || user->role == Role::operators) {
      auto kept = co_await keep_an_owner(*user);
      if (!kept) co_return refuse(kept.error());
    }
  }
  auto commit = users_.commit();
  // A link was made for what the user was, by somebody who might not make one for what he becomes.
  if (patch.role) forget_reset(*user, commit);
  if (patch.role) user->role = *patch.role;
  if (patch.disabled) {
    user->disabled = *patch.disabled;
    if (user->disabled) BrowserSessions::forget_all(*user, "", commit);
  }
  auto written = co_await users_.write(*user, std::move(commit));
  if (!written) co_return refuse(written.error());
  co_return user;
}

awaitable<Outcome<void>> People::erase_user(Caller caller, std::string id) {
  const auto turn = co_await users_.turn();
  auto user = co_await find_user(caller, std::move(id));
  if (!user) co_return refuse(user.error());
  if (user->role > caller.role()) co_return refuse(Code::forbidden);
  if (!caller.is_operator() || user->role == Role::operators) {
    auto kept = co_await keep_an_owner(*user);
    if (!kept) co_return kept;
  }
  auto erased = co_await users_.erase(std::move(*user));
  co_return erased;
}

awaitable<Outcome<void>> People::erase_organization(storage::OrgScope org) {
  const auto turn = co_await users_.turn();
  std::string after;
  // Pages from the start: those of the page before are gone.
  for (;;) {
    auto page = co_await users_.list(org, after, 100);
    if (!page) co_return refuse(page.error());
    for (auto& user : page->users) {
      auto erased = co_await users_.erase(std::move(user));
      if (!erased) co_return erased;
    }
    if (!page->users.empty()) {
      after.clear();
      continue;
    }
    if (page->next.empty()) break;
    after = page->next;
  }
  for (;;) {
    std::string first;
    auto page = co_await list_invitations(org, std::move(first), 100);
    if (!page) co_return refuse(page.error());
    if (page->invitations.empty()) break;
    for (const auto& one : page->invitations) {
      auto erased = co_await erase_invitation(org, one.id);
      if (!erased) co_return erased;
    }
  }
  co_return Outcome<void>();
}

awaitable<Outcome<void>> People::change_password(std::string id, std::string current,
                                                 std::string password, std::string cookie) {
  auto known = co_await users_.by_id(id);
  if (!known) co_return refuse(known.error());
  const std::string stored = known->password;
  auto verified = co_await passwords_.verify(stored, std::move(current));
  if (!verified) co_return refuse(verified.error());
  if (!verified->same) co_return refuse(Code::bad_credentials);
  if (auto good = judge_password(password, known->email); !good) co_return refuse(good.error());
  auto hashed = co_await passwords_.hash(std::move(password));
  if (!hashed) co_return refuse(hashed.error());

  const auto turn = co_await users_.turn();
  auto user = co_await users_.by_id(std::move(id));
  if (!user) co_return refuse(user.error());
  if (user->password != stored) co_return refuse(Code::bad_credentials);
  user->password = std::move(*hashed);
  auto commit = users_.commit();
  forget_reset(*user, commit);
  BrowserSessions::forget_all(*user, browsers_.name_of(cookie), commit);
  auto written = co_await users_.write(std::move(*user), std::move(commit));
  co_return written;
}

awaitable<Outcome<std::vector<BrowserSession>>> People::browser_sessions(std::string id) {
  auto user = co_await users_.by_id(std::move(id));
  if (!user) co_return refuse(user.error());
  auto sessions = co_await browsers_.list(std::move(*user));
  co_return sessions;
}

awaitable<Outcome<void>> People::close_session(std::string id, BrowserSessionId session) {
  const auto turn = co_await users_.turn();
  auto user = co_await users_.by_id(std::move(id));
  if (!user) co_return refuse(user.error());
  auto sessions = co_await browsers_.list(*user);
  if (!sessions) co_return refuse(sessions.error());
  std::string name;
  for (const auto& one : *sessions) {
    if (one.id == session) name = one.name;
  }
  if (name.empty()) co_return refuse(Code::not_found);
  auto closed = co_await browsers_.close(std::move(*user), std::move(name));
  co_return closed;
}

awaitable<Outcome<void>> People::close_other_sessions(std::string id, std::string cookie) {
  const auto turn = co_await users_.turn();
  auto user = co_await users_.by_id(std::move(id));
  if (!user) co_return refuse(user.error());
  auto commit = users_.commit();
  BrowserSessions::forget_all(*user, browsers_.name_of(cookie), commit);
  auto written = co_await users_.write(std::move(*user), std::move(commit));
  co_return written;
}

}  // namespace wab::bridge
