// GET /v1/overview: the organization at a glance, cheap enough to ask for every few seconds.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "bridge/event_stream.h"
#include "bridge/routes/tables.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr size_t kSteps = 24;
constexpr int64_t kStepMs = 5 * 60 * 1000;
constexpr size_t kMostEvents = 2000;  // of the end of the log are looked at

constexpr Field kStatusFields[] = {
    {.name = "status", .required = true},
    {.name = "count", .type = Type::integer, .required = true, .max = INT64_MAX}};
constexpr Shape kStatus{"status_count", kStatusFields};
constexpr Field kSessionsFields[] = {
    {.name = "total", .type = Type::integer, .required = true, .max = INT64_MAX},
    {.name = "by_status",
     .type = Type::array,
     .required = true,
     .max = 16,
     .shape = &kStatus,
     .item = Type::object}};
constexpr Shape kSessions{"overview_sessions", kSessionsFields};
constexpr Field kWebhooksFields[] = {
    {.name = "total", .type = Type::integer, .required = true, .max = INT64_MAX},
    {.name = "enabled", .type = Type::integer, .required = true, .max = INT64_MAX}};
constexpr Shape kWebhooks{"overview_webhooks", kWebhooksFields};
constexpr Field kStepFields[] = {
    {.name = "messages", .type = Type::integer, .required = true, .max = INT64_MAX},
    {.name = "others", .type = Type::integer, .required = true, .max = INT64_MAX}};
constexpr Shape kStep{"overview_step", kStepFields};
constexpr Field kEventsFields[] = {
    {.name = "since", .required = true},
    {.name = "step_seconds", .type = Type::integer, .required = true, .max = INT64_MAX},
    {.name = "steps",
     .type = Type::array,
     .required = true,
     .max = kSteps,
     .shape = &kStep,
     .item = Type::object,
     .about = "Oldest first."},
    {.name = "complete",
     .type = Type::boolean,
     .required = true,
     .about = "False when there were more events than are counted here."}};
constexpr Shape kEvents{"overview_events", kEventsFields};
constexpr Field kFields[] = {
    {.name = "sessions", .type = Type::object, .required = true, .shape = &kSessions},
    {.name = "webhooks",
     .type = Type::object,
     .required = true,
     .shape = &kWebhooks,
     .nullable = true,
     .about = "Null without webhooks:read."},
    {.name = "events",
     .type = Type::object,
     .required = true,
     .shape = &kEvents,
     .nullable = true,
     .about = "Null without events:read."}};
constexpr Shape kOverview{"overview", kFields};

awaitable<Outcome<json>> sessions(Call& call) {
  std::map<std::string, int64_t> counts;
  int64_t total = 0;
  std::string after;
  do {
    auto page = co_await call.app.sessions.list(call.org(), after, 100);
    if (!page) co_return refuse(std::move(page.error()));
    for (const auto& view : page->sessions) {
      if (!call.caller->sees(view.id)) continue;
      ++counts[std::string(session::status_word(view.status.status))];
      ++total;
    }
    after = page->next;
  } while (!after.empty());
  json by_status = json::array();
  for (const auto& [status, count] : counts) {
    by_status.push_back({{"status", status}, {"count", count}});
  }
  co_return json{{"total", total}, {"by_status", std::move(by_status)}};
}

awaitable<Outcome<json>> webhooks(Call& call) {
  int64_t total = 0, enabled = 0;
  std::string after;
  do {
    auto page = co_await call.app.endpoints.list(call.org(), after, 100);
    if (!page) co_return refuse(std::move(page.error()));
    for (const auto& record : page->endpoints) {
      ++total;
      enabled += record.enabled ? 1 : 0;
    }
    after = page->next;
  } while (!after.empty());
  co_return json{{"total", total}, {"enabled", enabled}};
}

awaitable<Outcome<json>> events(Call& call) {
  std::string latest = "latest";
  auto last = co_await event_position(call.app, call.org(), std::move(latest));
  if (!last) co_return refuse(last.error());
  // Steps begin at whole multiples, so that a bar does not change its meaning while one looks.
  const int64_t now = call.app.clock.now_ms();
  const int64_t since = (now / kStepMs + 1) * kStepMs - static_cast<int64_t>(kSteps) * kStepMs;
  std::vector<int64_t> messages(kSteps), others(kSteps);
  uint64_t from = *last > kMostEvents ? *last - kMostEvents : 0;
  bool complete = from == 0;
  bool first = true;
  for (;;) {
    auto rows = co_await call.app.store.events_after(call.org(), from, 200);
    if (!rows) co_return refuse(problem_of(rows.error()));
    for (const auto& row : *rows) {
      if (first && row.at < since) complete = true;
      first = false;
      from = row.position;
      if (!call.caller->sees(row.session)) continue;
      if (row.at < since || row.at >= since + static_cast<int64_t>(kSteps) * kStepMs) continue;
      auto& into = row.type == "message" ? messages : others;
      ++into[static_cast<size_t>((row.at - since) / kStepMs)];
    }
    if (rows->size() < 200) break;
  }
  json steps = json::array();
  for (size_t i = 0; i < kSteps; ++i) {
    steps.push_back({{"messages", messages[i]}, {"others", others[i]}});
  }
  co_return json{{"since", to_iso8601(since)},
                 {"step_seconds", kStepMs / 1000},
                 {"steps", std::move(steps)},
                 {"complete", complete}};
}

awaitable<Outcome<Answer>> overview(Call& call) {
  json out = {{"webhooks", nullptr}, {"events", nullptr}};
  auto of_sessions = co_await sessions(call);
  if (!of_sessions) co_return refuse(std::move(of_sessions.error()));
  out["sessions"] = std::move(*of_sessions);
  const auto permissions = call.caller->permissions();
  if (permissions.has(Permission::webhooks_read)) {
    auto part = co_await webhooks(call);
    if (!part) co_return refuse(std::move(part.error()));
    out["webhooks"] = std::move(*part);
  }
  if (permissions.has(Permission::events_read)) {
    auto part = co_await events(call);
    if (!part) co_return refuse(std::move(part.error()));
    out["events"] = std::move(*part);
  }
  co_return json_answer(200, out);
}

constexpr Reply kReplies[] = {{200, "Numbers of the organization", &kOverview}};
constexpr Route kRoutes[] = {{"GET", "/v1/overview", "getOverview", "The organization at a glance",
                              Access::organization, Permission::sessions_read, nullptr, nullptr,
                              overview, kReplies}};

}  // namespace

std::span<const Route> overview_routes() { return kRoutes; }

}  // namespace wab::bridge
