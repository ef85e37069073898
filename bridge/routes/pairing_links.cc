// /v1/sessions/{id}/pairing-links for the organization, /v1/pairing for whoever follows one.
//
// A visitor sees the name and status of one session, its codes, and nothing else; whatever is wrong
// with their link or cookie, the answer is 404.

#include "bridge/pairing_links.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/accept.h"
#include "bridge/browser.h"
#include "bridge/qr_image.h"
#include "bridge/routes/session_json.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;
using session::Status;

constexpr int64_t kLinkLife = 24 * 3600, kLongestLink = 14 * 24 * 3600;

constexpr Field kNewFields[] = {{.name = "expires_in",
                                 .type = Type::integer,
                                 .min = 60,
                                 .max = kLongestLink,
                                 .about = "Seconds; a day by default."}};
constexpr Shape kNew{"new_pairing_link", kNewFields};
constexpr Field kMadeFields[] = {
    {.name = "id", .required = true},
    {.name = "url", .required = true, .max = 2048, .about = "Shown once; opens once."},
    {.name = "expires_at", .required = true}};
constexpr Shape kMade{"pairing_link_created", kMadeFields};
constexpr std::string_view kStates[] = {"unused", "opened", "expired"};
constexpr Field kLinkFields[] = {{.name = "id", .required = true},
                                 {.name = "state", .required = true, .one_of = kStates},
                                 {.name = "created_at", .required = true},
                                 {.name = "expires_at", .required = true},
                                 {.name = "opened_at", .required = true, .nullable = true}};
constexpr Shape kLink{"pairing_link", kLinkFields};
constexpr Field kListFields[] = {{.name = "data",
                                  .type = Type::array,
                                  .required = true,
                                  .max = 10000,
                                  .shape = &kLink,
                                  .item = Type::object}};
constexpr Shape kList{"pairing_links", kListFields};

constexpr Field kOpenFields[] = {{.name = "secret", .required = true, .min = 1, .max = 128}};
constexpr Shape kOpen{"pairing_open", kOpenFields};
constexpr Field kPhoneFields[] = {
    {.name = "phone", .required = true, .min = 7, .max = 16, .format = Format::phone}};
constexpr Shape kPhone{"visitor_phone", kPhoneFields};
constexpr Field kCodeFields[] = {{.name = "code", .required = true},
                                 {.name = "expires_at", .required = true}};
constexpr Shape kCode{"visitor_code", kCodeFields};
constexpr Field kReasonFields[] = {{.name = "code", .required = true},
                                   {.name = "message", .required = true, .max = 1000},
                                   {.name = "next", .required = true, .max = 1000}};
constexpr Shape kReason{"visitor_reason", kReasonFields};
constexpr Field kViewFields[] = {
    {.name = "name", .required = true},
    {.name = "status", .required = true},
    {.name = "reason", .type = Type::object, .required = true, .shape = &kReason, .nullable = true},
    {.name = "number", .required = true, .nullable = true, .about = "Null until linked."},
    {.name = "qr_expires_at", .required = true, .nullable = true, .about = "Null without a code."},
    {.name = "expires_at", .required = true, .about = "Of the visit."}};
constexpr Shape kView{"pairing_visit", kViewFields};

// ---- For the organization -----------------------------------------------------------------------

std::string page_url(Call& call) {
  const auto& config = call.app.config;
  const auto& request = call.request;
  if (!config.http.public_url.empty()) {
    std::string base = config.http.public_url;
    while (base.ends_with('/')) base.pop_back();
    return base + "/pair";
  }
  return (request.secure ? "https://" : "http://") + std::string(request.header("host")) + "/pair";
}

awaitable<Outcome<Answer>> create(Call& call) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  auto view = co_await call.app.sessions.get(call.org(), *id);
  if (!view) co_return refuse(std::move(view.error()));
  if (!view->status.pn.empty()) co_return refuse(Code::already_paired);
  const auto found = call.body.find("expires_in");
  const std::chrono::seconds life(found == call.body.end() ? kLinkLife : found->get<int64_t>());
  auto draft = call.app.pairing_links->draft(*id, life);
  auto answer = json_answer(201, {{"id", draft.link.id.text()},
                                  {"url", page_url(call) + "#" + draft.secret},
                                  {"expires_at", to_iso8601(draft.link.expires_at)}});
  auto also = call.repeatable(answer);
  auto stored =
      co_await call.app.pairing_links->store(call.org(), std::move(draft), std::move(also));
  if (!stored) co_return refuse(std::move(stored.error()));
  co_return answer;
}

awaitable<Outcome<Answer>> list(Call& call) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  auto view = co_await call.app.sessions.get(call.org(), *id);
  if (!view) co_return refuse(std::move(view.error()));
  auto links = co_await call.app.pairing_links->list(call.org(), *id);
  if (!links) co_return refuse(std::move(links.error()));
  const auto now = call.app.clock.now_ms();
  json data = json::array();
  for (const auto& link : *links) {
    const bool opened = link.opened_at != 0;
    data.push_back({{"id", link.id.text()},
                    {"state", opened                  ? "opened"
                              : now < link.expires_at ? "unused"
                                                      : "expired"},
                    {"created_at", to_iso8601(link.created_at)},
                    {"expires_at", to_iso8601(link.expires_at)},
                    {"opened_at", opened ? json(to_iso8601(link.opened_at)) : json(nullptr)}});
  }
  co_return json_answer(200, {{"data", std::move(data)}});
}

awaitable<Outcome<Answer>> revoke(Call& call) {
  const auto id = call.id<SessionId>();
  if (!id) co_return refuse(id.error());
  const auto link = call.id<LinkId>(1);
  if (!link) co_return refuse(link.error());
  auto done = co_await call.app.pairing_links->revoke(call.org(), *id, *link);
  if (!done) co_return refuse(std::move(done.error()));
  Answer answer;
  answer.status = 204;
  answer.content_type.clear();
  co_return answer;
}

// ---- For the visitor ----------------------------------------------------------------------------

// The visitor has no name; the log of the organization knows them by their link.
void note(Call& call, const PairingLinks::Visit& visit) {
  call.note.actor = visit.link.text();
  call.note.target = visit.session.text();
  call.note.organization = visit.org;
}

awaitable<Outcome<PairingLinks::Visit>> visit_of(Call& call) {
  if (auto problem = cross_site(call.request, call.app.config)) {
    co_return refuse(std::move(*problem));
  }
  std::string cookie = cookie_of(call.request, kVisitCookie);
  if (cookie.empty()) co_return refuse(Code::not_found);
  auto visit = co_await call.app.pairing_links->visit(std::move(cookie));
  if (visit) note(call, *visit);
  co_return visit;
}

json view_json(const std::string& name, const session::StatusView& status,
               const std::optional<session::QrView>& qr, UnixMillis expires_at) {
  const json all = status_json(status);
  json out = {
      {"name", name},      {"status", all["status"]},  {"reason", all["reason"]},
      {"number", nullptr}, {"qr_expires_at", nullptr}, {"expires_at", to_iso8601(expires_at)}};
  if (!status.pn.empty()) out["number"] = status.pn;
  if (qr) out["qr_expires_at"] = to_iso8601(qr->expires_at);
  return out;
}

// What the session shows now.
awaitable<Outcome<Answer>> seen(Call& call, PairingLinks::Visit visit) {
  auto view = co_await call.app.sessions.get(visit.org, visit.session);
  if (!view) co_return refuse(std::move(view.error()));
  const auto at_once = call.app.clock.steady();
  auto now = co_await call.app.sessions.watch(visit.org, visit.session, 0, at_once);
  if (!now) co_return refuse(std::move(now.error()));
  co_return json_answer(200,
                        view_json(view->settings.name, now->status, now->qr, visit.expires_at));
}

// A session that nobody links yet begins to show codes; a linked one is left alone.
awaitable<Outcome<void>> begin(Call& call, PairingLinks::Visit visit, bool again) {
  auto view = co_await call.app.sessions.get(visit.org, visit.session);
  if (!view) co_return refuse(std::move(view.error()));
  if (!view->status.pn.empty()) {
    if (again) co_return refuse(Code::already_paired);
    co_return Outcome<void>();
  }
  const auto status = view->status.status;
  if (status == Status::failed) {
    auto done = co_await call.app.sessions.restart(visit.org, visit.session);
    co_return done;
  }
  if (status != Status::stopped) co_return Outcome<void>();
  auto done = co_await call.app.sessions.start(visit.org, visit.session);
  co_return done;
}

awaitable<Outcome<Answer>> open(Call& call) {
  if (auto problem = cross_site(call.request, call.app.config)) {
    co_return refuse(std::move(*problem));
  }
  const auto verdict =
      call.app.limits.take("pairing", address_group(call.request.address),
                           call.app.config.limits.login_per_minute * 6, std::chrono::seconds(60));
  if (!verdict.allowed) {
    Problem problem;
    problem.code = Code::rate_limited;
    problem.retry_after = static_cast<int>(verdict.retry_after);
    co_return refuse(std::move(problem));
  }
  std::string secret = text_of(call.body, "secret");
  auto opened = co_await call.app.pairing_links->open(std::move(secret));
  if (!opened) co_return refuse(std::move(opened.error()));
  note(call, opened->visit);
  auto begun = co_await begin(call, opened->visit, false);
  if (!begun) co_return refuse(std::move(begun.error()));
  auto answer = co_await seen(call, opened->visit);
  if (!answer) co_return refuse(std::move(answer.error()));
  answer->headers.emplace_back("Set-Cookie",
                               std::string(kVisitCookie) + "=" + opened->cookie +
                                   "; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=" +
                                   std::to_string(kVisitLifeMs / 1000));
  co_return std::move(*answer);
}

awaitable<Outcome<Answer>> get(Call& call) {
  auto visit = co_await visit_of(call);
  if (!visit) co_return refuse(std::move(visit.error()));
  auto answer = co_await seen(call, *visit);
  co_return answer;
}

awaitable<Outcome<Answer>> restart(Call& call) {
  auto visit = co_await visit_of(call);
  if (!visit) co_return refuse(std::move(visit.error()));
  auto begun = co_await begin(call, *visit, true);
  if (!begun) co_return refuse(std::move(begun.error()));
  auto answer = co_await seen(call, *visit);
  co_return answer;
}

awaitable<Outcome<Answer>> qr(Call& call) {
  static constexpr std::string_view kForms[] = {"image/svg+xml", "image/png"};
  auto visit = co_await visit_of(call);
  if (!visit) co_return refuse(std::move(visit.error()));
  const auto form = negotiate(call.request.header("accept"), kForms);
  if (!form) co_return refuse(Code::not_acceptable);
  const auto at_once = call.app.clock.steady();
  auto view = co_await call.app.sessions.watch(visit->org, visit->session, 0, at_once);
  if (!view) co_return refuse(std::move(view.error()));
  if (!view->qr) co_return refuse(Code::not_pairing);
  Answer answer;
  answer.content_type = *form;
  answer.body = *form == kForms[0] ? qr_svg(view->qr->code) : to_string(qr_png(view->qr->code));
  answer.headers.emplace_back("Expires-At", to_iso8601(view->qr->expires_at));
  answer.headers.emplace_back("Vary", "Accept");
  co_return answer;
}

awaitable<Outcome<Answer>> code(Call& call) {
  auto visit = co_await visit_of(call);
  if (!visit) co_return refuse(std::move(visit.error()));
  std::string phone = text_of(call.body, "phone");
  if (phone.starts_with('+')) phone.erase(0, 1);
  auto made = co_await call.app.sessions.pairing_code(visit->org, visit->session, std::move(phone));
  if (!made) co_return refuse(std::move(made.error()));
  co_return json_answer(200, {{"code", made->code}, {"expires_at", to_iso8601(made->expires_at)}});
}

// Tells of every change, for as long as the visit lasts and its link is not revoked.
class VisitFollower final : public Follower {
 public:
  VisitFollower(App& app, std::string cookie, std::string name)
      : app_(app), cookie_(std::move(cookie)), name_(std::move(name)) {}

  awaitable<void> run(EventSink& sink) override {
    uint64_t seen = 0;
    while (!sink.closed()) {
      auto visit = co_await app_.pairing_links->visit(cookie_);
      if (!visit) co_return;
      const auto until = app_.clock.steady() + kHeartbeat;
      auto view = co_await app_.sessions.watch(visit->org, visit->session, seen, until);
      if (!view) co_return;
      if (view->version == seen) {
        auto alive = co_await sink.beat();
        if (!alive) co_return;
        continue;
      }
      seen = view->version;
      std::string event = "state";
      std::string data = view_json(name_, view->status, view->qr, visit->expires_at).dump();
      auto sent = co_await sink.send(std::move(event), std::move(data));
      if (!sent) co_return;
    }
  }

 private:
  App& app_;
  std::string cookie_, name_;
};

awaitable<Outcome<Answer>> stream(Call& call) {
  auto visit = co_await visit_of(call);
  if (!visit) co_return refuse(std::move(visit.error()));
  auto view = co_await call.app.sessions.get(visit->org, visit->session);
  if (!view) co_return refuse(std::move(view.error()));
  Answer answer;
  answer.content_type = "text/event-stream; charset=utf-8";
  answer.kind = Answer::Kind::server_sent_events;
  answer.follower = std::make_unique<VisitFollower>(call.app, cookie_of(call.request, kVisitCookie),
                                                    view->settings.name);
  co_return answer;
}

constexpr Reply kCreated[] = {{201, "The link, shown once", &kMade}};
constexpr Reply kPage[] = {{200, "The links of the session, newest first", &kList}};
constexpr Reply kGone[] = {{204, "Revoked, with the visit that came by it"}};
constexpr Reply kOpened[] = {{200, "The cookie of the visit is set", &kView}};
constexpr Reply kSeen[] = {{200, "The session as the visitor sees it", &kView}};
constexpr Reply kDrawn[] = {{200, "The code to scan now", nullptr, "image/svg+xml,image/png"}};
constexpr Reply kTyped[] = {{200, "Type this code on the phone", &kCode}};
constexpr Reply kStream[] = {
    {200, "Events: state, as GET /v1/pairing shows it", nullptr, "text/event-stream"}};
constexpr Code kCreateProblems[] = {Code::already_paired, Code::limit_reached};
constexpr Code kVisitProblems[] = {Code::not_found, Code::cross_site};
constexpr Code kAgainProblems[] = {Code::not_found, Code::cross_site, Code::already_paired};
constexpr Code kQrProblems[] = {Code::not_found, Code::cross_site, Code::not_pairing,
                                Code::not_acceptable};
constexpr Code kCodeProblems[] = {
    Code::not_found,        Code::cross_site,      Code::not_pairing, Code::already_paired,
    Code::code_outstanding, Code::pairing_refused, Code::bad_phone,   Code::whatsapp_timeout};
constexpr auto kOrg = Access::organization;
constexpr auto kVisitor = Access::visitor;
constexpr auto kReads = Permission::sessions_read, kWrites = Permission::sessions_write;
constexpr std::string_view kAll = "/v1/sessions/{id}/pairing-links";
constexpr Route kRoutes[] = {
    {"POST", kAll, "createPairingLink", "Let somebody else pair it", kOrg, kWrites, &kNew, nullptr,
     create, kCreated, kCreateProblems, "pairing_link.create"},
    {"GET", kAll, "listPairingLinks", "List the pairing links", kOrg, kReads, nullptr, nullptr,
     list, kPage},
    {"DELETE",
     "/v1/sessions/{id}/pairing-links/{link}",
     "revokePairingLink",
     "Revoke a pairing link",
     kOrg,
     kWrites,
     nullptr,
     nullptr,
     revoke,
     kGone,
     {},
     "pairing_link.revoke"},
    {"POST",
     "/v1/pairing/open",
     "openPairingLink",
     "Follow a pairing link, once",
     kVisitor,
     {},
     &kOpen,
     nullptr,
     open,
     kOpened,
     kVisitProblems,
     "pairing_link.open",
     AuditOrder::after},
    {"GET",
     "/v1/pairing",
     "getPairing",
     "What the visitor pairs",
     kVisitor,
     {},
     nullptr,
     nullptr,
     get,
     kSeen,
     kVisitProblems},
    {"POST",
     "/v1/pairing/start",
     "startPairing",
     "Show codes again",
     kVisitor,
     {},
     nullptr,
     nullptr,
     restart,
     kSeen,
     kAgainProblems,
     "pairing_link.start"},
    {"GET",
     "/v1/pairing/qr",
     "getPairingQr",
     "The code to scan, drawn",
     kVisitor,
     {},
     nullptr,
     nullptr,
     qr,
     kDrawn,
     kQrProblems},
    {"POST",
     "/v1/pairing/code",
     "createVisitorCode",
     "Pair by a code to type",
     kVisitor,
     {},
     &kPhone,
     nullptr,
     code,
     kTyped,
     kCodeProblems,
     "pairing_link.code"},
    {"GET",
     "/v1/pairing/stream",
     "streamPairing",
     "Follow the pairing",
     kVisitor,
     {},
     nullptr,
     nullptr,
     stream,
     kStream,
     kVisitProblems}};

}  // namespace

std::span<const Route> pairing_link_routes() { return kRoutes; }

}  // namespace wab::bridge
