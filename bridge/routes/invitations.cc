// Invitations: made by an admin of the organization, or by an operator; accepted by whom they
// reach.

#include <nlohmann/json.hpp>

#include "bridge/routes/page.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr std::string_view kRoles[] = {"owner", "admin", "agent", "viewer", "operator"};
constexpr std::string_view kOrgRoles[] = {"owner", "admin", "agent", "viewer"};
constexpr Field kNewFields[] = {
    {.name = "email", .required = true, .min = 3, .max = 254, .format = Format::email},
    {.name = "role",
     .required = true,
     .one_of = kRoles,
     .about = "At most one's own; an operator invites operators."}};
constexpr Shape kNew{"new_invitation", kNewFields};
constexpr Field kNewOfFields[] = {
    {.name = "email", .required = true, .min = 3, .max = 254, .format = Format::email},
    {.name = "role", .required = true, .one_of = kOrgRoles}};
constexpr Shape kNewOf{"new_organization_invitation", kNewOfFields};
constexpr Field kInvitationFields[] = {
    {.name = "id", .required = true},
    {.name = "email", .required = true},
    {.name = "role", .required = true, .one_of = kRoles},
    {.name = "invited_by", .required = true, .about = "usr_... or tok_..."},
    {.name = "created_at", .required = true},
    {.name = "expires_at", .required = true}};
constexpr Shape kInvitation{"invitation", kInvitationFields};
constexpr Field kMadeFields[] = {
    {.name = "id", .required = true},
    {.name = "email", .required = true},
    {.name = "role", .required = true, .one_of = kRoles},
    {.name = "invited_by", .required = true},
    {.name = "created_at", .required = true},
    {.name = "expires_at", .required = true},
    {.name = "token", .required = true, .about = "Shown once."},
    {.name = "link", .required = true, .max = 2048, .about = "To the console, shown once."}};
constexpr Shape kMade{"made_invitation", kMadeFields};
constexpr auto kListFields = page_fields(kInvitation);
constexpr Shape kList{"invitations", kListFields};
constexpr Field kAcceptFields[] = {
    {.name = "token", .required = true, .min = 1, .max = 128},
    {.name = "password", .required = true, .min = kPasswordMin, .max = kPasswordMax}};
constexpr Shape kAccept{"accept_invitation", kAcceptFields};

json shown(const People::Invitation& invitation) {
  return {{"id", invitation.id.text()},
          {"email", invitation.email},
          {"role", role_word(invitation.role)},
          {"invited_by", invitation.invited_by},
          {"created_at", to_iso8601(invitation.created_at)},
          {"expires_at", to_iso8601(invitation.expires_at)}};
}

awaitable<Outcome<Answer>> invite(Call& call, storage::OrgScope into, Role role) {
  if (into != call.app.audit.deployment()) {
    auto room = co_await call.app.quotas.room(into, Quota::users);
    if (!room) co_return refuse(room.error());
  }
  std::string email = text_of(call.body, "email"), by = call.caller->principal();
  auto made = co_await call.app.people.make_invitation(into, std::move(email), role, std::move(by));
  if (!made) co_return refuse(made.error());
  json out = shown(made->invitation);
  out["token"] = made->token;
  out["link"] = console_link(call, "invitation/" + made->token);
  auto answer = json_answer(201, out);
  call.note.detail = made->invitation.email + " as " + std::string(role_word(role));
  auto also = call.repeatable(answer);
  People& people = call.app.people;
  if (call.caller->is_operator()) {
    auto stored = co_await people.store_invitation_for_operator(std::move(*made), std::move(also));
    if (!stored) co_return refuse(stored.error());
    co_return answer;
  }
  auto stored = co_await people.store_invitation(std::move(*made), std::move(also));
  if (!stored) co_return refuse(stored.error());
  co_return answer;
}

awaitable<Outcome<Answer>> create(Call& call) {
  const auto role = *parse_role(text_of(call.body, "role"));
  const Caller& caller = *call.caller;
  if (caller.is_operator() && role != Role::operators) {
    co_return refuse(Code::forbidden,
                     "Use POST /v1/organizations/{id}/invitations for an organization.");
  }
  if (role > caller.role()) co_return refuse(Code::forbidden, "Nobody invites above himself.");
  auto answer = co_await invite(call, call.org(), role);
  co_return answer;
}

awaitable<Outcome<Answer>> create_of(Call& call) {
  const auto id = call.id<OrgId>();
  if (!id) co_return refuse(id.error());
  auto scope = co_await call.app.auth.organization(*call.caller, *id);
  if (!scope) co_return refuse(scope.error());
  call.note.organization = *scope;
  const auto role = *parse_role(text_of(call.body, "role"));
  auto answer = co_await invite(call, *scope, role);
  co_return answer;
}

awaitable<Outcome<Answer>> list(Call& call) {
  auto wish = page_wish(call, "invitations");
  if (!wish) co_return refuse(wish.error());
  auto page = co_await call.app.people.list_invitations(call.org(), wish->after, wish->limit);
  if (!page) co_return refuse(page.error());
  json data = json::array();
  for (const auto& invitation : page->invitations) data.push_back(shown(invitation));
  co_return page_answer(call, "invitations", std::move(data), page->next);
}

awaitable<Outcome<Answer>> erase(Call& call) {
  const auto id = call.id<InvitationId>();
  if (!id) co_return refuse(id.error());
  auto done = co_await call.app.people.erase_invitation(call.org(), *id);
  if (!done) co_return refuse(done.error());
  co_return empty_answer();
}

awaitable<Outcome<Answer>> accept(Call& call) {
  const auto quota = call.app.config.limits.login_per_minute;
  const auto verdict = call.app.limits.take("invitation", address_group(call.request.address),
                                            quota * 2, std::chrono::seconds(60));
  if (!verdict.allowed) {
    Problem problem;
    problem.code = Code::rate_limited;
    problem.retry_after = static_cast<int>(verdict.retry_after);
    co_return refuse(std::move(problem));
  }
  std::string token = text_of(call.body, "token"), password = text_of(call.body, "password");
  auto user = co_await call.app.people.accept_invitation(std::move(token), std::move(password));
  if (!user) co_return refuse(user.error());
  call.note.actor = call.note.target = user->id.text();
  if (user->org) call.note.organization = call.app.auth.users().scope_of(*user);
  co_return json_answer(201, user_json(*user));
}

constexpr Reply kCreated[] = {{201, "The invitation; token and link are shown once", &kMade}};
constexpr Reply kPage[] = {{200, "A page of invitations", &kList}};
constexpr Reply kGone[] = {{204, "Taken back"}};
constexpr Reply kAccepted[] = {{201, "The user exists and may sign in", &kUserShape}};
constexpr Code kCreateProblems[] = {Code::conflict, Code::limit_reached};
constexpr Code kPageProblems[] = {Code::invalid_cursor};
constexpr Code kAcceptProblems[] = {Code::invitation_refused, Code::weak_password, Code::conflict};
constexpr Route kRoutes[] = {
    {"POST", "/v1/invitations", "createInvitation", "Invite somebody", Access::either,
     Permission::users_write, &kNew, nullptr, create, kCreated, kCreateProblems,
     "invitation.create"},
    {"GET", "/v1/invitations", "listInvitations", "List the open invitations", Access::either,
     Permission::users_read, nullptr, &kPageQuery, list, kPage, kPageProblems},
    {"DELETE",
     "/v1/invitations/{id}",
     "deleteInvitation",
     "Take an invitation back",
     Access::either,
     Permission::users_write,
     nullptr,
     nullptr,
     erase,
     kGone,
     {},
     "invitation.delete"},
    {"POST",
     "/v1/organizations/{id}/invitations",
     "createOrganizationInvitation",
     "Invite somebody into an organization",
     Access::operators,
     {},
     &kNewOf,
     nullptr,
     create_of,
     kCreated,
     kCreateProblems,
     "invitation.create"},
    {"POST",
     "/v1/invitations/accept",
     "acceptInvitation",
     "Become a user",
     Access::open,
     {},
     &kAccept,
     nullptr,
     accept,
     kAccepted,
     kAcceptProblems,
     "invitation.accept"}};

}  // namespace

std::span<const Route> invitation_routes() { return kRoutes; }

}  // namespace wab::bridge
