// GET /v1/usage: what the organization may have, and has.

#include <nlohmann/json.hpp>

#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr int64_t kMost = 1'000'000'000'000'000;
constexpr Field number(std::string_view name, bool nullable, bool required) {
  return {.name = name,
          .type = Type::integer,
          .required = required,
          .min = 0,
          .max = kMost,
          .nullable = nullable};
}
constexpr Field kOverrideFields[] = {
    number("sessions", true, false),         number("webhooks", true, false),
    number("tokens", true, false),           number("users", true, false),
    number("messages_per_day", true, false), number("messages_stored", true, false),
    number("storage_bytes", true, false)};
constexpr Field kValueFields[] = {
    number("sessions", false, true),         number("webhooks", false, true),
    number("tokens", false, true),           number("users", false, true),
    number("messages_per_day", false, true), number("messages_stored", false, true),
    number("storage_bytes", false, true)};
static_assert(std::size(kOverrideFields) == kQuotas && std::size(kValueFields) == kQuotas);

}  // namespace

extern constexpr Shape kLimitOverrides{"limit_overrides", kOverrideFields, 1};
extern constexpr Shape kQuotaValues{"quota_values", kValueFields};

json quota_json(const QuotaValues& values) {
  json out = json::object();
  for (size_t i = 0; i < kQuotas; ++i) out[std::string(kQuotaWords[i])] = values[i];
  return out;
}

namespace {

constexpr Field kUsageFields[] = {
    {.name = "limits", .type = Type::object, .required = true, .shape = &kQuotaValues},
    {.name = "usage", .type = Type::object, .required = true, .shape = &kQuotaValues}};
constexpr Shape kUsage{"usage", kUsageFields};

awaitable<Outcome<Answer>> get(Call& call) {
  auto limits = co_await call.app.quotas.limits(call.org());
  if (!limits) co_return refuse(limits.error());
  auto usage = co_await call.app.quotas.usage(call.org());
  if (!usage) co_return refuse(usage.error());
  co_return json_answer(200, {{"limits", quota_json(*limits)}, {"usage", quota_json(*usage)}});
}

constexpr Reply kReplies[] = {{200, "Limits and usage", &kUsage}};
constexpr Route kRoutes[] = {{"GET", "/v1/usage", "getUsage", "What the organization has and may",
                              Access::organization, Permission::tokens_read, nullptr, nullptr, get,
                              kReplies}};

}  // namespace

std::span<const Route> usage_routes() { return kRoutes; }

}  // namespace wab::bridge
