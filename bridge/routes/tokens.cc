// /v1/tokens: the organization's own tokens.

#include <nlohmann/json.hpp>

#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr std::string_view kRoles[] = {"owner", "admin", "agent", "viewer"};
constexpr std::span<const std::string_view> kScopes = kPermissionWords;
constexpr int64_t kLongestLife = 366 * 86400;

constexpr Field kNewFields[] = {
    {.name = "name", .required = true, .min = 1, .max = 100, .format = Format::name},
    {.name = "role", .required = true, .one_of = kRoles},
    {.name = "scopes",
     .type = Type::array,
     .min = 1,
     .max = 16,
     .one_of = kScopes,
     .about = "Narrows what the role gives."},
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
    {.name = "created_at", .required = true},
    {.name = "expires_at", .required = true}};
constexpr Field kMintedFields[] = {
    {.name = "id", .required = true},
    {.name = "name", .required = true},
    {.name = "role", .required = true, .one_of = kRoles},
    {.name = "scopes", .type = Type::array, .required = true, .max = 16, .one_of = kScopes},
    {.name = "created_at", .required = true},
    {.name = "expires_at", .required = true},
    {.name = "token", .required = true, .about = "Shown once."}};

}  // namespace

extern constexpr Shape kNewTokenShape{"new_token", kNewFields};
extern constexpr Shape kTokenShape{"token", kTokenFields};
extern constexpr Shape kMintedShape{"minted_token", kMintedFields};

namespace {

constexpr Field kListFields[] = {
    {.name = "data",
     .type = Type::array,
     .required = true,
     .max = 100,
     .shape = &kTokenShape,
     .item = Type::object},
    {.name = "next_cursor", .required = true, .max = 512, .nullable = true}};
constexpr Shape kList{"tokens", kListFields};

json shown(const TokenRecord& record) {
  json scopes = json::array();
  const auto all = Permissions::of(record.role);
  const auto held = record.scopes ? all & *record.scopes : all;
  for (const auto word : permission_words()) {
    if (held.has(*parse_permission(word))) scopes.push_back(word);
  }
  return {{"id", record.id.text()},
          {"name", record.name},
          {"role", role_word(record.role)},
          {"scopes", scopes},
          {"created_at", to_iso8601(record.created_at)},
          {"expires_at", to_iso8601(record.expires_at)}};
}

Problem one_error(const char* pointer, const char* message) {
  Problem problem;
  problem.code = Code::invalid_body;
  problem.errors.push_back({pointer, message});
  return problem;
}

// "expires_in", or the deployment's default.
Outcome<std::chrono::seconds> life_of(const json& body, std::chrono::seconds otherwise) {
  const auto found = body.find("expires_in");
  if (found == body.end()) return otherwise;
  if (found->is_number()) return std::chrono::seconds(found->get<int64_t>());
  const auto parsed = parse_duration(found->get<std::string>());
  if (!parsed || parsed->count() < 60 || parsed->count() > kLongestLife) {
    return refuse(one_error("/expires_in", "must be from 60 seconds to 366 days"));
  }
  return *parsed;
}

}  // namespace

awaitable<Outcome<Answer>> create_token(Call& call, storage::OrgScope owner,
                                        std::optional<Permissions> most, Role highest) {
  const auto role = *parse_role(text_of(call.body, "role"));
  std::optional<Permissions> scopes;
  if (call.body.contains("scopes")) {
    scopes.emplace();
    for (const auto& word : texts_of(call.body, "scopes")) scopes->add(*parse_permission(word));
  }
  const auto given = scopes ? Permissions::of(role) & *scopes : Permissions::of(role);
  if (role > highest || (most && !most->covers(given))) {
    co_return refuse(Code::forbidden, "A token gives at most what its maker holds.");
  }
  const auto life = life_of(call.body, call.app.config.auth.token_ttl_default);
  if (!life) co_return refuse(life.error());
  const auto limit = static_cast<size_t>(call.app.config.limits.tokens_per_organization);
  std::string first;
  auto present = co_await call.app.auth.list(owner, std::move(first), limit);
  if (!present) co_return refuse(present.error());
  if (present->tokens.size() >= limit) co_return refuse(Code::limit_reached);

  auto minted = call.app.auth.mint(owner, text_of(call.body, "name"), role, scopes, *life);
  json out = shown(minted.record);
  out["token"] = minted.token;
  auto answer = json_answer(201, out);
  // The repeatable answer belongs to the caller's rows, which for an operator are not the owner's.
  std::vector<storage::Row> also;
  if (owner == call.org()) also = call.repeatable(answer);
  auto stored = co_await call.app.auth.store(owner, std::move(minted), std::move(also));
  if (!stored) co_return refuse(stored.error());
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
constexpr Code kPageProblems[] = {Code::invalid_cursor};
constexpr Route kRoutes[] = {
    {"POST", "/v1/tokens", "createToken", "Make a token", Access::organization,
     Permission::tokens_write, &kNewTokenShape, nullptr, create, kMinted, kCreateProblems,
     "token.create"},
    {"GET", "/v1/tokens", "listTokens", "List the tokens", Access::organization,
     Permission::tokens_read, nullptr, &kPageQuery, list, kPage, kPageProblems},
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
