// /v1/users: the people of an organization, or the operators.

#include <nlohmann/json.hpp>

#include "bridge/routes/page.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr std::string_view kRoles[] = {"owner", "admin", "agent", "viewer", "operator"};
constexpr std::string_view kOrgRoles[] = {"owner", "admin", "agent", "viewer"};
constexpr Field kPatchFields[] = {{.name = "role", .one_of = kOrgRoles},
                                  {.name = "disabled", .type = Type::boolean}};
constexpr Shape kPatch{"user_patch", kPatchFields, 1};
constexpr Field kUserFields[] = {{.name = "id", .required = true},
                                 {.name = "email", .required = true},
                                 {.name = "role", .required = true, .one_of = kRoles},
                                 {.name = "organization_id", .required = true, .nullable = true},
                                 {.name = "disabled", .type = Type::boolean, .required = true},
                                 {.name = "totp_enabled", .type = Type::boolean, .required = true},
                                 {.name = "created_at", .required = true}};

}  // namespace

extern constexpr Shape kUserShape{"user", kUserFields};

namespace {

constexpr auto kListFields = page_fields(kUserShape);
constexpr Shape kList{"users", kListFields};

awaitable<Outcome<Answer>> list_of(Call& call, storage::OrgScope of, std::string_view name) {
  auto wish = page_wish(call, name);
  if (!wish) co_return refuse(wish.error());
  auto page = co_await call.app.auth.users().list(of, wish->after, wish->limit);
  if (!page) co_return refuse(page.error());
  json data = json::array();
  for (const auto& user : page->users) data.push_back(user_json(user));
  co_return page_answer(call, name, std::move(data), page->next);
}

awaitable<Outcome<Answer>> list(Call& call) {
  auto answer = co_await list_of(call, call.org(), "users");
  co_return answer;
}

// The cursor of one organization does not fit another.
awaitable<Outcome<Answer>> list_organization(Call& call) {
  const auto id = call.id<OrgId>();
  if (!id) co_return refuse(id.error());
  auto scope = co_await call.app.auth.organization(*call.caller, *id);
  if (!scope) co_return refuse(scope.error());
  const std::string name = "users of " + id->text();
  auto answer = co_await list_of(call, *scope, name);
  co_return answer;
}

awaitable<Outcome<Answer>> get(Call& call) {
  const auto id = call.id<UserId>();
  if (!id) co_return refuse(id.error());
  std::string text = id->text();
  auto user = co_await call.app.people.find_user(*call.caller, std::move(text));
  if (!user) co_return refuse(user.error());
  co_return json_answer(200, user_json(*user));
}

awaitable<Outcome<Answer>> patch(Call& call) {
  const auto id = call.id<UserId>();
  if (!id) co_return refuse(id.error());
  People::UserPatch wish;
  if (call.body.contains("role")) wish.role = parse_role(text_of(call.body, "role"));
  if (call.body.contains("disabled")) wish.disabled = call.body["disabled"].get<bool>();
  std::string text = id->text();
  auto user = co_await call.app.people.patch_user(*call.caller, std::move(text), wish);
  if (!user) co_return refuse(user.error());
  if (wish.role) call.note.detail = "role " + std::string(role_word(*wish.role));
  if (wish.disabled) {
    call.note.detail += call.note.detail.empty() ? "" : ", ";
    call.note.detail += *wish.disabled ? "disabled" : "enabled";
  }
  co_return json_answer(200, user_json(*user));
}

awaitable<Outcome<Answer>> erase(Call& call) {
  const auto id = call.id<UserId>();
  if (!id) co_return refuse(id.error());
  std::string text = id->text();
  auto done = co_await call.app.people.erase_user(*call.caller, std::move(text));
  if (!done) co_return refuse(done.error());
  co_return empty_answer();
}

constexpr Reply kPage[] = {{200, "A page of users", &kList}};
constexpr Reply kOne[] = {{200, "The user", &kUserShape}};
constexpr Reply kGone[] = {{204, "Deleted: the next request of any of its browsers is refused"}};
constexpr Code kPageProblems[] = {Code::invalid_cursor};
constexpr Code kWriteProblems[] = {Code::last_owner, Code::conflict};
constexpr Code kEraseProblems[] = {Code::last_owner};
constexpr std::string_view kAll = "/v1/users", kSingle = "/v1/users/{id}";
constexpr Route kRoutes[] = {
    {"GET", kAll, "listUsers", "List the users; an operator sees the operators", Access::either,
     Permission::users_read, nullptr, &kPageQuery, list, kPage, kPageProblems},
    {"GET",
     "/v1/organizations/{id}/users",
     "listOrganizationUsers",
     "List the users of an organization",
     Access::operators,
     {},
     nullptr,
     &kPageQuery,
     list_organization,
     kPage,
     kPageProblems},
    {"GET", kSingle, "getUser", "Get a user", Access::either, Permission::users_read, nullptr,
     nullptr, get, kOne},
    {"PATCH", kSingle, "patchUser", "Change the role of a user, disable or enable it",
     Access::either, Permission::users_write, &kPatch, nullptr, patch, kOne, kWriteProblems,
     "user.change"},
    {"DELETE", kSingle, "deleteUser", "Delete a user", Access::either, Permission::users_write,
     nullptr, nullptr, erase, kGone, kEraseProblems, "user.delete"}};

}  // namespace

json user_json(const UserRecord& user) {
  json out = {{"id", user.id.text()},
              {"email", user.email},
              {"role", role_word(user.role)},
              {"organization_id", nullptr},
              {"disabled", user.disabled},
              {"totp_enabled", !user.totp_secret.empty()},
              {"created_at", to_iso8601(user.created_at)}};
  if (user.org) out["organization_id"] = user.org->text();
  return out;
}

std::span<const Route> user_routes() { return kRoutes; }

}  // namespace wab::bridge
