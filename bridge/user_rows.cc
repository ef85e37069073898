#include "bridge/user_rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Commit;
using storage::Key;
using storage::Kind;

namespace {

constexpr const char* kIndexed = "users indexed";

std::vector<std::string> texts_at(const json& from, const char* key) {
  std::vector<std::string> out;
  const auto found = from.find(key);
  if (found == from.end() || !found->is_array()) return out;
  for (const auto& one : *found) {
    if (one.is_string()) out.push_back(one.get<std::string>());
  }
  return out;
}

std::optional<UserRecord> decode(const json& row) {
  UserRecord out;
  const auto id = UserId::parse(text_at(row, "id"));
  const auto role = parse_role(text_at(row, "role"));
  out.org = OrgId::parse(text_at(row, "org"));
  if (!id || !role || (*role != Role::operators && !out.org)) return std::nullopt;
  if (*role == Role::operators) out.org.reset();
  out.id = *id;
  out.role = *role;
  out.email = text_at(row, "email");
  out.password = text_at(row, "password");
  const auto disabled = row.find("disabled");
  out.disabled = disabled != row.end() && disabled->is_boolean() && disabled->get<bool>();
  out.created_at = number_at(row, "created_at");
  out.totp_secret = text_at(row, "totp_secret");
  out.totp_pending = text_at(row, "totp_pending");
  out.totp_step = number_at(row, "totp_step");
  out.recovery = texts_at(row, "recovery");
  out.reset = text_at(row, "reset");
  out.sessions = texts_at(row, "sessions");
  return out;
}

json encode(const UserRecord& user) {
  return {{"v", 1},
          {"id", user.id.text()},
          {"email", user.email},
          {"role", role_word(user.role)},
          {"org", user.org ? user.org->text() : ""},
          {"password", user.password},
          {"disabled", user.disabled},
          {"created_at", user.created_at},
          {"totp_secret", user.totp_secret},
          {"totp_pending", user.totp_pending},
          {"totp_step", user.totp_step},
          {"recovery", user.recovery},
          {"reset", user.reset},
          {"sessions", user.sessions}};
}

json pointer_to(const UserRecord& user) { return {{"v", 1}, {"email", user.email}}; }

}  // namespace

std::string folded_email(std::string email) {
  std::transform(email.begin(), email.end(), email.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return email;
}

std::optional<UserRecord> parse_user(const Bytes& row) {
  const auto parsed = parse_stored(row);
  return parsed ? decode(*parsed) : std::nullopt;
}

storage::OrgScope UserRows::scope_of(const UserRecord& user) const {
  return user.org ? scopes_.organization(*user.org) : scopes_.deployment();
}

awaitable<Outcome<std::optional<UserRecord>>> UserRows::by_email(std::string email) {
  email = folded_email(std::move(email));
  auto row = co_await load_one(store_, deployment(), Kind::user, std::move(email));
  if (!row) co_return refuse(problem_of(row.error()));
  if (!*row) co_return std::optional<UserRecord>();
  co_return decode(**row);
}

awaitable<Outcome<UserRecord>> UserRows::by_id(std::string id) {
  const std::string wanted = id;
  auto index = co_await load_one(store_, deployment(), Kind::user_index, std::move(id));
  if (!index) co_return refuse(problem_of(index.error()));
  if (!*index) co_return refuse(Code::not_found);
  std::string email = text_at(**index, "email");
  auto user = co_await by_email(std::move(email));
  if (!user) co_return refuse(user.error());
  if (!*user || (*user)->id.text() != wanted) co_return refuse(Code::not_found);
  co_return std::move(**user);
}

awaitable<Outcome<UserRows::Page>> UserRows::list(storage::OrgScope of, std::string after,
                                                  size_t limit) {
  auto page = co_await store_.scan(of, Kind::member, std::move(after), limit);
  if (!page) co_return refuse(problem_of(page.error()));
  Page out;
  out.next = page->next;
  std::vector<Key> keys;
  for (const auto& row : page->rows) {
    const auto member = parse_stored(row.value);
    if (member) keys.push_back(Key{Kind::user, text_at(*member, "email")});
  }
  if (keys.empty()) co_return out;
  auto rows = co_await store_.load(deployment(), std::move(keys));
  if (!rows) co_return refuse(problem_of(rows.error()));
  for (const auto& row : *rows) {
    auto user = row ? parse_user(*row) : std::nullopt;
    // A crash may leave a member row without its user; nobody else's user is shown for it.
    if (user && scope_of(*user) == of) out.users.push_back(std::move(*user));
  }
  co_return out;
}

awaitable<Outcome<size_t>> UserRows::count(storage::OrgScope of, std::optional<Role> role) {
  size_t found = 0;
  std::string after;
  do {
    auto page = co_await list(of, std::move(after), 100);
    if (!page) co_return refuse(page.error());
    for (const auto& user : page->users) {
      if (!role || (user.role == *role && !user.disabled)) ++found;
    }
    after = page->next;
  } while (!after.empty());
  co_return found;
}

awaitable<Outcome<void>> UserRows::write(UserRecord user, Commit more) {
  more.put.push_back(json_row(Kind::user, user.email, encode(user)));
  auto written = co_await store_.commit(std::move(more));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<void>> UserRows::write(UserRecord user) {
  auto more = commit();
  auto written = co_await write(std::move(user), std::move(more));
  co_return written;
}

// What lists goes first: a crash in between leaves a member row that leads nowhere.
awaitable<Outcome<void>> UserRows::add(UserRecord user, Commit more) {
  Commit listed{storage::Scope(scope_of(user))};
  listed.put.push_back(json_row(Kind::member, user.id.text(), pointer_to(user)));
  auto first = co_await store_.commit(std::move(listed));
  if (!first) co_return refuse(problem_of(first.error()));
  more.put.push_back(json_row(Kind::user_index, user.id.text(), pointer_to(user)));
  auto second = co_await write(std::move(user), std::move(more));
  co_return second;
}

awaitable<Outcome<void>> UserRows::erase(UserRecord user) {
  const std::string linked = "user " + user.id.text();
  auto identity = co_await load_one(store_, deployment(), Kind::federated_identity, linked);
  if (!identity) co_return refuse(problem_of(identity.error()));
  auto gone = commit();
  if (*identity) {
    gone.erase.push_back(Key{Kind::federated_identity, linked});
    gone.erase.push_back(Key{Kind::federated_identity, text_at(**identity, "identity")});
  }
  for (auto& name : user.sessions) gone.erase.push_back(Key{Kind::browser_session, name});
  if (!user.reset.empty()) gone.erase.push_back(Key{Kind::password_reset, user.reset});
  gone.erase.push_back(Key{Kind::user, user.email});
  gone.erase.push_back(Key{Kind::user_index, user.id.text()});
  auto first = co_await store_.commit(std::move(gone));
  if (!first) co_return refuse(problem_of(first.error()));
  Commit listed{storage::Scope(scope_of(user))};
  listed.erase.push_back(Key{Kind::member, user.id.text()});
  auto second = co_await store_.commit(std::move(listed));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<void>> UserRows::complete() {
  const auto turn = co_await turns_.take();
  std::string name = kIndexed;
  auto done = co_await load_one(store_, deployment(), Kind::deployment_meta, std::move(name));
  if (!done) co_return refuse(problem_of(done.error()));
  if (*done) co_return Outcome<void>();
  std::string after;
  do {
    auto page = co_await store_.scan(deployment(), Kind::user, std::move(after), 100);
    if (!page) co_return refuse(problem_of(page.error()));
    for (const auto& row : page->rows) {
      auto user = parse_user(row.value);
      if (!user) continue;
      auto more = commit();
      auto added = co_await add(std::move(*user), std::move(more));
      if (!added) co_return added;
    }
    after = page->next;
  } while (!after.empty());
  auto mark = commit();
  const json row = {{"v", 1}};
  mark.put.push_back(json_row(Kind::deployment_meta, kIndexed, row));
  auto written = co_await store_.commit(std::move(mark));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

}  // namespace wab::bridge
