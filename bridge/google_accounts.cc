#include "bridge/google_accounts.h"

#include <nlohmann/json.hpp>

#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Key;
using storage::Kind;

namespace {

constexpr Kind kLinks = Kind::deployment_meta;

// An issuer is a URL, and neither part holds a blank: no two names can be the same.
std::string identity_name(const IdClaims& claims) {
  return "google " + claims.issuer + " " + claims.subject;
}
std::string user_name(const std::string& user) { return "google user " + user; }

}  // namespace

awaitable<Outcome<People::Login>> GoogleAccounts::enter(IdClaims claims) {
  const std::string identity = identity_name(claims);
  auto linked = co_await load_one(store_, deployment_, kLinks, identity);
  if (!linked) co_return refuse(problem_of(linked.error()));
  if (!*linked) co_return refuse(Code::not_invited);
  const std::string email = text_at(**linked, "user"), id = text_at(**linked, "user_id");
  std::string name = user_name(id);
  auto back = co_await load_one(store_, deployment_, kLinks, std::move(name));
  if (!back) co_return refuse(problem_of(back.error()));
  auto user = co_await load_one(store_, deployment_, Kind::user, email);
  if (!user) co_return refuse(problem_of(user.error()));
  // Somebody who got the address of a user that is gone is not that user.
  if (!*user || !*back || text_at(**user, "id") != id || text_at(**back, "identity") != identity) {
    co_return refuse(Code::not_invited);
  }
  People::Login out;
  out.cookie = to_base64url(random_.array<32>());
  out.role = parse_role(text_at(**user, "role")).value_or(Role::viewer);
  out.organization = text_at(**user, "org");
  const auto now = clock_.now_ms();
  const json session = {{"v", 1}, {"user", email}, {"created_at", now}, {"seen_at", now}};
  const auto hash = store_.keyed_hash(deployment_, "browser", view(out.cookie));
  storage::Commit commit{storage::Scope(deployment_)};
  commit.put.push_back(json_row(Kind::browser_session, to_hex(hash), session));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return std::move(out);
}

awaitable<Outcome<void>> GoogleAccounts::link(std::string session_cookie, IdClaims claims) {
  std::string session = to_hex(store_.keyed_hash(deployment_, "browser", view(session_cookie)));
  auto stored = co_await load_one(store_, deployment_, Kind::browser_session, std::move(session));
  if (!stored) co_return refuse(problem_of(stored.error()));
  if (!*stored) co_return refuse(Code::unauthenticated);
  const std::string email = text_at(**stored, "user");
  auto user = co_await load_one(store_, deployment_, Kind::user, email);
  if (!user) co_return refuse(problem_of(user.error()));
  if (!*user) co_return refuse(Code::unauthenticated);

  const std::string id = text_at(**user, "id"), identity = identity_name(claims);
  const std::string of_user = user_name(id);
  auto owner = co_await load_one(store_, deployment_, kLinks, identity);
  if (!owner) co_return refuse(problem_of(owner.error()));
  auto other = co_await load_one(store_, deployment_, kLinks, of_user);
  if (!other) co_return refuse(problem_of(other.error()));
  if ((*owner && text_at(**owner, "user_id") != id) ||
      (*other && text_at(**other, "identity") != identity)) {
    co_return refuse(Code::conflict);
  }
  const json forth = {{"v", 1}, {"user", email}, {"user_id", id}};
  const json back = {
      {"v", 1}, {"identity", identity}, {"email", claims.email}, {"linked_at", clock_.now_ms()}};
  storage::Commit commit{storage::Scope(deployment_)};
  commit.put.push_back(json_row(kLinks, identity, forth));
  commit.put.push_back(json_row(kLinks, of_user, back));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<GoogleAccounts::Linked>> GoogleAccounts::linked(std::string user) {
  std::string name = user_name(user);
  auto row = co_await load_one(store_, deployment_, kLinks, std::move(name));
  if (!row) co_return refuse(problem_of(row.error()));
  if (!*row) co_return refuse(Code::not_found);
  Linked out;
  out.email = text_at(**row, "email");
  out.linked_at = number_at(**row, "linked_at");
  co_return out;
}

awaitable<Outcome<void>> GoogleAccounts::unlink(std::string user) {
  const std::string name = user_name(user);
  auto row = co_await load_one(store_, deployment_, kLinks, name);
  if (!row) co_return refuse(problem_of(row.error()));
  if (!*row) co_return refuse(Code::not_found);
  storage::Commit commit{storage::Scope(deployment_)};
  commit.erase.push_back(Key{kLinks, name});
  commit.erase.push_back(Key{kLinks, text_at(**row, "identity")});
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

}  // namespace wab::bridge
