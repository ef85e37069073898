// /v1/organizations: tenants, for operators. Row Kind::organization of the deployment, JSON
// {"v":1,"id","name","metadata","created_at","updated_at"}.

#include <nlohmann/json.hpp>

#include "bridge/organization_erasure.h"
#include "bridge/routes/page.h"
#include "bridge/routes/tables.h"
#include "bridge/stored.h"

namespace wab::bridge {
namespace {

using nlohmann::json;
using storage::Kind;

constexpr Field kNewFields[] = {
    {.name = "name", .required = true, .min = 1, .max = 100, .format = Format::name},
    {.name = "metadata", .type = Type::map, .max = 50, .item_max = 500}};
constexpr Shape kNew{"new_organization", kNewFields};
constexpr Field kPatchFields[] = {{.name = "name", .min = 1, .max = 100, .format = Format::name},
                                  {.name = "metadata",
                                   .type = Type::map,
                                   .max = 50,
                                   .item_max = 500,
                                   .about = "Replaces all of it."},
                                  {.name = "limits",
                                   .type = Type::object,
                                   .shape = &kLimitOverrides,
                                   .about = "Instead of the deployment's; null goes back to it."}};
constexpr Shape kPatch{"organization_patch", kPatchFields, 1};

constexpr Field kOrganizationFields[] = {
    {.name = "id", .required = true},
    {.name = "name", .required = true},
    {.name = "metadata", .type = Type::map, .required = true, .max = 50, .item_max = 500},
    {.name = "limits", .type = Type::object, .shape = &kQuotaValues, .about = "In force."},
    {.name = "usage", .type = Type::object, .shape = &kQuotaValues},
    {.name = "created_at", .required = true},
    {.name = "updated_at", .required = true}};
constexpr Shape kOrganization{"organization", kOrganizationFields};
constexpr auto kListFields = page_fields(kOrganization);
constexpr Shape kList{"organizations", kListFields};

json shown(const json& stored) {
  return {{"id", text_at(stored, "id")},
          {"name", text_at(stored, "name")},
          {"metadata", stored.value("metadata", json::object())},
          {"created_at", to_iso8601(number_at(stored, "created_at"))},
          {"updated_at", to_iso8601(number_at(stored, "updated_at"))}};
}

// The stored row behind the id of the path.
awaitable<Outcome<json>> load(Call& call) {
  const auto id = call.id<OrgId>();
  if (!id) co_return refuse(id.error());
  const std::string name = id->text();
  auto stored = co_await load_one(call.app.store, call.org(), Kind::organization, name);
  if (!stored) co_return refuse(problem_of(stored.error()));
  if (!*stored) co_return refuse(Code::not_found);
  co_return std::move(**stored);
}

awaitable<Outcome<Answer>> create(Call& call) {
  const auto now = call.app.clock.now_ms();
  const auto id = OrgId::random(call.app.random);
  const json row = {{"v", 1},
                    {"id", id.text()},
                    {"name", text_of(call.body, "name")},
                    {"metadata", map_json(map_of(call.body, "metadata"))},
                    {"created_at", now},
                    {"updated_at", now}};
  auto answer = json_answer(201, shown(row));
  storage::Commit commit{storage::Scope(call.org())};
  commit.put.push_back(json_row(Kind::organization, id.text(), row));
  for (auto& also : call.repeatable(answer)) commit.put.push_back(std::move(also));
  auto written = co_await call.app.store.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return answer;
}

awaitable<Outcome<Answer>> list(Call& call) {
  auto wish = page_wish(call, "organizations");
  if (!wish) co_return refuse(wish.error());
  auto page =
      co_await call.app.store.scan(call.org(), Kind::organization, wish->after, wish->limit);
  if (!page) co_return refuse(problem_of(page.error()));
  json data = json::array();
  for (const auto& row : page->rows) {
    if (const auto stored = parse_stored(row.value)) data.push_back(shown(*stored));
  }
  co_return page_answer(call, "organizations", std::move(data), page->next);
}

awaitable<Outcome<Answer>> with_usage(Call& call, json out) {
  const auto id = call.id<OrgId>();
  if (!id) co_return refuse(id.error());
  auto scope = co_await call.app.auth.organization(*call.caller, *id);
  if (!scope) co_return refuse(scope.error());
  auto limits = co_await call.app.quotas.limits(*scope);
  if (!limits) co_return refuse(limits.error());
  auto usage = co_await call.app.quotas.usage(*scope);
  if (!usage) co_return refuse(usage.error());
  out["limits"] = quota_json(*limits);
  out["usage"] = quota_json(*usage);
  co_return json_answer(200, out);
}

awaitable<Outcome<Answer>> get(Call& call) {
  auto stored = co_await load(call);
  if (!stored) co_return refuse(stored.error());
  auto answer = co_await with_usage(call, shown(*stored));
  co_return answer;
}

awaitable<Outcome<Answer>> patch(Call& call) {
  auto stored = co_await load(call);
  if (!stored) co_return refuse(stored.error());
  json row = std::move(*stored);
  if (call.body.contains("name")) row["name"] = text_of(call.body, "name");
  if (call.body.contains("metadata")) row["metadata"] = map_json(map_of(call.body, "metadata"));
  if (call.body.contains("limits")) {
    auto& limits = row["limits"];
    if (!limits.is_object()) limits = json::object();
    for (const auto& [word, value] : call.body["limits"].items()) {
      if (value.is_null()) {
        limits.erase(word);
      } else {
        limits[word] = value;
      }
    }
    call.note.detail = "limits " + limits.dump();
  }
  row["updated_at"] = call.app.clock.now_ms();
  storage::Commit commit{storage::Scope(call.org())};
  commit.put.push_back(json_row(Kind::organization, text_at(row, "id"), row));
  auto written = co_await call.app.store.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  const auto id = OrgId::parse(text_at(row, "id"));
  if (id) call.app.quotas.forget(*id);
  auto answer = co_await with_usage(call, shown(row));
  co_return answer;
}

awaitable<Outcome<Answer>> erase(Call& call) {
  auto row = co_await load(call);
  if (!row) co_return refuse(row.error());
  const auto id = call.id<OrgId>();
  if (!id) co_return refuse(id.error());
  auto scope = co_await call.app.auth.organization(*call.caller, *id);
  if (!scope) co_return refuse(scope.error());
  storage::Store* const store = &call.app.store;
  if (!is_being_erased(*row)) {
    auto sessions = co_await call.app.sessions.erase_organization(*scope);
    if (!sessions) co_return refuse(sessions.error());
    auto endpoints = co_await call.app.endpoints.forget_organization(*scope);
    if (!endpoints) co_return refuse(endpoints.error());
    auto people = co_await call.app.people.erase_organization(*scope);
    if (!people) co_return refuse(people.error());
    auto marked = co_await mark_erased(store, call.org(), std::move(*row));
    if (!marked) co_return refuse(marked.error());
  }
  auto erased = co_await finish_erasing(store, &call.app.audit, call.org(), *scope);
  if (!erased) co_return refuse(erased.error());
  Answer answer;
  answer.status = 204;
  answer.content_type.clear();
  co_return answer;
}

// A token of the organization, made by an operator.
awaitable<Outcome<Answer>> token(Call& call) {
  const auto id = call.id<OrgId>();
  if (!id) co_return refuse(id.error());
  auto scope = co_await call.app.auth.organization(*call.caller, *id);
  if (!scope) co_return refuse(scope.error());
  call.note.organization = *scope;
  auto answer = co_await create_token(call, *scope, std::nullopt, Role::owner);
  co_return answer;
}

constexpr Reply kCreated[] = {{201, "Created", &kOrganization}};
constexpr Reply kOne[] = {{200, "The organization", &kOrganization}};
constexpr Reply kPage[] = {{200, "A page of organizations", &kList}};
constexpr Reply kGone[] = {{204, "Erased: its keys are destroyed"}};
constexpr Reply kMinted[] = {{201, "The token, shown once", &kMintedShape}};
constexpr Code kPageProblems[] = {Code::invalid_cursor};
constexpr Code kTokenProblems[] = {Code::limit_reached};
constexpr std::string_view kAll = "/v1/organizations", kSingle = "/v1/organizations/{id}";
constexpr Route kRoutes[] = {{"POST",
                              kAll,
                              "createOrganization",
                              "Create an organization",
                              Access::operators,
                              {},
                              &kNew,
                              nullptr,
                              create,
                              kCreated,
                              {},
                              "organization.create"},
                             {"GET",
                              kAll,
                              "listOrganizations",
                              "List the organizations",
                              Access::operators,
                              {},
                              nullptr,
                              &kPageQuery,
                              list,
                              kPage,
                              kPageProblems},
                             {"GET",
                              kSingle,
                              "getOrganization",
                              "Get an organization",
                              Access::operators,
                              {},
                              nullptr,
                              nullptr,
                              get,
                              kOne},
                             {"PATCH",
                              kSingle,
                              "patchOrganization",
                              "Change an organization",
                              Access::operators,
                              {},
                              &kPatch,
                              nullptr,
                              patch,
                              kOne,
                              {},
                              "organization.change"},
                             {"DELETE",
                              kSingle,
                              "deleteOrganization",
                              "Erase an organization beyond recovery",
                              Access::operators,
                              {},
                              nullptr,
                              nullptr,
                              erase,
                              kGone,
                              {},
                              "organization.delete"},
                             {"POST",
                              "/v1/organizations/{id}/tokens",
                              "createOrganizationToken",
                              "Make a token of an organization",
                              Access::operators,
                              {},
                              &kNewTokenShape,
                              nullptr,
                              token,
                              kMinted,
                              kTokenProblems,
                              "token.create"}};

}  // namespace

std::span<const Route> organization_routes() { return kRoutes; }

}  // namespace wab::bridge
