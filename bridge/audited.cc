#include "bridge/audited.h"

#include <nlohmann/json.hpp>

namespace wab::bridge {
namespace {

// What strangers can have written per address and minute; the rest is refused unrun.
constexpr int64_t kOpenPerMinute = 120;

AuditEntry entry_of(const Request& request, const Route& route, const Caller* caller) {
  AuditEntry out;
  if (caller) out.actor = caller->principal();
  out.action = route.audit;
  out.address = request.address;
  out.request = request.id;
  return out;
}

std::string joined(const std::vector<std::string>& ids) {
  std::string out;
  for (const auto& id : ids) out += (out.empty() ? "" : "/") + id;
  return out;
}

// The id of what was made stands in the answer.
std::string made_by(const Answer& answer) {
  if (answer.status != 201) return {};
  const auto body = nlohmann::json::parse(answer.body, nullptr, false);
  if (!body.is_object() || !body.contains("id") || !body["id"].is_string()) return {};
  return body["id"].get<std::string>();
}

void conclude(AuditEntry& entry, const Call& call, const Outcome<Answer>& answer) {
  const bool refused = answer ? call.note.refused || (answer->status >= 400 && answer->status < 500)
                              : row_of(answer.error().code).status < 500;
  const bool good = answer && answer->status < 400 && !call.note.refused;
  entry.outcome = good ? "done" : refused ? "refused" : "failed";
  if (!call.note.actor.empty()) entry.actor = call.note.actor;
  if (!call.note.target.empty()) entry.target = call.note.target;
  entry.detail = call.note.detail;
  if (!answer) {
    entry.detail += (entry.detail.empty() ? "" : "; ");
    entry.detail += row_of(answer.error().code).name;
  } else if (call.note.target.empty()) {
    const auto made = made_by(*answer);
    if (!made.empty()) entry.target += (entry.target.empty() ? "" : "/") + made;
  }
}

}  // namespace

awaitable<Outcome<Answer>> run_audited(Call& call, const Route& route) {
  if (route.audit.empty()) {
    auto answer = co_await route.handler(call);
    co_return answer;
  }
  Audit& audit = call.app.audit;
  if (!call.caller) {
    const auto verdict = call.app.limits.take("audited", address_group(call.request.address),
                                              kOpenPerMinute, std::chrono::seconds(60));
    if (!verdict.allowed) {
      Problem problem;
      problem.code = Code::rate_limited;
      problem.retry_after = static_cast<int>(verdict.retry_after);
      co_return refuse(std::move(problem));
    }
  }
  const auto chain = call.caller ? call.caller->scope() : audit.deployment();
  AuditEntry entry = entry_of(call.request, route, call.caller);
  entry.target = joined(call.ids);
  if (route.audit_order == AuditOrder::around) {
    entry.outcome = "begun";
    auto begun = co_await audit.append(chain, entry);
    if (!begun) co_return refuse(begun.error());
  }
  auto answer = co_await route.handler(call);
  // Attempts beyond the limits are counted, not kept: a log must not be filled by strangers.
  const bool limited = !answer && answer.error().code == Code::rate_limited;
  if (limited && route.audit_order == AuditOrder::after) co_return answer;
  conclude(entry, call, answer);
  auto ended = co_await audit.append(chain, entry);
  if (!ended) co_return refuse(ended.error());
  if (call.note.organization && *call.note.organization != chain) {
    auto told = co_await audit.append(*call.note.organization, entry);
    if (!told) co_return refuse(told.error());
  }
  co_return answer;
}

awaitable<Outcome<void>> note_refusal(App& app, const Request& request, const Route& route,
                                      const Caller& caller, const Problem& problem) {
  if (route.audit.empty()) co_return Outcome<void>();
  AuditEntry entry = entry_of(request, route, &caller);
  if (const auto ids = match(route.pattern, request.path)) entry.target = joined(*ids);
  entry.outcome = "refused";
  entry.detail = row_of(problem.code).name;
  auto noted = co_await app.audit.append(caller.scope(), std::move(entry));
  co_return noted;
}

awaitable<Outcome<void>> note_token_refusal(App& app, const Request& request,
                                            TokenRefusal refusal) {
  std::string key = refusal.id.text();
  key += refusal.why;
  const auto verdict = app.limits.take("token refused", key, 1, std::chrono::hours(1));
  if (!verdict.allowed) co_return Outcome<void>();
  AuditEntry entry;
  entry.actor = entry.target = refusal.id.text();
  entry.action = "token.use";
  entry.address = request.address;
  entry.request = request.id;
  entry.outcome = "refused";
  entry.detail = refusal.why;
  auto noted = co_await app.audit.append(refusal.owner, std::move(entry));
  co_return noted;
}

}  // namespace wab::bridge
