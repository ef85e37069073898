// POST /v1/sessions/{id}/messages, GET /v1/messages/{id}.
//
// The row message_index of the organization leads from a message to its session; it becomes true
// in the session's own commit, together with the row that repeats the answer.

#include <nlohmann/json.hpp>

#include "bridge/routes/tables.h"
#include "bridge/stored.h"

namespace wab::bridge {
namespace {

using nlohmann::json;
using storage::Kind;

constexpr Field kTextFields[] = {{.name = "body", .required = true, .min = 1, .max = 65536}};
constexpr Shape kText{"text", kTextFields};
constexpr std::string_view kTypes[] = {"text"};
constexpr Field kMessageFields[] = {
    {.name = "to",
     .required = true,
     .min = 1,
     .max = 128,
     .format = Format::recipient,
     .about = "A phone number in international form, or the address of a user or group."},
    {.name = "type", .required = true, .one_of = kTypes},
    {.name = "text", .type = Type::object, .required = true, .shape = &kText},
    {.name = "reply_to", .min = 1, .max = 128, .about = "message_id in the same chat."},
    {.name = "reply_to_sender",
     .min = 1,
     .max = 128,
     .format = Format::recipient,
     .about = "Who wrote that message; needed in groups."},
    {.name = "mentions",
     .type = Type::array,
     .max = 1024,
     .item_format = Format::recipient,
     .item_max = 128}};
constexpr Shape kMessage{"new_message", kMessageFields};

constexpr std::string_view kWords[] = {"pending", "sent",   "delivered", "read",
                                       "played",  "failed", "unknown"};
constexpr Field kAcceptedFields[] = {
    {.name = "id", .required = true},
    {.name = "message_id", .required = true, .about = "WhatsApp's id of it."},
    {.name = "status", .required = true, .one_of = kWords}};
constexpr Shape kAccepted{"message_accepted", kAcceptedFields};
constexpr Field kStateFields[] = {{.name = "id", .required = true},
                                  {.name = "message_id", .required = true},
                                  {.name = "session_id", .required = true},
                                  {.name = "chat", .required = true},
                                  {.name = "status", .required = true, .one_of = kWords},
                                  {.name = "code", .about = "Why, when the status is failed."},
                                  {.name = "created_at", .required = true},
                                  {.name = "updated_at", .required = true}};
constexpr Shape kState{"message", kStateFields};

std::string without_plus(std::string text) {
  if (text.starts_with('+')) text.erase(0, 1);
  return text;
}

Answer accepted(MessageRowId id, const std::string& stanza_id) {
  return json_answer(202, {{"id", id.text()}, {"message_id", stanza_id}, {"status", "pending"}});
}

struct Placed {
  SessionId session;
  session::MessageView view;
};
// Through the index to the session that sent it.
awaitable<Outcome<Placed>> find(Call& call, MessageRowId id) {
  const std::string name = id.text();
  auto index = co_await load_one(call.app.store, call.org(), Kind::message_index, name);
  if (!index) co_return refuse(problem_of(index.error()));
  if (!*index) co_return refuse(Code::not_found);
  const auto session = SessionId::parse(text_at(**index, "session"));
  if (!session) co_return refuse(Code::internal);
  if (!call.caller->sees(*session)) co_return refuse(Code::not_found);
  auto view = co_await call.app.sessions.message(call.org(), *session, id);
  if (!view) co_return refuse(std::move(view.error()));
  Placed out;
  out.session = *session;
  out.view = std::move(*view);
  co_return std::move(out);
}

awaitable<Outcome<Answer>> send(Call& call) {
  const auto session_id = call.id<SessionId>();
  if (!session_id) co_return refuse(session_id.error());
  if (call.repeated) {
    const auto earlier = MessageRowId::parse(*call.repeated);
    if (!earlier) co_return refuse(Code::internal);
    auto placed = co_await find(call, *earlier);
    if (!placed) co_return refuse(std::move(placed.error()));
    auto answer = accepted(*earlier, placed->view.stanza_id);
    answer.headers.emplace_back("Idempotent-Replayed", "true");
    co_return answer;
  }
  const auto id = MessageRowId::random(call.app.random);
  session::SendText text;
  text.to = without_plus(text_of(call.body, "to"));
  text.body = text_of(call.body["text"], "body");
  text.reply_to = text_of(call.body, "reply_to");
  text.reply_to_sender = without_plus(text_of(call.body, "reply_to_sender"));
  for (auto& mention : texts_of(call.body, "mentions")) {
    text.mentions.push_back(without_plus(std::move(mention)));
  }
  text.trace = call.request.trace.traceparent();
  session::SendAlso also;
  const json index = {{"v", 1}, {"session", session_id->text()}};
  also.organization_rows.push_back(json_row(Kind::message_index, id.text(), index));
  if (call.ticket) also.organization_rows.push_back(call.ticket->reference_row(id.text()));
  auto counted = co_await call.app.quotas.count_message(call.org());
  if (!counted) co_return refuse(std::move(counted.error()));
  also.organization_rows.push_back(std::move(*counted));
  auto sent = co_await call.app.sessions.send_text(call.org(), *session_id, id, std::move(text),
                                                   std::move(also));
  if (!sent) {
    call.app.quotas.take_back_message(call.org());
    co_return refuse(std::move(sent.error()));
  }
  co_return accepted(id, sent->stanza_id);
}

awaitable<Outcome<Answer>> get(Call& call) {
  const auto id = call.id<MessageRowId>();
  if (!id) co_return refuse(id.error());
  auto placed = co_await find(call, *id);
  if (!placed) co_return refuse(std::move(placed.error()));
  const auto& view = placed->view;
  json out = {{"id", id->text()},
              {"message_id", view.stanza_id},
              {"session_id", placed->session.text()},
              {"chat", view.chat},
              {"status", view.status == "attempted" ? "unknown" : view.status},
              {"created_at", to_iso8601(view.created_at)},
              {"updated_at", to_iso8601(view.updated_at)}};
  if (view.status == "failed") out["code"] = view.failure;
  co_return json_answer(200, out);
}

constexpr Reply kSendReplies[] = {{202, "Durable; sending goes on behind", &kAccepted}};
constexpr Reply kGetReplies[] = {{200, "The message and how far it came", &kState}};
constexpr Code kSendProblems[] = {Code::limit_reached, Code::not_working, Code::bad_recipient,
                                  Code::bad_content,   Code::outbox_full, Code::quarantined};
constexpr Route kRoutes[] = {
    {"POST", "/v1/sessions/{id}/messages", "sendMessage", "Send a message", Access::organization,
     Permission::messages_write, &kMessage, nullptr, send, kSendReplies, kSendProblems},
    {"GET", "/v1/messages/{id}", "getMessage", "How far a message came", Access::organization,
     Permission::messages_read, nullptr, nullptr, get, kGetReplies}};

}  // namespace

std::span<const Route> message_routes() { return kRoutes; }

}  // namespace wab::bridge
