// GET /v1/login/google and its callback: sign-in with Google, and linking an account to oneself.
// POST /v1/login/google/code: the second factor of whoever has one. GET, DELETE /v1/me/google: the
// account that is linked. GET /v1/login/methods: what there is.
//
// Browsers are sent here and sent on. A stranger learns one code and no reason; the log has it.

#include "bridge/google.h"

#include <nlohmann/json.hpp>

#include "bridge/browser.h"
#include "bridge/factor_rule.h"
#include "bridge/google_step.h"
#include "bridge/routes/proof.h"
#include "storage/base/log.h"

namespace wab::bridge {
namespace {

constexpr std::string_view kLinkWords[] = {"1"};
constexpr Field kBeginFields[] = {
    {.name = "link",
     .one_of = kLinkWords,
     .about = "1: link the Google account to the user who is signed in."}};
constexpr Shape kBegin{"google_begin", kBeginFields};

constexpr Field kBackFields[] = {{.name = "state", .max = 255},
                                 {.name = "code", .max = 2048},
                                 {.name = "error", .max = 255},
                                 {.name = "iss", .max = 255}};
constexpr Shape kBack{"google_back", kBackFields, 0, true};

constexpr const char* kHome = "/";

// Cookies that are sent on the way back from another site must be Lax.
std::string flow_cookie(const std::string& value) {
  return std::string(Google::kCookie) + "=" + value + "; Path=/; Secure; HttpOnly; SameSite=Lax" +
         "; Max-Age=" + (value.empty() ? "0" : std::to_string(Google::kPatience.count()));
}

Answer send_to(std::string location, int status) {
  Answer answer;
  answer.status = status;
  answer.content_type.clear();
  answer.headers.emplace_back("Location", std::move(location));
  return answer;
}

bool wants_page(const Request& request) {
  return request.header("accept").find("text/html") != std::string_view::npos;
}

// A person sees the console say it, a program gets the problem.
Answer failed(const Request& request, const Problem& problem) {
  const std::string code(row_of(problem.code).name);
  Answer answer = wants_page(request) ? send_to(std::string(kHome) + "#signin-error=" + code, 303)
                                      : problem_answer(problem, request.id);
  answer.headers.emplace_back("Set-Cookie", flow_cookie(""));
  return answer;
}

std::optional<Problem> over_limit(App& app, const Request& request) {
  const auto verdict =
      app.limits.take("login address", address_group(request.address),
                      app.config.limits.login_per_minute * 6, std::chrono::seconds(60));
  if (verdict.allowed) return std::nullopt;
  Problem problem;
  problem.code = Code::rate_limited;
  problem.retry_after = static_cast<int>(verdict.retry_after);
  return problem;
}

Identity identity_of(const IdClaims& claims) {
  return {claims.issuer, claims.subject, claims.email};
}

// What the answer or the token lacked is the browser's trouble; all else is on the way to Google.
Problem problem_for(const Error& error) {
  const std::string_view room = error.room();
  const bool refused =
      room == "id_token" ||
      (room == "google" && !error.is(GoogleError::unreachable) && !error.is(GoogleError::provider));
  return Problem{refused ? Code::signin_refused : Code::signin_unreachable, {}};
}

awaitable<Outcome<Answer>> begin(Call& call) {
  App& app = call.app;
  const Request& request = call.request;
  if (!app.google) co_return refuse(Code::not_found);
  if (auto problem = over_limit(app, request)) co_return refuse(std::move(*problem));
  std::string user;
  if (!request.parameter("link").empty()) {
    std::string cookie = cookie_of(request);
    if (cookie.empty()) co_return failed(request, Problem{Code::unauthenticated, {}});
    if (auto problem = cross_site(request, app.config)) co_return failed(request, *problem);
    auto caller = co_await app.auth.by_cookie(std::move(cookie));
    if (!caller) co_return failed(request, caller.error());
    user = caller->principal();
    std::string id = user, own = cookie_of(request);
    auto fresh = co_await freshly_signed_in(app, std::move(id), std::move(own));
    if (!fresh) co_return failed(request, fresh.error());
    if (factor_missing(app.config, *caller)) {
      co_return failed(request, Problem{Code::second_factor_required, {}});
    }
  }
  auto begun = co_await app.google->begin(std::move(user));
  if (!begun) {
    log_warn("google.not_begun", {{"request", request.id}, {"error", begun.error()}});
    co_return failed(request, problem_for(begun.error()));
  }
  Answer answer = send_to(std::move(begun->location), 302);
  answer.headers.emplace_back("Set-Cookie", flow_cookie(begun->cookie));
  co_return answer;
}

// The organization's own log tells of its people too.
void note_user(Call& call, const Caller& user) {
  call.note.target = user.principal();
  if (!user.is_operator()) call.note.organization = user.scope();
}

// The user who began linking must still be the one who is signed in here.
awaitable<Outcome<Answer>> finish_link(Call& call, Google::Proven proven) {
  App& app = call.app;
  const Request& request = call.request;
  std::string cookie = cookie_of(request);
  if (cookie.empty()) co_return refuse(Code::unauthenticated);
  auto caller = co_await app.auth.by_cookie(std::move(cookie));
  if (!caller) co_return refuse(std::move(caller.error()));
  if (caller->principal() != proven.link_user) co_return refuse(Code::signin_refused);
  note_user(call, *caller);
  call.note.detail = "link";
  std::string user = caller->principal();
  Identity identity = identity_of(proven.claims);
  auto linked = co_await app.people.link_identity(std::move(user), std::move(identity));
  if (!linked) co_return refuse(std::move(linked.error()));
  log_info("google.linked", {{"request", request.id}, {"user", proven.link_user}});
  co_return send_to(std::string(kHome) + "#linked=google", 303);
}

// The account was right and is not enough: the browser keeps the proof for the code's sake.
awaitable<Outcome<Answer>> ask_for_code(Call& call, Identity identity) {
  App& app = call.app;
  auto user = co_await app.people.find_identity(std::move(identity));
  if (!user) co_return refuse(user.error());
  auto step = co_await begin_step(app, *user);
  if (!step) co_return refuse(step.error());
  call.note.target = *user;
  call.note.refused = true;
  call.note.detail = row_of(Code::code_required).name;
  Answer answer = wants_page(call.request)
                      ? send_to(std::string(kHome) + "#signin-code=google", 303)
                      : problem_answer(Problem{Code::code_required, {}}, call.request.id);
  answer.headers.emplace_back("Set-Cookie", step_cookie(*step));
  co_return answer;
}

// The code of the second factor, after the account.
awaitable<Outcome<Answer>> finish_step(Call& call) {
  App& app = call.app;
  const Request& request = call.request;
  if (!app.google) co_return refuse(Code::not_found);
  if (auto problem = cross_site(request, app.config)) co_return refuse(std::move(*problem));
  std::string step = cookie_of(request, kStepCookie);
  auto user = co_await user_of_step(app, std::move(step));
  if (!user) co_return refuse(user.error());
  call.note.actor = user->email;
  // The same guesses as with the password, not as many again.
  if (auto problem = over_login_limit(app, request, user->email)) {
    co_return refuse(std::move(*problem));
  }
  LoginGuard& guard = app.people.guard();
  const std::string place = address_group(request.address);
  if (auto may = guard.may_try(user->email, place); !may) co_return refuse(std::move(may.error()));
  std::string id = user->id.text(), code = text_of(call.body, "code");
  SignInFacts facts = facts_of(request);
  auto login = co_await app.people.open_session(std::move(id), std::move(facts), std::move(code));
  if (!login) {
    if (login.error().code == Code::code_refused) guard.failed(user->email, place);
    co_return refuse(std::move(login.error()));
  }
  guard.succeeded(user->email, place);
  call.note.target = user->id.text();
  if (user->org) call.note.organization = app.auth.users().scope_of(*user);
  auto answer = login_answer(*login);
  answer.headers.emplace_back("Set-Cookie", step_cookie(""));
  log_info("google.signed_in", {{"request", request.id}});
  co_return answer;
}

awaitable<Outcome<Answer>> finish_sign_in(Call& call, IdClaims claims) {
  App& app = call.app;
  const Request& request = call.request;
  // A session from before this proof ends with it.
  SignInFacts facts = facts_of(request);
  Identity identity = identity_of(claims), again = identity;
  auto login = co_await app.people.enter_by(std::move(identity), std::move(facts));
  if (!login && login.error().code == Code::code_required) {
    auto answer = co_await ask_for_code(call, std::move(again));
    co_return answer;
  }
  if (!login) {
    if (login.error().code == Code::not_invited) {
      log_info("google.not_invited", {{"request", request.id},
                                      {"subject", Masked(claims.subject)},
                                      {"email", Masked(claims.email)}});
    }
    co_return refuse(std::move(login.error()));
  }
  std::string cookie = login->cookie;
  const auto caller = co_await app.auth.by_cookie(std::move(cookie));
  if (!caller) co_return refuse(caller.error());
  note_user(call, *caller);
  Answer answer = send_to(kHome, 303);
  answer.headers.emplace_back("Set-Cookie", set_cookie(login->cookie));
  log_info("google.signed_in", {{"request", request.id}});
  co_return answer;
}

awaitable<Outcome<Answer>> callback(Call& call) {
  App& app = call.app;
  const Request& request = call.request;
  if (!app.google) co_return refuse(Code::not_found);
  if (auto problem = over_limit(app, request)) co_return refuse(std::move(*problem));
  Google::Back back;
  back.state = request.parameter("state");
  back.code = request.parameter("code");
  back.error = request.parameter("error");
  back.iss = request.parameter("iss");
  std::string cookie = cookie_of(request, Google::kCookie);
  auto proven = co_await app.google->finish(std::move(back), std::move(cookie));
  if (!proven) {
    log_warn("google.refused", {{"request", request.id}, {"error", proven.error()}});
    call.note.refused = true;
    call.note.detail = proven.error().name();
    co_return failed(request, problem_for(proven.error()));
  }
  call.note.actor = proven->claims.email;
  Outcome<Answer> done;
  if (proven->link_user.empty()) {
    IdClaims claims = std::move(proven->claims);
    done = co_await finish_sign_in(call, std::move(claims));
  } else {
    done = co_await finish_link(call, std::move(*proven));
  }
  if (!done) {
    call.note.refused = true;
    call.note.detail = row_of(done.error().code).name;
    co_return failed(request, done.error());
  }
  done->headers.emplace_back("Set-Cookie", flow_cookie(""));
  co_return done;
}

awaitable<Outcome<Answer>> methods(Call& call) {
  const nlohmann::json out = {{"password", true}, {"google", call.app.google != nullptr}};
  co_return json_answer(200, out);
}

awaitable<Outcome<Answer>> linked(Call& call) {
  std::string user = call.caller->principal();
  auto found = co_await call.app.people.linked_identity(std::move(user));
  if (!found) co_return refuse(std::move(found.error()));
  const nlohmann::json out = {{"email", found->email}, {"linked_at", to_iso8601(found->linked_at)}};
  co_return json_answer(200, out);
}

awaitable<Outcome<Answer>> unlink(Call& call) {
  if (!call.caller->from_browser()) {
    co_return refuse(Code::forbidden, "Sign in with a browser: a token has no account of its own.");
  }
  std::string user = call.caller->principal();
  std::string id = user, cookie = cookie_of(call.request);
  auto fresh = co_await freshly_signed_in(call.app, std::move(id), std::move(cookie));
  if (!fresh) co_return refuse(fresh.error());
  auto done = co_await call.app.people.unlink_identity(std::move(user));
  if (!done) co_return refuse(std::move(done.error()));
  log_info("google.unlinked", {{"request", call.request.id}, {"user", call.caller->principal()}});
  Answer answer;
  answer.status = 204;
  answer.content_type.clear();
  co_return answer;
}

constexpr Field kMethodsFields[] = {{.name = "password", .type = Type::boolean, .required = true},
                                    {.name = "google", .type = Type::boolean, .required = true}};
constexpr Shape kMethods{"login_methods", kMethodsFields};
constexpr Field kLinkedFields[] = {{.name = "email", .required = true},
                                   {.name = "linked_at", .required = true}};
constexpr Shape kLinked{"linked_google", kLinkedFields};
constexpr Reply kMethodsReplies[] = {{200, "Ways to sign in here", &kMethods}};
constexpr Reply kLinkedReplies[] = {{200, "The linked account", &kLinked}};
constexpr Reply kUnlinkReplies[] = {
    {204, "No account is linked any more. Takes a sign-in of the last five minutes."}};
constexpr Field kCodeFields[] = {{.name = "code",
                                  .required = true,
                                  .min = 1,
                                  .max = 64,
                                  .about = "Of the app, or for recovery."}};
constexpr Shape kCode{"google_code", kCodeFields};
constexpr Reply kCodeReplies[] = {{200, "Logged in; the cookie is set", &kLoginAnswer}};
constexpr Code kCodeProblems[] = {Code::not_found,   Code::cross_site,    Code::signin_refused,
                                  Code::not_invited, Code::code_required, Code::code_refused};
constexpr Code kLinkedProblems[] = {Code::not_found};
constexpr Reply kBeginReplies[] = {{302, "To Google; a cookie binds the sign-in to this browser"}};
constexpr Reply kBackReplies[] = {
    {303,
     "To the console: signed in, linked, with #signin-code=google where the second factor is still "
     "asked for, or with #signin-error= and the code of the problem"}};
constexpr Code kBeginProblems[] = {
    Code::not_found, Code::unauthenticated,        Code::cross_site,
    Code::forbidden, Code::second_factor_required, Code::signin_unreachable};
constexpr Code kBackProblems[] = {Code::not_found,      Code::unauthenticated,    Code::not_invited,
                                  Code::signin_refused, Code::signin_unreachable, Code::conflict,
                                  Code::code_required};
constexpr Route kRoutes[] = {{"GET",
                              "/v1/login/google",
                              "beginGoogle",
                              "Sign in with Google",
                              Access::open,
                              {},
                              nullptr,
                              &kBegin,
                              begin,
                              kBeginReplies,
                              kBeginProblems},
                             {"GET",
                              "/v1/login/google/callback",
                              "finishGoogle",
                              "Where Google sends the browser back",
                              Access::open,
                              {},
                              nullptr,
                              &kBack,
                              callback,
                              kBackReplies,
                              kBackProblems,
                              "sign_in.google",
                              AuditOrder::after},
                             {"POST",
                              "/v1/login/google/code",
                              "finishGoogleWithCode",
                              "The second factor, after the Google account",
                              Access::open,
                              {},
                              &kCode,
                              nullptr,
                              finish_step,
                              kCodeReplies,
                              kCodeProblems,
                              "sign_in.google",
                              AuditOrder::after},
                             {"GET",
                              "/v1/login/methods",
                              "listLoginMethods",
                              "Ways to sign in",
                              Access::open,
                              {},
                              nullptr,
                              nullptr,
                              methods,
                              kMethodsReplies},
                             {"GET",
                              "/v1/me/google",
                              "getLinkedGoogle",
                              "The Google account of the signed-in user",
                              Access::session,
                              {},
                              nullptr,
                              nullptr,
                              linked,
                              kLinkedReplies,
                              kLinkedProblems},
                             {"DELETE",
                              "/v1/me/google",
                              "unlinkGoogle",
                              "Unlink the Google account",
                              Access::session,
                              {},
                              nullptr,
                              nullptr,
                              unlink,
                              kUnlinkReplies,
                              kLinkedProblems,
                              "google.unlink"}};

}  // namespace

std::span<const Route> google_routes() { return kRoutes; }

}  // namespace wab::bridge
