// People: accounts of identity providers that users linked.

#include <nlohmann/json.hpp>

#include "bridge/people.h"
#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Key;
using storage::Kind;

namespace {

// An issuer is a URL, and neither part holds a blank: no two names can be the same.
std::string name_of(const Identity& identity) { return identity.issuer + " " + identity.subject; }
std::string name_of_user(const std::string& user) { return "user " + user; }

}  // namespace

awaitable<Outcome<std::string>> People::find_identity(Identity identity) {
  const std::string name = name_of(identity);
  auto forth = co_await load_one(store_, deployment_, Kind::federated_identity, name);
  if (!forth) co_return refuse(problem_of(forth.error()));
  if (!*forth) co_return refuse(Code::not_invited);
  std::string id = text_at(**forth, "user_id");
  std::string of_user = name_of_user(id);
  auto back = co_await load_one(store_, deployment_, Kind::federated_identity, std::move(of_user));
  if (!back) co_return refuse(problem_of(back.error()));
  if (!*back || text_at(**back, "identity") != name) co_return refuse(Code::not_invited);
  co_return std::move(id);
}

awaitable<Outcome<People::Login>> People::enter_by(Identity identity, SignInFacts facts) {
  auto user = co_await find_identity(std::move(identity));
  if (!user) co_return refuse(user.error());
  const std::string none;
  auto login = co_await open_session(std::move(*user), std::move(facts), none);
  co_return login;
}

awaitable<Outcome<void>> People::link_identity(std::string id, Identity identity) {
  const auto turn = co_await users_.turn();
  auto user = co_await users_.by_id(id);
  if (!user) co_return refuse(user.error());
  const std::string name = name_of(identity), of_user = name_of_user(id);
  auto owner = co_await load_one(store_, deployment_, Kind::federated_identity, name);
  if (!owner) co_return refuse(problem_of(owner.error()));
  auto other = co_await load_one(store_, deployment_, Kind::federated_identity, of_user);
  if (!other) co_return refuse(problem_of(other.error()));
  if ((*owner && text_at(**owner, "user_id") != id) ||
      (*other && text_at(**other, "identity") != name)) {
    co_return refuse(Code::conflict);
  }
  const json forth = {{"v", 1}, {"user", user->email}, {"user_id", id}};
  const json back = {
      {"v", 1}, {"identity", name}, {"email", identity.email}, {"linked_at", clock_.now_ms()}};
  auto commit = users_.commit();
  commit.put.push_back(json_row(Kind::federated_identity, name, forth));
  commit.put.push_back(json_row(Kind::federated_identity, of_user, back));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<People::Linked>> People::linked_identity(std::string user) {
  std::string name = name_of_user(user);
  auto row = co_await load_one(store_, deployment_, Kind::federated_identity, std::move(name));
  if (!row) co_return refuse(problem_of(row.error()));
  if (!*row) co_return refuse(Code::not_found);
  Linked out;
  out.email = text_at(**row, "email");
  out.linked_at = number_at(**row, "linked_at");
  co_return out;
}

awaitable<Outcome<void>> People::unlink_identity(std::string user) {
  const auto turn = co_await users_.turn();
  const std::string name = name_of_user(user);
  auto row = co_await load_one(store_, deployment_, Kind::federated_identity, name);
  if (!row) co_return refuse(problem_of(row.error()));
  if (!*row) co_return refuse(Code::not_found);
  auto commit = users_.commit();
  commit.erase.push_back(Key{Kind::federated_identity, name});
  commit.erase.push_back(Key{Kind::federated_identity, text_at(**row, "identity")});
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

}  // namespace wab::bridge
