// /v1/sessions/{id}/qr, qr/stream, pairing-code.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/accept.h"
#include "bridge/event_stream.h"
#include "bridge/qr_image.h"
#include "bridge/routes/session_json.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;
using session::Status;

constexpr Field kWaitFields[] = {{.name = "wait",
                                  .type = Type::integer,
                                  .min = 0,
                                  .max = 60,
                                  .about = "Seconds to wait for a code."}};
constexpr Shape kWait{"qr_query", kWaitFields};

constexpr Field kCodeFields[] = {{.name = "code", .required = true, .max = 1000},
                                 {.name = "expires_at", .required = true}};
constexpr Shape kCode{"code", kCodeFields};
constexpr Field kPhoneFields[] = {
    {.name = "phone", .required = true, .min = 7, .max = 16, .format = Format::phone}};
constexpr Shape kPhone{"pairing_code_request", kPhoneFields};

constexpr std::string_view kForms[] = {"application/json", "image/png", "image/svg+xml",
                                       "text/plain"};

// No code will come: the phone is linked.
bool is_linked(Status status) { return status == Status::working || status == Status::degraded; }

json code_json(const std::string& code, UnixMillis expires_at) {
  return {{"code", code}, {"expires_at", to_iso8601(expires_at)}};
}

Answer drawn(std::string_view form, const session::QrView& qr) {
  if (form == "application/json") return json_answer(200, code_json(qr.code, qr.expires_at));
  Answer answer;
  answer.content_type = form;
  if (form == "image/png") {
    answer.body = to_string(qr_png(qr.code));
  } else if (form == "image/svg+xml") {
    answer.body = qr_svg(qr.code);
  } else {
    answer.content_type = "text/plain; charset=utf-8";
    answer.body = qr_blocks(qr.code);
  }
  answer.headers.emplace_back("Expires-At", to_iso8601(qr.expires_at));
  answer.headers.emplace_back("Vary", "Accept");
  return answer;
}

awaitable<Outcome<Answer>> qr(Call& call) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  const auto form = negotiate(call.request.header("accept"), kForms);
  if (!form) co_return refuse(Code::not_acceptable);
  const auto until = call.app.clock.steady() + std::chrono::seconds(call.number("wait", 0));
  uint64_t seen = 0;
  for (;;) {
    auto view = co_await call.app.sessions.watch(call.org(), *id, seen, until);
    if (!view) co_return refuse(std::move(view.error()));
    if (view->qr) co_return drawn(*form, *view->qr);
    // Any other state may still lead to a code within the wait: a start takes a moment.
    const bool changed = view->version != seen;
    seen = view->version;
    if (changed && !is_linked(view->status.status) && call.app.clock.steady() < until) continue;
    co_return refuse(
        Code::not_pairing,
        "The session is " + std::string(session::status_word(view->status.status)) + ".");
  }
}

class PairingFollower final : public Follower {
 public:
  PairingFollower(App& app, storage::OrgScope org, SessionId id) : app_(app), org_(org), id_(id) {}

  awaitable<void> run(EventSink& sink) override {
    uint64_t seen = 0;
    std::string last_code;
    auto due = app_.clock.steady() + kHeartbeat;
    while (!sink.closed()) {
      const auto until = std::min(due, app_.clock.steady() + kGlance);
      auto view = co_await app_.sessions.watch(org_, id_, seen, until);
      if (!view) co_return;
      std::string name, data;
      const auto status = view->status.status;
      if (view->version == seen) {
        if (app_.clock.steady() < due) continue;
        due = app_.clock.steady() + kHeartbeat;
        auto alive = co_await sink.beat();
        if (!alive) co_return;
        continue;
      }
      seen = view->version;
      if (is_linked(status)) {
        name = "paired";
        data = status_json(view->status).dump();
      } else if (status == Status::failed) {
        name = "failed";
        data = status_json(view->status).dump();
      } else if (view->qr && view->qr->code != last_code) {
        name = "code";
        last_code = view->qr->code;
        data = code_json(view->qr->code, view->qr->expires_at).dump();
      } else {
        continue;
      }
      const bool last = name != "code";
      auto sent = co_await sink.send(std::move(name), std::move(data));
      if (!sent || last) co_return;
    }
  }

 private:
  App& app_;
  storage::OrgScope org_;
  SessionId id_;
};

awaitable<Outcome<Answer>> stream(Call& call) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  auto view = co_await call.app.sessions.get(call.org(), *id);
  if (!view) co_return refuse(std::move(view.error()));
  Answer answer;
  answer.content_type = "text/event-stream; charset=utf-8";
  answer.kind = Answer::Kind::server_sent_events;
  answer.follower = std::make_unique<PairingFollower>(call.app, call.org(), *id);
  co_return answer;
}

awaitable<Outcome<Answer>> code(Call& call) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  std::string phone = text_of(call.body, "phone");
  if (phone.starts_with('+')) phone.erase(0, 1);
  auto made = co_await call.app.sessions.pairing_code(call.org(), *id, std::move(phone));
  if (!made) co_return refuse(std::move(made.error()));
  co_return json_answer(200, code_json(made->code, made->expires_at));
}

constexpr Reply kQrReplies[] = {
    {200, "The code, as the Accept header asks", &kCode, "image/png,image/svg+xml,text/plain"}};
constexpr Reply kStreamReplies[] = {
    {200, "Events: code {code, expires_at}, then paired or failed", nullptr, "text/event-stream"}};
constexpr Reply kCodeReplies[] = {{200, "Type this code on the phone", &kCode}};
constexpr Code kQrProblems[] = {Code::not_pairing, Code::not_acceptable};
constexpr Code kCodeProblems[] = {Code::not_pairing,      Code::already_paired,
                                  Code::code_outstanding, Code::pairing_refused,
                                  Code::bad_phone,        Code::whatsapp_timeout};
constexpr auto kOrg = Access::organization;
constexpr auto kWrites = Permission::sessions_write;
constexpr Route kRoutes[] = {
    {"GET", "/v1/sessions/{id}/qr", "getQr", "The code to scan now", kOrg, kWrites, nullptr, &kWait,
     qr, kQrReplies, kQrProblems},
    {"GET", "/v1/sessions/{id}/qr/stream", "streamQr", "Each new code, until paired or failed",
     kOrg, kWrites, nullptr, nullptr, stream, kStreamReplies},
    {"POST", "/v1/sessions/{id}/pairing-code", "createPairingCode", "Pair by a code to type", kOrg,
     kWrites, &kPhone, nullptr, code, kCodeReplies, kCodeProblems, "session.pairing_code"}};

}  // namespace

std::span<const Route> pairing_routes() { return kRoutes; }

}  // namespace wab::bridge
