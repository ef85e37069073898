// A new password for somebody who forgot theirs: an admin makes a link, its reader sets the
// password. The second factor is asked for as at any sign-in.

#include <nlohmann/json.hpp>

#include "bridge/browser.h"
#include "bridge/routes/proof.h"

namespace wab::bridge {
namespace {

constexpr Field kMadeFields[] = {
    {.name = "token", .required = true, .about = "Shown once."},
    {.name = "link", .required = true, .max = 2048, .about = "To the console, shown once."},
    {.name = "expires_at", .required = true, .about = "An hour from now."}};
constexpr Shape kMade{"password_reset", kMadeFields};
constexpr Field kAcceptFields[] = {
    {.name = "token", .required = true, .min = 1, .max = 128},
    {.name = "password", .required = true, .min = kPasswordMin, .max = kPasswordMax},
    {.name = "code",
     .min = 1,
     .max = 64,
     .about = "Of the app, or a recovery code, when the user has a second factor."}};
constexpr Shape kAccept{"accept_password_reset", kAcceptFields};

// The organization's own log tells of its people too.
void note_user(Call& call, const UserRecord& user) {
  call.note.target = user.id.text();
  if (user.org) call.note.organization = call.app.auth.users().scope_of(user);
}

awaitable<Outcome<Answer>> make(Call& call) {
  const auto id = call.id<UserId>();
  if (!id) co_return refuse(id.error());
  if (call.caller->from_browser()) {
    // Whoever finds a session open must not open other people's accounts with it.
    std::string own = call.caller->principal(), cookie = cookie_of(call.request);
    auto fresh = co_await freshly_signed_in(call.app, std::move(own), std::move(cookie));
    if (!fresh) co_return refuse(fresh.error());
  }
  std::string text = id->text();
  auto made = co_await call.app.people.make_reset(*call.caller, std::move(text));
  if (!made) co_return refuse(made.error());
  note_user(call, made->user);
  const nlohmann::json out = {{"token", made->token},
                              {"link", console_link(call, "password-reset/" + made->token)},
                              {"expires_at", to_iso8601(made->expires_at)}};
  co_return json_answer(201, out);
}

std::optional<Problem> over(std::initializer_list<Verdict> verdicts) {
  for (const auto& verdict : verdicts) {
    if (verdict.allowed) continue;
    Problem problem;
    problem.code = Code::rate_limited;
    problem.retry_after = static_cast<int>(verdict.retry_after);
    return problem;
  }
  return std::nullopt;
}

awaitable<Outcome<Answer>> accept(Call& call) {
  const auto quota = call.app.config.limits.login_per_minute;
  constexpr std::chrono::seconds kMinute{60}, kHour{3600};
  Limits& limits = call.app.limits;
  auto many =
      over({limits.take("reset address", address_group(call.request.address), quota * 2, kMinute)});
  if (many) co_return refuse(std::move(*many));
  std::string token = text_of(call.body, "token"), again = token;
  auto whose = co_await call.app.people.find_reset(std::move(again));
  if (!whose) co_return refuse(whose.error());
  note_user(call, *whose);
  call.note.actor = call.note.target;
  // Of the code; whoever made the link holds it too, and has no more guesses than a stranger.
  many = over({limits.take("reset", call.note.target, quota, kMinute),
               limits.take("reset hour", call.note.target, quota * 4, kHour)});
  if (many) co_return refuse(std::move(*many));
  std::string password = text_of(call.body, "password"), code = text_of(call.body, "code");
  auto done =
      co_await call.app.people.accept_reset(std::move(token), std::move(password), std::move(code));
  if (!done) co_return refuse(done.error());
  co_return empty_answer();
}

constexpr Reply kCreated[] = {
    {201,
     "A link of one use, which replaces an earlier one. A person takes a sign-in of the last five "
     "minutes for this.",
     &kMade}};
constexpr Reply kAccepted[] = {{204, "The password is set; every browser session has ended"}};
constexpr Code kMakeProblems[] = {Code::conflict};
constexpr Code kAcceptProblems[] = {Code::reset_refused, Code::weak_password, Code::code_required,
                                    Code::code_refused};
constexpr Route kRoutes[] = {
    {"POST", "/v1/users/{id}/password-reset", "createPasswordReset",
     "Make a link for a new password", Access::either, Permission::users_write, nullptr, nullptr,
     make, kCreated, kMakeProblems, "user.password_reset"},
    {"POST",
     "/v1/password-reset/accept",
     "acceptPasswordReset",
     "Set a new password by a link",
     Access::open,
     {},
     &kAccept,
     nullptr,
     accept,
     kAccepted,
     kAcceptProblems,
     "account.password_reset"}};

}  // namespace

std::span<const Route> password_reset_routes() { return kRoutes; }

}  // namespace wab::bridge
