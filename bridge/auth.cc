#include "bridge/auth.h"

#include <nlohmann/json.hpp>

#include "bridge/config.h"
#include "bridge/decoded.h"

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
  for (const auto& id : record.sessions) out["sessions"].push_back(id.text());
  if (!record.ip_allow.empty()) out["ip_allow"] = record.ip_allow;
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
  // A limit that cannot be read must not become no limit.
  for (const auto& text : stored.value("sessions", json::array())) {
    const auto session = SessionId::parse(text.is_string() ? text.get<std::string>() : "");
    if (!session) return std::nullopt;
    out.sessions.push_back(*session);
  }
  for (const auto& text : stored.value("ip_allow", json::array())) {
    if (!text.is_string()) return std::nullopt;
    out.ip_allow.push_back(text.get<std::string>());
  }
  return out;
}

}  // namespace

Auth::Auth(storage::Store& store, const storage::ScopeIssuer& scopes, Clock& clock, Random& random)
    : store_(store),
      scopes_(scopes),
      clock_(clock),
      random_(random),
      users_(store, scopes),
      browsers_(store, users_, clock, random) {}

std::string Auth::lookup_name(std::string_view token) const {
  return to_hex(store_.keyed_hash(scopes_.deployment(), "token", view(token)));
}

awaitable<Outcome<Caller>> Auth::by_token(std::string authorization, std::string address,
                                          std::optional<TokenRefusal>* refusal) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) co_return unauthenticated();
  const std::string token = authorization.substr(kScheme.size());
  const auto kind = check_token(token);
  if (kind != TokenKind::operators && kind != TokenKind::organization) co_return unauthenticated();

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
      (record->role == Role::operators) != operators) {
    co_return unauthenticated();
  }
  const bool expired = clock_.now_ms() >= record->expires_at;
  if (expired || (!record->ip_allow.empty() && !in_networks(record->ip_allow, address))) {
    if (refusal) refusal->emplace(scope, record->id, expired ? "expired" : "address");
    co_return unauthenticated();
  }
  auto permissions = Permissions::of(record->role);
  if (record->scopes) permissions = permissions & *record->scopes;
  if (!record->sessions.empty()) permissions = permissions & Permissions::of_limited();
  Caller caller(scope, record->role, permissions, id, false);
  if (!record->sessions.empty()) {
    caller.sessions_ =
        std::make_shared<std::set<SessionId>>(record->sessions.begin(), record->sessions.end());
  }
  co_await note_use(scope, record->id);
  co_return caller;
}

awaitable<void> Auth::note_use(storage::OrgScope owner, TokenId id) {
  constexpr size_t kMostKnown = 1 << 14;
  const auto now = clock_.now_ms();
  {
    const std::lock_guard lock(used_mutex_);
    if (used_.size() >= kMostKnown) used_.clear();
    auto& last = used_[id];
    if (last != 0 && now < last + kLastUsedEveryMs) co_return;
    last = now;
  }
  const std::string name = id.text();
  auto known = co_await load_one(store_, owner, Kind::token_use, name);
  if (known && *known && now < number_at(**known, "at") + kLastUsedEveryMs) {
    const std::lock_guard lock(used_mutex_);
    used_[id] = number_at(**known, "at");
    co_return;
  }
  const json use = {{"v", 1}, {"at", now}};
  storage::Commit commit{storage::Scope(owner)};
  commit.put.push_back(json_row(Kind::token_use, name, use));
  // A token works also when nobody can write down that it does.
  (void)co_await store_.commit(std::move(commit));
}

awaitable<Outcome<Caller>> Auth::by_cookie(std::string cookie, bool quietly) {
  auto user = co_await browsers_.user_of(std::move(cookie), quietly);
  if (!user) co_return refuse(user.error());
  Caller caller(users_.scope_of(*user), user->role, Permissions::of(user->role), user->id.text(),
                true);
  caller.second_factor_ = !user->totp_secret.empty();
  co_return caller;
}

MintedToken Auth::mint(storage::OrgScope owner, std::string name, Role role,
                       std::optional<Permissions> scopes, std::chrono::seconds life) {
  TokenRecord wish;
  wish.name = std::move(name);
  wish.role = role;
  wish.scopes = scopes;
  return mint(owner, std::move(wish), life);
}

MintedToken Auth::mint(storage::OrgScope owner, TokenRecord wish, std::chrono::seconds life) {
  MintedToken out;
  const bool operators = wish.role == Role::operators;
  out.token = make_token(operators ? TokenKind::operators : TokenKind::organization, random_);
  out.record = std::move(wish);
  out.record.id = TokenId::random(random_);
  out.record.last_used_at = 0;
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

awaitable<Outcome<void>> Auth::store_for_operator(storage::OrgScope owner, MintedToken minted,
                                                  std::vector<Row> answer) {
  storage::Commit token{storage::Scope(owner)};
  token.put.push_back(std::move(minted.row));
  auto first = co_await store_.commit(std::move(token));
  if (!first) co_return refuse(problem_of(first.error()));
  storage::Commit lookup{storage::Scope(scopes_.deployment())};
  lookup.put.push_back(std::move(minted.lookup));
  for (auto& row : answer) lookup.put.push_back(std::move(row));
  auto second = co_await store_.commit(std::move(lookup));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<Auth::StoredToken>> Auth::find(storage::OrgScope owner, TokenId id) {
  const std::string name = id.text();
  auto stored = co_await load_one(store_, owner, Kind::token, name);
  if (!stored) co_return refuse(problem_of(stored.error()));
  auto record = *stored ? decode(**stored) : std::nullopt;
  if (!record) co_return refuse(Code::not_found);
  StoredToken out;
  out.record = std::move(*record);
  out.hash = text_at(**stored, "hash");
  co_return std::move(out);
}

Row Auth::row_of(const StoredToken& token) const {
  return json_row(Kind::token, token.record.id.text(), encode(token.record, token.hash));
}

awaitable<Outcome<Auth::TokenPage>> Auth::list(storage::OrgScope owner, std::string after,
                                               size_t limit) {
  auto page = co_await store_.scan(owner, Kind::token, std::move(after), limit);
  if (!page) co_return refuse(problem_of(page.error()));
  TokenPage out;
  out.next = page->next;
  out.tokens = decoded(page->rows, decode);
  std::vector<Key> uses(out.tokens.size());
  for (size_t i = 0; i < uses.size(); ++i) {
    uses[i].kind = Kind::token_use;
    uses[i].name = out.tokens[i].id.text();
  }
  auto used = co_await store_.load(owner, std::move(uses));
  if (!used) co_return refuse(problem_of(used.error()));
  for (size_t i = 0; i < used->size(); ++i) {
    const auto at = (*used)[i] ? parse_stored(*(*used)[i]) : std::nullopt;
    if (at) out.tokens[i].last_used_at = number_at(*at, "at");
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
  token.erase.push_back(Key{Kind::token_use, id.text()});
  auto first = co_await store_.commit(std::move(token));
  if (!first) co_return refuse(problem_of(first.error()));
  storage::Commit lookup{storage::Scope(scopes_.deployment())};
  lookup.erase.push_back(Key{Kind::token_lookup, text_at(**stored, "hash")});
  auto second = co_await store_.commit(std::move(lookup));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return Outcome<void>();
}

awaitable<Outcome<size_t>> Auth::sweep(storage::OrgScope owner, std::chrono::hours after,
                                       size_t most) {
  const auto before = clock_.now_ms() - std::chrono::milliseconds(after).count();
  storage::Commit rows{storage::Scope(owner)}, lookups{storage::Scope(scopes_.deployment())};
  std::string mark;
  do {
    auto page = co_await store_.scan(owner, Kind::token, mark, 200);
    if (!page) co_return refuse(problem_of(page.error()));
    for (const auto& row : page->rows) {
      const auto stored = parse_stored(row.value);
      if (!stored || rows.erase.size() >= 2 * most) continue;
      const std::string hash = text_at(*stored, "hash");
      bool dead = number_at(*stored, "expires_at") <= before;
      if (!dead && number_at(*stored, "created_at") <= before) {
        auto lookup = co_await load_one(store_, scopes_.deployment(), Kind::token_lookup, hash);
        if (!lookup) co_return refuse(problem_of(lookup.error()));
        dead = !lookup->has_value();
      }
      if (!dead) continue;
      rows.erase.push_back(row.key);
      rows.erase.push_back(Key{Kind::token_use, row.key.name});
      lookups.erase.push_back(Key{Kind::token_lookup, hash});
    }
    mark = page->next;
  } while (!mark.empty());
  const size_t gone = lookups.erase.size();
  if (gone == 0) co_return gone;
  // A row without its lookup is found again; a lookup without its row would stay for ever.
  auto first = co_await store_.commit(std::move(lookups));
  if (!first) co_return refuse(problem_of(first.error()));
  auto second = co_await store_.commit(std::move(rows));
  if (!second) co_return refuse(problem_of(second.error()));
  co_return gone;
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
