// GET /v1/events, GET /v1/events/stream: the organization's durable log.

#include <nlohmann/json.hpp>

#include "bridge/event_stream.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr std::string_view kAfter =
    "next_cursor of an earlier page, SESSION_ID:SEQ of any envelope (WEBHOOK_ID:SEQ of one about "
    "an endpoint, ORGANIZATION_ID:SEQ of one about the outbox), or latest; without it from the "
    "oldest event there is. 410 cursor_expired when the events behind it are gone: the problem "
    "names oldest_cursor, and the gap as gap_from and gap_to.";
constexpr Field kListFields[] = {
    {.name = "after", .max = 128, .about = kAfter},
    {.name = "limit", .type = Type::integer, .min = 1, .max = 1000, .about = "100 by default."},
    {.name = "wait",
     .type = Type::integer,
     .min = 0,
     .max = 60,
     .about = "Seconds to wait when there is nothing yet."}};
constexpr Shape kListQuery{"events_query", kListFields};
constexpr Field kStreamFields[] = {{.name = "after", .max = 128, .about = kAfter}};
constexpr Shape kStreamQuery{"events_stream_query", kStreamFields};

constexpr Field kEnvelopeFields[] = {{.name = "id", .required = true},
                                     {.name = "type", .required = true},
                                     {.name = "seq",
                                      .type = Type::integer,
                                      .required = true,
                                      .min = 1,
                                      .max = INT64_MAX,
                                      .about = "Per session, without gaps."},
                                     {.name = "organization_id", .required = true},
                                     {.name = "session_id", .required = true, .nullable = true},
                                     {.name = "occurred_at", .required = true},
                                     {.name = "data", .type = Type::any, .required = true}};
constexpr Shape kEnvelope{"event", kEnvelopeFields};
constexpr Field kPageFields[] = {
    {.name = "data",
     .type = Type::array,
     .required = true,
     .max = 1000,
     .shape = &kEnvelope,
     .item = Type::object},
    {.name = "next_cursor", .required = true, .about = "Always there: go on with it."}};
constexpr Shape kPage{"events", kPageFields};

// The position behind a cursor; one that was made from an event the caller does not see is none.
awaitable<Outcome<uint64_t>> position_of(Call& call, std::string after) {
  const auto session = numbered_by(after);
  if (session && !call.caller->sees(*session)) co_return refuse(Code::invalid_cursor);
  auto position = co_await event_position(call.app, call.org(), std::move(after));
  co_return position;
}

awaitable<Outcome<Answer>> list(Call& call) {
  std::string after(call.request.parameter("after"));
  auto position = co_await position_of(call, std::move(after));
  if (!position) co_return refuse(position.error());
  const auto until = call.app.clock.steady() + std::chrono::seconds(call.number("wait", 0));
  const auto limit = static_cast<size_t>(call.number("limit", 100));
  auto rows = co_await events_or_wait(call.app, call.org(), *position, limit, until);
  if (!rows) co_return refuse(rows.error());
  // The stored bodies go out as they are: the same bytes as in every webhook attempt.
  Answer answer;
  answer.body = "{\"data\":[";
  uint64_t last = *position;
  bool first = true;
  for (const auto& row : *rows) {
    last = row.position;
    if (!call.caller->sees(row.session)) continue;
    if (!first) answer.body += ',';
    answer.body += text(row.body);
    first = false;
  }
  answer.body += "],\"next_cursor\":\"" + std::to_string(last) + "\"}";
  co_return answer;
}

awaitable<Outcome<Answer>> stream(Call& call) {
  if (!call.request.upgrade) co_return refuse(Code::upgrade_required);
  std::string after(call.request.parameter("after"));
  auto position = co_await position_of(call, std::move(after));
  if (!position) co_return refuse(position.error());
  Answer answer;
  answer.status = 101;
  answer.content_type.clear();
  answer.kind = Answer::Kind::websocket;
  answer.follower = follow_events(call.app, *call.caller, *position);
  co_return answer;
}

constexpr Reply kListReplies[] = {{200, "Events in order of the log", &kPage}};
constexpr Reply kStreamReplies[] = {
    {101,
     "WebSocket: one envelope per text frame, the backlog first; a ping every 20 s. When events "
     "that "
     "were to come are gone, one frame {type: log.gap, gap: {from, to}, oldest_cursor} tells"}};
constexpr Code kListProblems[] = {Code::invalid_cursor, Code::cursor_expired};
constexpr Code kStreamProblems[] = {Code::invalid_cursor, Code::cursor_expired,
                                    Code::upgrade_required};
constexpr Route kRoutes[] = {
    {"GET", "/v1/events", "listEvents", "Read the event log", Access::organization,
     Permission::events_read, nullptr, &kListQuery, list, kListReplies, kListProblems},
    {"GET", "/v1/events/stream", "streamEvents", "Follow the event log", Access::organization,
     Permission::events_read, nullptr, &kStreamQuery, stream, kStreamReplies, kStreamProblems}};

}  // namespace

std::span<const Route> event_routes() { return kRoutes; }

}  // namespace wab::bridge
