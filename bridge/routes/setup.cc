// POST /v1/setup: the first operator.

#include <nlohmann/json.hpp>

#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

constexpr Field kSetupFields[] = {
    {.name = "setup_token", .required = true, .min = 1, .max = 128},
    {.name = "email", .required = true, .min = 3, .max = 254, .format = Format::email},
    {.name = "password", .required = true, .min = kPasswordMin, .max = kPasswordMax}};
constexpr Shape kSetup{"setup", kSetupFields};

awaitable<Outcome<Answer>> setup(Call& call) {
  const auto quota = call.app.config.limits.login_per_minute;
  const auto verdict = call.app.limits.take("setup", address_group(call.request.address), quota,
                                            std::chrono::seconds(60));
  if (!verdict.allowed) {
    Problem problem;
    problem.code = Code::rate_limited;
    problem.retry_after = static_cast<int>(verdict.retry_after);
    co_return refuse(std::move(problem));
  }
  std::string token = text_of(call.body, "setup_token");
  std::string email = text_of(call.body, "email");
  call.note.actor = email;
  std::string password = text_of(call.body, "password");
  const auto life = call.app.config.auth.token_ttl_default;
  auto minted =
      co_await call.app.people.setup(std::move(token), std::move(email), std::move(password), life);
  if (!minted) co_return refuse(std::move(minted.error()));
  const nlohmann::json out = {{"id", minted->record.id.text()},
                              {"token", minted->token},
                              {"expires_at", to_iso8601(minted->record.expires_at)}};
  co_return json_answer(201, out);
}

constexpr Field kSetupAnswerFields[] = {{.name = "id", .required = true},
                                        {.name = "token", .required = true},
                                        {.name = "expires_at", .required = true}};
constexpr Shape kSetupAnswer{"setup_answer", kSetupAnswerFields};
constexpr Reply kReplies[] = {{201, "The operator exists; the token is shown once", &kSetupAnswer}};
constexpr Code kProblems[] = {Code::setup_done, Code::unauthenticated, Code::conflict,
                              Code::weak_password, Code::overloaded};
constexpr Route kRoutes[] = {{"POST",
                              "/v1/setup",
                              "setup",
                              "Create the first operator",
                              Access::setup,
                              {},
                              &kSetup,
                              nullptr,
                              setup,
                              kReplies,
                              kProblems,
                              "setup"}};

}  // namespace

std::span<const Route> setup_routes() { return kRoutes; }

}  // namespace wab::bridge
