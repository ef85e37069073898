// /v1/sessions: WhatsApp connections of the organization.

#include <nlohmann/json.hpp>

#include "bridge/routes/page.h"
#include "bridge/routes/session_json.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr Field kNewFields[] = {
    {.name = "name", .required = true, .min = 1, .max = 100, .format = Format::name},
    {.name = "metadata", .type = Type::map, .max = 50, .item_max = 500},
    {.name = "proxy", .min = 1, .max = 512, .format = Format::proxy}};
constexpr Shape kNew{"new_session", kNewFields};
constexpr Field kPatchFields[] = {
    {.name = "name", .min = 1, .max = 100, .format = Format::name},
    {.name = "metadata",
     .type = Type::map,
     .max = 50,
     .item_max = 500,
     .about = "Replaces all of it."},
    {.name = "proxy",
     .min = 1,
     .max = 512,
     .format = Format::proxy,
     .nullable = true,
     .about = "null takes it away. In force with the next connection."}};
constexpr Shape kPatch{"session_patch", kPatchFields, 1};

constexpr Field kStartFields[] = {
    {.name = "accept_restored_state",
     .type = Type::boolean,
     .about = "After a backup was restored: go on with the stored link and forget its ratchets."}};
constexpr Shape kStart{"session_start", kStartFields};

constexpr std::string_view kWords[] = {
    "STOPPED", "STARTING", "SCAN_QR_CODE", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED",
    "WORKING", "DEGRADED", "FAILED"};
constexpr Field kReasonFields[] = {
    {.name = "code", .required = true},
    {.name = "message", .required = true, .max = 1000},
    {.name = "next", .required = true, .max = 1000, .about = "What to do; may be empty."}};
constexpr Shape kReason{"reason", kReasonFields};
constexpr Field kMeFields[] = {{.name = "id", .required = true},
                               {.name = "pn", .required = true},
                               {.name = "lid", .required = true},
                               {.name = "push_name", .required = true}};
constexpr Shape kMe{"me", kMeFields};
constexpr Field kSessionFields[] = {
    {.name = "id", .required = true},
    {.name = "name", .required = true},
    {.name = "status", .required = true, .one_of = kWords},
    {.name = "reason", .type = Type::object, .required = true, .shape = &kReason, .nullable = true},
    {.name = "since", .required = true, .nullable = true, .about = "Of the status."},
    {.name = "me",
     .type = Type::object,
     .required = true,
     .shape = &kMe,
     .nullable = true,
     .about = "The linked account; null until paired."},
    {.name = "last_seen_at",
     .required = true,
     .nullable = true,
     .about = "Last word from WhatsApp on the present connection."},
    {.name = "started",
     .type = Type::boolean,
     .required = true,
     .about = "Start was asked for; comes back by itself after a restart of the service."},
    {.name = "metadata", .type = Type::map, .required = true, .max = 50, .item_max = 500},
    {.name = "proxy",
     .required = true,
     .max = 512,
     .nullable = true,
     .about = "Without its password."},
    {.name = "created_at", .required = true},
    {.name = "updated_at", .required = true}};

}  // namespace

extern constexpr Shape kSessionShape{"session", kSessionFields};

namespace {

constexpr auto kListFields = page_fields(kSessionShape);
constexpr Shape kList{"sessions", kListFields};

awaitable<Outcome<Answer>> create(Call& call) {
  if (call.caller->sessions()) {
    co_return refuse(Code::forbidden, "The token is limited to sessions that exist.");
  }
  auto room = co_await room_for(call, Quota::sessions);
  if (!room) co_return refuse(room.error());
  SessionView view;
  view.id = SessionId::random(call.app.random);
  view.settings.name = text_of(call.body, "name");
  view.settings.metadata = map_of(call.body, "metadata");
  view.settings.proxy = text_of(call.body, "proxy");
  view.created_at = view.updated_at = call.app.clock.now_ms();
  // What create() will have made true; the row that repeats this answer is in the same commit.
  auto answer = json_answer(201, session_json(view));
  auto also = call.repeatable(answer);
  auto made =
      co_await call.app.sessions.create(call.org(), view.id, view.settings, std::move(also));
  if (!made) co_return refuse(std::move(made.error()));
  if (!call.ticket) answer = json_answer(201, session_json(*made));
  co_return answer;
}

awaitable<Outcome<Answer>> list(Call& call) {
  auto wish = page_wish(call, "sessions");
  if (!wish) co_return refuse(wish.error());
  auto page = co_await call.app.sessions.list(call.org(), wish->after, wish->limit);
  if (!page) co_return refuse(std::move(page.error()));
  json data = json::array();
  for (const auto& view : page->sessions) {
    if (call.caller->sees(view.id)) data.push_back(session_json(view));
  }
  co_return page_answer(call, "sessions", std::move(data), page->next);
}

awaitable<Outcome<Answer>> shown(Call& call, SessionId id) {
  auto view = co_await call.app.sessions.get(call.org(), id);
  if (!view) co_return refuse(std::move(view.error()));
  co_return json_answer(200, session_json(*view));
}

awaitable<Outcome<Answer>> get(Call& call) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  auto answer = co_await shown(call, *id);
  co_return answer;
}

awaitable<Outcome<Answer>> patch(Call& call) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  SessionPatch wanted;
  if (call.body.contains("name")) wanted.name = text_of(call.body, "name");
  if (call.body.contains("metadata")) wanted.metadata = map_of(call.body, "metadata");
  if (call.body.contains("proxy")) wanted.proxy = text_of(call.body, "proxy");  // null is ""
  auto view = co_await call.app.sessions.patch(call.org(), *id, std::move(wanted));
  if (!view) co_return refuse(std::move(view.error()));
  co_return json_answer(200, session_json(*view));
}

awaitable<Outcome<Answer>> erase(Call& call) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  auto done = co_await call.app.sessions.erase(call.org(), *id);
  if (!done) co_return refuse(std::move(done.error()));
  Answer answer;
  answer.status = 204;
  answer.content_type.clear();
  co_return answer;
}

using Wish = awaitable<Outcome<void>> (SessionDirectory::*)(storage::OrgScope, SessionId);

awaitable<Outcome<Answer>> wish(Call& call, Wish verb) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  auto done = co_await (call.app.sessions.*verb)(call.org(), *id);
  if (!done) co_return refuse(std::move(done.error()));
  auto answer = co_await shown(call, *id);
  co_return answer;
}
awaitable<Outcome<Answer>> start(Call& call) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  if (call.body.value("accept_restored_state", false)) {
    call.note.detail = "accepts the restored state";
    auto accepted = co_await call.app.sessions.accept_restored(call.org(), *id);
    if (!accepted) co_return refuse(accepted.error());
  }
  auto answer = co_await wish(call, &SessionDirectory::start);
  co_return answer;
}
awaitable<Outcome<Answer>> stop(Call& call) { return wish(call, &SessionDirectory::stop); }
awaitable<Outcome<Answer>> restart(Call& call) { return wish(call, &SessionDirectory::restart); }
awaitable<Outcome<Answer>> logout(Call& call) { return wish(call, &SessionDirectory::logout); }

constexpr Reply kCreated[] = {{201, "Created, stopped", &kSessionShape}};
constexpr Reply kOne[] = {{200, "The session", &kSessionShape}};
constexpr Reply kPage[] = {{200, "A page of sessions", &kList}};
constexpr Reply kGone[] = {{204, "Unlinked and erased"}};
constexpr Code kCreateProblems[] = {Code::limit_reached};
constexpr Code kPageProblems[] = {Code::invalid_cursor};
constexpr auto kOrg = Access::organization;
constexpr auto kReads = Permission::sessions_read, kWrites = Permission::sessions_write;
constexpr std::string_view kAll = "/v1/sessions", kSingle = "/v1/sessions/{id}";
constexpr Route kRoutes[] = {
    {"POST", kAll, "createSession", "Create a session", kOrg, kWrites, &kNew, nullptr, create,
     kCreated, kCreateProblems, "session.create"},
    {"GET", kAll, "listSessions", "List the sessions", kOrg, kReads, nullptr, &kPageQuery, list,
     kPage, kPageProblems},
    {"GET", kSingle, "getSession", "Get a session", kOrg, kReads, nullptr, nullptr, get, kOne},
    {"PATCH",
     kSingle,
     "patchSession",
     "Change a session",
     kOrg,
     kWrites,
     &kPatch,
     nullptr,
     patch,
     kOne,
     {},
     "session.change"},
    {"DELETE",
     kSingle,
     "deleteSession",
     "Unlink and erase a session",
     kOrg,
     kWrites,
     nullptr,
     nullptr,
     erase,
     kGone,
     {},
     "session.delete"},
    {"POST",
     "/v1/sessions/{id}/start",
     "startSession",
     "Connect, or begin to pair",
     kOrg,
     kWrites,
     &kStart,
     nullptr,
     start,
     kOne,
     {},
     "session.start"},
    {"POST",
     "/v1/sessions/{id}/stop",
     "stopSession",
     "Disconnect",
     kOrg,
     kWrites,
     nullptr,
     nullptr,
     stop,
     kOne,
     {},
     "session.stop"},
    {"POST",
     "/v1/sessions/{id}/restart",
     "restartSession",
     "Disconnect and connect again",
     kOrg,
     kWrites,
     nullptr,
     nullptr,
     restart,
     kOne,
     {},
     "session.restart"},
    {"POST",
     "/v1/sessions/{id}/logout",
     "logoutSession",
     "Unlink from the phone",
     kOrg,
     kWrites,
     nullptr,
     nullptr,
     logout,
     kOne,
     {},
     "session.logout"}};

}  // namespace

std::span<const Route> session_routes() { return kRoutes; }

}  // namespace wab::bridge
