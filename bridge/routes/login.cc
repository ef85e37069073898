// POST /v1/login, POST /v1/logout: browser sessions.

#include <nlohmann/json.hpp>

#include "bridge/browser.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

constexpr Field kLoginFields[] = {
    {.name = "email", .required = true, .min = 3, .max = 254, .format = Format::email},
    {.name = "password", .required = true, .min = 1, .max = kPasswordMax},
    {.name = "code", .min = 1, .max = 64, .about = "Of the app, or a recovery code."}};
constexpr Shape kLogin{"login", kLoginFields};

}  // namespace

std::optional<Problem> over_login_limit(App& app, const Request& request,
                                        const std::string& email) {
  const auto quota = app.config.limits.login_per_minute;
  constexpr std::chrono::seconds kMinute{60}, kHour{3600};
  const Verdict verdicts[] = {
      app.limits.take("login address", address_group(request.address), quota * 6, kMinute),
      app.limits.take("login account", email, quota, kMinute),
      app.limits.take("login account hour", email, quota * 4, kHour)};
  for (const auto& verdict : verdicts) {
    if (verdict.allowed) continue;
    Problem problem;
    problem.code = Code::rate_limited;
    problem.retry_after = static_cast<int>(verdict.retry_after);
    return problem;
  }
  return std::nullopt;
}

Answer login_answer(const People::Login& login) {
  nlohmann::json out = {{"role", role_word(login.role)}, {"organization_id", nullptr}};
  if (!login.organization.empty()) out["organization_id"] = login.organization;
  auto answer = json_answer(200, out);
  answer.headers.emplace_back("Set-Cookie", set_cookie(login.cookie));
  return answer;
}

namespace {

awaitable<Outcome<Answer>> login(Call& call) {
  // Logging a stranger's browser into one's own account is an attack too.
  const auto& request = call.request;
  if (!request.header("origin").empty() || !request.header("sec-fetch-site").empty()) {
    if (auto problem = cross_site(request, call.app.config)) co_return refuse(std::move(*problem));
  }
  std::string email = folded_email(text_of(call.body, "email"));
  std::string password = text_of(call.body, "password");
  call.note.actor = email;
  if (auto problem = over_login_limit(call.app, request, email))
    co_return refuse(std::move(*problem));
  LoginGuard& guard = call.app.people.guard();
  const std::string who = email, place = address_group(request.address);
  if (auto may = guard.may_try(who, place); !may) co_return refuse(std::move(may.error()));
  auto facts = facts_of(request);
  std::string code = text_of(call.body, "code");
  auto login = co_await call.app.people.login(std::move(email), std::move(password),
                                              std::move(code), std::move(facts));
  if (!login) {
    const auto why = login.error().code;
    if (why == Code::bad_credentials || why == Code::code_refused) guard.failed(who, place);
    co_return refuse(std::move(login.error()));
  }
  guard.succeeded(who, place);
  // The organization's own log tells of its people too.
  const auto caller = co_await call.app.auth.by_cookie(login->cookie);
  if (!caller) co_return refuse(caller.error());
  call.note.target = caller->principal();
  if (!caller->is_operator()) call.note.organization = caller->scope();
  co_return login_answer(*login);
}

awaitable<Outcome<Answer>> logout(Call& call) {
  std::string cookie = cookie_of(call.request);
  if (!cookie.empty()) {
    auto done = co_await call.app.people.logout(std::move(cookie));
    if (!done) co_return refuse(std::move(done.error()));
  }
  Answer answer;
  answer.status = 204;
  answer.content_type.clear();
  answer.headers.emplace_back("Set-Cookie", set_cookie(""));
  answer.headers.emplace_back("Clear-Site-Data", R"("cache", "cookies", "storage")");
  co_return answer;
}

constexpr Field kLoginAnswerFields[] = {
    {.name = "role", .required = true},
    {.name = "organization_id", .required = true, .nullable = true}};

}  // namespace

extern constexpr Shape kLoginAnswer{"login_answer", kLoginAnswerFields};

namespace {

constexpr Reply kLoginReplies[] = {{200, "Logged in; the cookie is set", &kLoginAnswer}};
constexpr Reply kLogoutReplies[] = {{204, "Logged out"}};
constexpr Code kLoginProblems[] = {Code::bad_credentials, Code::code_required, Code::code_refused,
                                   Code::cross_site};
constexpr Route kRoutes[] = {{"POST",
                              "/v1/login",
                              "login",
                              "Begin a browser session",
                              Access::open,
                              {},
                              &kLogin,
                              nullptr,
                              login,
                              kLoginReplies,
                              kLoginProblems,
                              "sign_in.password",
                              AuditOrder::after},
                             {"POST",
                              "/v1/logout",
                              "logout",
                              "End the browser session",
                              Access::session,
                              {},
                              nullptr,
                              nullptr,
                              logout,
                              kLogoutReplies,
                              {},
                              "sign_out"}};

}  // namespace

std::span<const Route> login_routes() { return kRoutes; }

}  // namespace wab::bridge
