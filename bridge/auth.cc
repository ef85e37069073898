#include "bridge/auth.h"

#include <nlohmann/json.hpp>

#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Key;
using storage::Kind;
using storage::Row;

namespace {

Outcome<Caller> unauthenticated() { return refuse(Code::unauthenticated); }

json encode(const TokenRecord& record, const std::string& hash) {
  json out = {{"v", 1},
              {"id", record.id.text()},
              {"name", record.name},
              {"role", role_word(record.role)},
              {"created_at", record.created_at},
              {"expires_at", record.expires_at},
              {"hash", hash}};
  if (record.scopes) {
    auto& scopes = out["scopes"] = json::array();
    for (const auto word : permission_words()) {
      if (record.scopes->has(*parse_permission(word))) scopes.push_back(word);
    }
  }
  return out;
}

std::optional<TokenRecord> decode(const json& stored) {
  TokenRecord out;
  const auto id = TokenId::parse(text_at(stored, "id"));
  const auto role = parse_role(text_at(stored, "role"));
  if (!id || !role) return std::nullopt;
  out.id = *id;
  out.role = *role;
  out.name = text_at(stored, "name");
  out.created_at = number_at(stored, "created_at");
  out.expires_at = number_at(stored, "expires_at");
  if (stored.contains("scopes")) {
    out.scopes.emplace();
    for (const auto& word : stored["scopes"]) {
      if (!word.is_string()) return std::nullopt;
      if (const auto one = parse_permission(word.get<std::string>())) out.scopes->add(*one);
    }
  }
  return out;
}

}  // namespace

Auth::Auth(storage::Store& store, const storage::ScopeIssuer& scopes, Clock& clock, Random& random)
    : store_(store), scopes_(scopes), clock_(clock), random_(random) {}

std::string Auth::lookup_name(std::string_view token) const {
  return to_hex(store_.keyed_hash(scopes_.deployment(), "token", view(token)));
}

awaitable<Outcome<Caller>> Auth::by_token(std::string authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) co_return unauthenticated();
  const std::string token = authorization.substr(kScheme.size());
  const auto kind = check_token(token);
  if (!kind || *kind == TokenKind::setup) co_return unauthenticated();

  const std::string hash = lookup_name(token);
  auto lookup = co_await load_one(store_, scopes_.deployment(), Kind::token_lookup, hash);
  if (!lookup) co_return refuse(problem_of(lookup.error()));
  if (!*lookup) co_return unauthenticated();
  const auto id = text_at(**lookup, "token");
  const auto org_text = text_at(**lookup, "org");
  const bool operators = *kind == TokenKind::operators;
  const auto org = OrgId::parse(org_text);
  if (operators ? !org_text.empty() : !org) co_return unauthenticated();

  const auto scope = operators ? scopes_.deployment() : scopes_.organization(*org);
  auto stored = co_await load_one(store_, scope, Kind::token, id);
  if (!stored) co_return refuse(problem_of(stored.error()));
  if (!*stored) co_return unauthenticated();
  const auto record = decode(**stored);
  if (!record || !equal_constant_time(view(text_at(**stored, "hash")), view(hash)) ||
      clock_.now_ms() >= record->expires_at || (record->role == Role::operators) != operators) {
    co_return unauthenticated();
  }
  auto permissions = Permissions::of(record->role);
  if (record->scopes) permissions = permissions & *record->scopes;
  co_return Caller(scope, record->role, permissions, id, false);
}

awaitable<Outcome<Caller>> Auth::by_cookie(std::string cookie) {
  const auto deployment = scopes_.deployment();
  const auto name = to_hex(store_.keyed_hash(deployment, "browser", view(cookie)));
  auto stored = co_await load_one(store_, deployment, Kind::browser_session, name);
  if (!stored) co_return refuse(problem_of(stored.error()));
  if (!*stored) co_return unauthenticated();
  json session = std::move(**stored);
  const auto now = clock_.now_ms();
  if (now >= number_at(session, "created_at") + kBrowserLifeMs ||
      now >= number_at(session, "seen_at") + kBrowserIdleMs) {
    co_return unauthenticated();
  }
  const std::string email = text_at(session, "user");
  auto user = co_await load_one(store_, deployment, Kind::user, email);
  if (!user) co_return refuse(problem_of(user.error()));
  if (!*user) co_return unauthenticated();
  const auto role = parse_role(text_at(**user, "role"));
  const auto org = OrgId::parse(text_at(**user, "org"));
  if (!role || (*role != Role::operators && !org)) co_return unauthenticated();

  // Coarse, so that a busy page does not write a row per request.
  if (now >= number_at(session, "seen_at") + 60'000) {
    session["seen_at"] = now;
    storage::Commit commit{storage::Scope(deployment)};
    commit.put.push_back(json_row(Kind::browser_session, name, session));
    auto written = co_await store_.commit(std::move(commit));
    if (!written) co_return refuse(problem_of(written.error()));
  }
  const auto scope = *role == Role::operators ? deployment : scopes_.organization(*org);
  co_return Caller(scope, *role, Permissions::of(*role), text_at(**user, "id"), true);
}

MintedToken Auth::mint(storage::OrgScope owner, std::string name, Role role,
                       std::optional<Permissions> scopes, std::chrono::seconds life) {
  MintedToken out;
  const bool operators = role == Role::operators;
  out.token = make_token(operators ? TokenKind::operators : TokenKind::organization, random_);
  out.record.id = TokenId::random(random_);
  out.record.name = std::move(name);
  out.record.role = role;
  out.record.scopes = scopes;
  out.record.created_at = clock_.now_ms();
  out.record.expires_at = out.record.created_at + life.count() * 1000;
  const auto hash = lookup_name(out.token);
  const json lookup = {
      {"v", 1}, {"org", operators ? "" : owner.org().text()}, {"token", out.record.id.text()}};
  out.lookup = json_row(Kind::token_lookup, hash, lookup);
  out.row = json_row(Kind::token, out.record.id.text(), encode(out.record, hash));
  return out;
}

awaitable<Outcome<void>> Auth::store(storage::OrgScope owner, MintedToken minted,
                                     std::vector<Row> also) {
  storage::Commit lookup{storage::Scope(scopes_.deployment())};
  lookup.put.push_back(std::move(minted.lookup));
  auto first = co_await store_.commit(std::move(lookup));
  if (!first) co_return refuse(problem_of(first.error()));
  storage::Commit token{storage::Scope(owner)};
  token.put.push_back(std::move(minted.row));
  for (auto& row : also) token.put.push_back(std::move(row));
  auto second = co_await store_.commit(std::move(token));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<Auth::TokenPage>> Auth::list(storage::OrgScope owner, std::string after,
                                               size_t limit) {
  auto page = co_await store_.scan(owner, Kind::token, std::move(after), limit);
  if (!page) co_return refuse(problem_of(page.error()));
  TokenPage out;
  out.next = page->next;
  for (const auto& row : page->rows) {
    const auto stored = parse_stored(row.value);
    auto record = stored ? decode(*stored) : std::nullopt;
    if (record) out.tokens.push_back(std::move(*record));
  }
  co_return out;
}

awaitable<Outcome<void>> Auth::revoke(storage::OrgScope owner, TokenId id) {
  const std::string name = id.text();
  auto stored = co_await load_one(store_, owner, Kind::token, name);
  if (!stored) co_return refuse(problem_of(stored.error()));
  if (!*stored) co_return refuse(Code::not_found);
  storage::Commit token{storage::Scope(owner)};
  token.erase.push_back(Key{Kind::token, id.text()});
  auto first = co_await store_.commit(std::move(token));
  if (!first) co_return refuse(problem_of(first.error()));
  storage::Commit lookup{storage::Scope(scopes_.deployment())};
  lookup.erase.push_back(Key{Kind::token_lookup, text_at(**stored, "hash")});
  auto second = co_await store_.commit(std::move(lookup));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<storage::OrgScope>> Auth::organization(const Caller& operator_caller, OrgId id) {
  if (!operator_caller.is_operator()) co_return refuse(Code::forbidden);
  const std::string name = id.text();
  auto stored = co_await load_one(store_, scopes_.deployment(), Kind::organization, name);
  if (!stored) co_return refuse(problem_of(stored.error()));
  if (!*stored) co_return refuse(Code::not_found);
  co_return scopes_.organization(id);
}

}  // namespace wab::bridge
