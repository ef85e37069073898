// /v1/me: who calls, and what one does with one's own account.

#include <nlohmann/json.hpp>

#include "bridge/browser.h"
#include "bridge/factor_rule.h"
#include "bridge/routes/proof.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr Field kUserFields[] = {{.name = "id", .required = true},
                                 {.name = "email", .required = true},
                                 {.name = "role", .required = true},
                                 {.name = "organization_id", .required = true, .nullable = true},
                                 {.name = "totp_enabled", .type = Type::boolean, .required = true},
                                 {.name = "second_factor_missing",
                                  .type = Type::boolean,
                                  .required = true,
                                  .about = "Only /v1/me and sign-out answer until one is on."}};
constexpr Shape kUser{"signed_in_user", kUserFields};
constexpr Field kMeFields[] = {
    {.name = "user",
     .type = Type::object,
     .required = true,
     .shape = &kUser,
     .nullable = true,
     .about = "null for a token"},
    {.name = "role", .required = true},
    {.name = "organization_id", .required = true, .nullable = true},
    {.name = "permissions", .type = Type::array, .required = true, .max = 64}};
constexpr Shape kMe{"me", kMeFields};

json org_json(const Caller& caller) {
  if (caller.is_operator()) return nullptr;
  return caller.scope().org().text();
}

awaitable<Outcome<Answer>> me(Call& call) {
  const Caller& caller = *call.caller;
  json permissions = json::array();
  for (const auto word : permission_words()) {
    if (caller.permissions().has(*parse_permission(word))) permissions.push_back(word);
  }
  json out = {{"user", nullptr},
              {"role", role_word(caller.role())},
              {"organization_id", org_json(caller)},
              {"permissions", std::move(permissions)}};
  if (caller.from_browser()) {
    auto user = co_await call.app.auth.users().by_id(caller.principal());
    if (!user) co_return refuse(user.error());
    out["user"] = {{"id", user->id.text()},
                   {"email", user->email},
                   {"role", role_word(user->role)},
                   {"organization_id", org_json(caller)},
                   {"totp_enabled", !user->totp_secret.empty()},
                   {"second_factor_missing", factor_missing(call.app.config, caller)}};
  }
  co_return json_answer(200, out);
}

// Everything below belongs to a person, whom no token stands for.
Outcome<std::string> user_of(const Call& call) {
  if (call.caller->from_browser()) return call.caller->principal();
  return refuse(Code::forbidden, "Sign in with a browser: a token has no account of its own.");
}

// The same, for what a stolen session must not do: the sign-in is a few minutes old at most.
awaitable<Outcome<std::string>> proven_user_of(Call& call) {
  auto user = user_of(call);
  if (!user) co_return user;
  std::string id = *user, cookie = cookie_of(call.request);
  auto fresh = co_await freshly_signed_in(call.app, std::move(id), std::move(cookie));
  if (!fresh) co_return refuse(fresh.error());
  co_return user;
}

// What proves the person again may not be guessed at with a stolen cookie.
std::optional<Problem> over_limit(const Call& call) {
  const auto quota = call.app.config.limits.login_per_minute;
  const auto& user = call.caller->principal();
  const Verdict verdicts[] = {
      call.app.limits.take("proof", user, quota, std::chrono::seconds(60)),
      call.app.limits.take("proof hour", user, quota * 4, std::chrono::seconds(3600))};
  for (const auto& verdict : verdicts) {
    if (verdict.allowed) continue;
    Problem problem;
    problem.code = Code::rate_limited;
    problem.retry_after = static_cast<int>(verdict.retry_after);
    return problem;
  }
  return std::nullopt;
}

awaitable<Outcome<Answer>> change_password(Call& call) {
  auto user = user_of(call);
  if (!user) co_return refuse(user.error());
  if (auto problem = over_limit(call)) co_return refuse(std::move(*problem));
  std::string current = text_of(call.body, "current"), password = text_of(call.body, "password");
  std::string cookie = cookie_of(call.request);
  auto done = co_await call.app.people.change_password(std::move(*user), std::move(current),
                                                       std::move(password), std::move(cookie));
  if (!done) co_return refuse(done.error());
  co_return empty_answer();
}

awaitable<Outcome<Answer>> list_sessions(Call& call) {
  auto user = user_of(call);
  if (!user) co_return refuse(user.error());
  auto sessions = co_await call.app.people.browser_sessions(std::move(*user));
  if (!sessions) co_return refuse(sessions.error());
  const auto current = call.app.auth.browsers().name_of(cookie_of(call.request));
  json data = json::array();
  for (const auto& one : *sessions) {
    data.push_back({{"id", one.id.text()},
                    {"created_at", to_iso8601(one.created_at)},
                    {"last_used_at", to_iso8601(one.seen_at)},
                    {"address", one.address},
                    {"user_agent", one.agent},
                    {"current", one.name == current}});
  }
  const json out = {{"data", std::move(data)}};
  co_return json_answer(200, out);
}

awaitable<Outcome<Answer>> close_session(Call& call) {
  auto user = co_await proven_user_of(call);
  if (!user) co_return refuse(user.error());
  const auto id = call.id<BrowserSessionId>();
  if (!id) co_return refuse(id.error());
  auto done = co_await call.app.people.close_session(std::move(*user), *id);
  if (!done) co_return refuse(done.error());
  co_return empty_answer();
}

awaitable<Outcome<Answer>> close_others(Call& call) {
  auto user = co_await proven_user_of(call);
  if (!user) co_return refuse(user.error());
  std::string cookie = cookie_of(call.request);
  auto done = co_await call.app.people.close_other_sessions(std::move(*user), std::move(cookie));
  if (!done) co_return refuse(done.error());
  co_return empty_answer();
}

// Who got in with less than is asked for now is out.
awaitable<Outcome<void>> end_others(Call& call) {
  std::string user = call.caller->principal(), cookie = cookie_of(call.request);
  auto done = co_await call.app.people.close_other_sessions(std::move(user), std::move(cookie));
  co_return done;
}

awaitable<Outcome<Answer>> begin_totp(Call& call) {
  auto user = co_await proven_user_of(call);
  if (!user) co_return refuse(user.error());
  auto offer = co_await call.app.people.begin_totp(std::move(*user));
  if (!offer) co_return refuse(offer.error());
  const json out = {{"secret", offer->secret}, {"uri", offer->uri}};
  co_return json_answer(201, out);
}

awaitable<Outcome<Answer>> confirm_totp(Call& call) {
  auto user = user_of(call);
  if (!user) co_return refuse(user.error());
  if (auto problem = over_limit(call)) co_return refuse(std::move(*problem));
  std::string code = text_of(call.body, "code");
  auto codes = co_await call.app.people.confirm_totp(std::move(*user), std::move(code));
  if (!codes) co_return refuse(codes.error());
  auto ended = co_await end_others(call);
  if (!ended) co_return refuse(ended.error());
  const json out = {{"recovery_codes", *codes}};
  co_return json_answer(200, out);
}

awaitable<Outcome<Answer>> end_totp(Call& call) {
  auto user = user_of(call);
  if (!user) co_return refuse(user.error());
  if (auto problem = over_limit(call)) co_return refuse(std::move(*problem));
  std::string code = text_of(call.body, "code");
  auto done = co_await call.app.people.end_totp(std::move(*user), std::move(code));
  if (!done) co_return refuse(done.error());
  auto ended = co_await end_others(call);
  if (!ended) co_return refuse(ended.error());
  co_return empty_answer();
}

constexpr Field kPasswordFields[] = {
    {.name = "current", .required = true, .min = 1, .max = kPasswordMax},
    {.name = "password", .required = true, .min = kPasswordMin, .max = kPasswordMax}};
constexpr Shape kPassword{"new_password", kPasswordFields};
constexpr Field kSessionFields[] = {
    {.name = "id", .required = true},
    {.name = "created_at", .required = true},
    {.name = "last_used_at", .required = true, .about = "To the minute."},
    {.name = "address", .required = true, .about = "The network: 203.0.113.0/24."},
    {.name = "user_agent", .required = true, .about = "Firefox on Linux"},
    {.name = "current", .type = Type::boolean, .required = true}};
constexpr Shape kSession{"browser_session", kSessionFields};
constexpr Field kSessionsFields[] = {{.name = "data",
                                      .type = Type::array,
                                      .required = true,
                                      .max = kMostBrowserSessions,
                                      .shape = &kSession,
                                      .item = Type::object}};
constexpr Shape kSessions{"browser_sessions", kSessionsFields};
constexpr Field kOfferFields[] = {
    {.name = "secret", .required = true, .about = "Base32; shown once."},
    {.name = "uri", .required = true, .max = 1024, .about = "otpauth://, for a QR code."}};
constexpr Shape kOffer{"totp_offer", kOfferFields};
constexpr Field kCodeFields[] = {{.name = "code", .required = true, .min = 6, .max = 64}};
constexpr Shape kCode{"totp_code", kCodeFields};
constexpr Field kCodesFields[] = {{.name = "recovery_codes",
                                   .type = Type::array,
                                   .required = true,
                                   .max = 10,
                                   .about = "Each works once; shown once."}};
constexpr Shape kCodes{"recovery_codes", kCodesFields};

constexpr Reply kMeReplies[] = {{200, "Who calls and what they may do", &kMe}};
constexpr Reply kChanged[] = {{204, "Changed; the other browser sessions have ended"}};
constexpr Reply kSessionsReplies[] = {{200, "Browsers that are signed in", &kSessions}};
constexpr Reply kEnded[] = {
    {204, "Ended from the next request on. Takes a sign-in of the last five minutes."}};
constexpr Reply kOffered[] = {
    {201, "A secret that counts once it is confirmed. Takes a sign-in of the last five minutes.",
     &kOffer}};
constexpr Reply kConfirmed[] = {
    {200, "The second factor is on; the other browser sessions have ended", &kCodes}};
constexpr Reply kOff[] = {{204, "The second factor is off; the other browser sessions have ended"}};
constexpr Code kPasswordProblems[] = {Code::bad_credentials, Code::weak_password};
constexpr Code kBeginProblems[] = {Code::conflict};
constexpr Code kCodeProblems[] = {Code::conflict, Code::code_refused};
#define OWN \
  Access::session, {}
constexpr Route kRoutes[] = {
    {"GET", "/v1/me", "getMe", "Tell who calls", OWN, nullptr, nullptr, me, kMeReplies},
    {"POST", "/v1/me/password", "changePassword", "Change the password", OWN, &kPassword, nullptr,
     change_password, kChanged, kPasswordProblems, "account.password"},
    {"GET", "/v1/me/sessions", "listBrowserSessions", "List the browsers that are signed in", OWN,
     nullptr, nullptr, list_sessions, kSessionsReplies},
    {"DELETE",
     "/v1/me/sessions",
     "endOtherBrowserSessions",
     "Sign out every other browser",
     OWN,
     nullptr,
     nullptr,
     close_others,
     kEnded,
     {},
     "account.sessions_end"},
    {"DELETE",
     "/v1/me/sessions/{id}",
     "endBrowserSession",
     "Sign out one browser",
     OWN,
     nullptr,
     nullptr,
     close_session,
     kEnded,
     {},
     "account.session_end"},
    {"POST", "/v1/me/totp", "beginTotp", "Begin to use a second factor", OWN, nullptr, nullptr,
     begin_totp, kOffered, kBeginProblems, "account.totp_begin"},
    {"POST", "/v1/me/totp/confirm", "confirmTotp", "Turn the second factor on", OWN, &kCode,
     nullptr, confirm_totp, kConfirmed, kCodeProblems, "account.totp_on"},
    {"POST", "/v1/me/totp/off", "endTotp", "Turn the second factor off", OWN, &kCode, nullptr,
     end_totp, kOff, kCodeProblems, "account.totp_off"}};
#undef OWN

}  // namespace

std::span<const Route> me_routes() { return kRoutes; }

}  // namespace wab::bridge
