// /v1/tokens: the organization's own tokens.

#include <nlohmann/json.hpp>

#include "bridge/config_check.h"
#include "bridge/routes/page.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr std::string_view kRoles[] = {"owner", "admin", "agent", "viewer"};
constexpr std::span<const std::string_view> kScopes = kPermissionWords;
constexpr int64_t kLongestLife = 366 * 86400, kLongestOverlap = 7 * 86400, kOverlap = 86400;

constexpr Field kNewFields[] = {
    {.name = "name", .required = true, .min = 1, .max = 100, .format = Format::name},
    {.name = "role", .required = true, .one_of = kRoles},
    {.name = "scopes",
     .type = Type::array,
     .min = 1,
     .max = 16,
     .one_of = kScopes,
     .about = "Narrows what the role gives."},
    {.name = "sessions",
     .type = Type::array,
     .min = 1,
     .max = 100,
     .item_max = 64,
     .about = "Only these exist for the token; it reaches sessions, messages and events alone."},
    {.name = "ip_allow",
     .type = Type::array,
     .min = 1,
     .max = 64,
     .item_max = 64,
     .about = "Networks such as 203.0.113.0/24; from elsewhere the token is refused."},
    {.name = "expires_in",
     .type = Type::duration,
     .min = 60,
     .max = kLongestLife,
     .about = "Seconds, or a text such as 90d; at most 366 days."}};
constexpr Field kTokenFields[] = {
    {.name = "id", .required = true},
    {.name = "name", .required = true},
    {.name = "role", .required = true, .one_of = kRoles},
    {.name = "scopes", .type = Type::array, .required = true, .max = 16, .one_of = kScopes},
    {.name = "sessions",
     .type = Type::array,
     .required = true,
     .max = 100,
     .nullable = true,
     .about = "null: all sessions."},
    {.name = "ip_allow",
     .type = Type::array,
     .required = true,
     .max = 64,
     .nullable = true,
     .about = "null: from everywhere."},
    {.name = "created_at", .required = true},
    {.name = "expires_at", .required = true},
    {.name = "last_used_at", .required = true, .nullable = true, .about = "To the hour."}};
constexpr Field kMintedFields[] = {
    {.name = "id", .required = true},
    {.name = "name", .required = true},
    {.name = "role", .required = true, .one_of = kRoles},
    {.name = "scopes", .type = Type::array, .required = true, .max = 16, .one_of = kScopes},
    {.name = "created_at", .required = true},
    {.name = "expires_at", .required = true},
    {.name = "sessions", .type = Type::array, .required = true, .max = 100, .nullable = true},
    {.name = "ip_allow", .type = Type::array, .required = true, .max = 64, .nullable = true},
    {.name = "last_used_at", .required = true, .nullable = true},
    {.name = "token",
     .required = true,
     .about = "Shown once. Secret scanners find it by "
              "\\bwab_(op|live|setup)_[0-9A-Za-z]{36}\\b"}};
constexpr Field kRotateFields[] = {{.name = "overlap",
                                    .type = Type::duration,
                                    .min = 0,
                                    .max = kLongestOverlap,
                                    .about = "How long the old token lives on: 24h, at most 7d."}};

}  // namespace

extern constexpr Shape kNewTokenShape{"new_token", kNewFields};
extern constexpr Shape kTokenShape{"token", kTokenFields};
extern constexpr Shape kMintedShape{"minted_token", kMintedFields};
constexpr Shape kRotate{"token_rotation", kRotateFields};

namespace {

constexpr auto kListFields = page_fields(kTokenShape);
constexpr Shape kList{"tokens", kListFields};

json shown(const TokenRecord& record) {
  json scopes = json::array();
  const auto all = Permissions::of(record.role);
  auto held = record.scopes ? all & *record.scopes : all;
  if (!record.sessions.empty()) held = held & Permissions::of_limited();
  for (const auto word : permission_words()) {
    if (held.has(*parse_permission(word))) scopes.push_back(word);
  }
  json out = {{"id", record.id.text()},
              {"name", record.name},
              {"role", role_word(record.role)},
              {"scopes", scopes},
              {"sessions", nullptr},
              {"ip_allow", nullptr},
              {"created_at", to_iso8601(record.created_at)},
              {"expires_at", to_iso8601(record.expires_at)},
              {"last_used_at", nullptr}};
  if (!record.sessions.empty()) out["sessions"] = json::array();
  for (const auto& id : record.sessions) out["sessions"].push_back(id.text());
  if (!record.ip_allow.empty()) out["ip_allow"] = record.ip_allow;
  if (record.last_used_at != 0) out["last_used_at"] = to_iso8601(record.last_used_at);
  return out;
}

Problem one_error(std::string pointer, std::string message) {
  Problem problem;
  problem.code = Code::invalid_body;
  problem.errors.push_back({std::move(pointer), std::move(message)});
  return problem;
}

// A duration of the body, or `otherwise`.
Outcome<std::chrono::seconds> duration_of(const json& body, const char* name, int64_t least,
                                          int64_t most, std::chrono::seconds otherwise) {
  const auto found = body.find(name);
  if (found == body.end()) return otherwise;
  if (found->is_number()) return std::chrono::seconds(found->get<int64_t>());
  const auto parsed = parse_duration(found->get<std::string>());
  if (!parsed || parsed->count() < least || parsed->count() > most) {
    const std::string pointer = "/" + std::string(name);
    const std::string message = "must be from " + std::to_string(least) + " seconds to " +
                                std::to_string(most / 86400) + " days";
    return refuse(one_error(pointer, message));
  }
  return *parsed;
}

// The sessions that the token is limited to, each of them one of `owner`.
awaitable<Outcome<std::vector<SessionId>>> sessions_of(Call& call, storage::OrgScope owner) {
  std::vector<SessionId> out;
  const auto texts = texts_of(call.body, "sessions");
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto id = SessionId::parse(texts[i]);
    bool known = id.has_value();
    if (known) {
      auto view = co_await call.app.sessions.get(owner, *id);
      known = view.has_value();
      if (!view && view.error().code != Code::not_found) co_return refuse(view.error());
    }
    if (!known) {
      const std::string pointer = "/sessions/" + std::to_string(i);
      co_return refuse(one_error(pointer, "is not a session of this organization"));
    }
    out.push_back(*id);
  }
  co_return std::move(out);
}

Outcome<Texts> networks_of(const json& body) {
  auto texts = texts_of(body, "ip_allow");
  for (size_t i = 0; i < texts.size(); ++i) {
    if (const char* fix = fix_for(ConfigCheck::networks, texts[i])) {
      return refuse(one_error("/ip_allow/" + std::to_string(i), fix));
    }
  }
  return texts;
}

Permissions given_by(const TokenRecord& record) {
  const auto all = Permissions::of(record.role);
  return record.scopes ? all & *record.scopes : all;
}

}  // namespace

awaitable<Outcome<Answer>> create_token(Call& call, storage::OrgScope owner,
                                        std::optional<Permissions> most, Role highest) {
  TokenRecord wish;
  wish.name = text_of(call.body, "name");
  wish.role = *parse_role(text_of(call.body, "role"));
  if (call.body.contains("scopes")) {
    wish.scopes.emplace();
    for (const auto& word : texts_of(call.body, "scopes")) {
      wish.scopes->add(*parse_permission(word));
    }
  }
  if (wish.role > highest || (most && !most->covers(given_by(wish)))) {
    co_return refuse(Code::forbidden, "A token gives at most what its maker holds.");
  }
  const auto life = duration_of(call.body, "expires_in", 60, kLongestLife,
                                call.app.config.auth.token_ttl_default);
  if (!life) co_return refuse(life.error());
  auto networks = networks_of(call.body);
  if (!networks) co_return refuse(networks.error());
  wish.ip_allow = std::move(*networks);
  auto sessions = co_await sessions_of(call, owner);
  if (!sessions) co_return refuse(sessions.error());
  wish.sessions = std::move(*sessions);
  auto room = co_await call.app.quotas.room(owner, Quota::tokens);
  if (!room) co_return refuse(room.error());

  auto minted = call.app.auth.mint(owner, std::move(wish), *life);
  json out = shown(minted.record);
  out["token"] = minted.token;
  auto answer = json_answer(201, out);
  auto also = call.repeatable(answer);
  // The repeatable answer belongs to the caller's rows, which for an operator are not the owner's.
  auto stored = owner == call.org()
                    ? call.app.auth.store(owner, std::move(minted), std::move(also))
                    : call.app.auth.store_for_operator(owner, std::move(minted), std::move(also));
  auto done = co_await std::move(stored);
  if (!done) co_return refuse(done.error());
  co_return answer;
}

namespace {

awaitable<Outcome<Answer>> create(Call& call) {
  const auto most = call.caller->permissions();
  const auto highest = call.caller->role();
  auto answer = co_await create_token(call, call.org(), most, highest);
  co_return answer;
}

awaitable<Outcome<Answer>> list(Call& call) {
  auto wish = page_wish(call, "tokens");
  if (!wish) co_return refuse(wish.error());
  auto page = co_await call.app.auth.list(call.org(), wish->after, wish->limit);
  if (!page) co_return refuse(page.error());
  json data = json::array();
  for (const auto& record : page->tokens) data.push_back(shown(record));
  co_return page_answer(call, "tokens", std::move(data), page->next);
}

// A new token with all that the old one has, which lives on for a while.
awaitable<Outcome<Answer>> rotate(Call& call) {
  const auto id = call.id<TokenId>();
  if (!id) co_return refuse(id.error());
  const auto overlap =
      duration_of(call.body, "overlap", 0, kLongestOverlap, std::chrono::seconds(kOverlap));
  if (!overlap) co_return refuse(overlap.error());
  auto old = co_await call.app.auth.find(call.org(), *id);
  if (!old) co_return refuse(old.error());
  if (old->record.role > call.caller->role() ||
      !call.caller->permissions().covers(given_by(old->record))) {
    co_return refuse(Code::forbidden, "A token gives at most what its maker holds.");
  }
  const auto now = call.app.clock.now_ms();
  if (old->record.expires_at <= now) co_return refuse(Code::conflict, "The token has expired.");
  auto room = co_await call.app.quotas.room(call.org(), Quota::tokens);
  if (!room) co_return refuse(room.error());
  const std::chrono::seconds life((old->record.expires_at - old->record.created_at) / 1000);
  auto minted = call.app.auth.mint(call.org(), old->record, life);
  old->record.expires_at = std::min(old->record.expires_at, now + overlap->count() * 1000);
  json out = shown(minted.record);
  out["token"] = minted.token;
  auto answer = json_answer(201, out);
  auto also = call.repeatable(answer);
  also.push_back(call.app.auth.row_of(*old));
  auto stored = co_await call.app.auth.store(call.org(), std::move(minted), std::move(also));
  if (!stored) co_return refuse(stored.error());
  co_return answer;
}

awaitable<Outcome<Answer>> revoke(Call& call) {
  const auto id = call.id<TokenId>();
  if (!id) co_return refuse(id.error());
  auto done = co_await call.app.auth.revoke(call.org(), *id);
  if (!done) co_return refuse(done.error());
  Answer answer;
  answer.status = 204;
  answer.content_type.clear();
  co_return answer;
}

constexpr Reply kMinted[] = {{201, "The token, shown once", &kMintedShape}};
constexpr Reply kPage[] = {{200, "A page of tokens", &kList}};
constexpr Reply kGone[] = {{204, "Revoked: the next request with it is refused"}};
constexpr Code kCreateProblems[] = {Code::limit_reached};
constexpr Code kRotateProblems[] = {Code::limit_reached, Code::conflict};
constexpr Code kPageProblems[] = {Code::invalid_cursor};
constexpr Route kRoutes[] = {
    {"POST", "/v1/tokens", "createToken", "Make a token", Access::organization,
     Permission::tokens_write, &kNewTokenShape, nullptr, create, kMinted, kCreateProblems,
     "token.create"},
    {"GET", "/v1/tokens", "listTokens", "List the tokens", Access::organization,
     Permission::tokens_read, nullptr, &kPageQuery, list, kPage, kPageProblems},
    {"POST", "/v1/tokens/{id}/rotate", "rotateToken", "Replace a token, with overlap",
     Access::organization, Permission::tokens_write, &kRotate, nullptr, rotate, kMinted,
     kRotateProblems, "token.rotate"},
    {"DELETE",
     "/v1/tokens/{id}",
     "revokeToken",
     "Revoke a token",
     Access::organization,
     Permission::tokens_write,
     nullptr,
     nullptr,
     revoke,
     kGone,
     {},
     "token.revoke"}};

}  // namespace

std::span<const Route> token_routes() { return kRoutes; }

}  // namespace wab::bridge
