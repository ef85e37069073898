#include "bridge/router.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/audited.h"
#include "bridge/browser.h"
#include "bridge/factor_rule.h"
#include "bridge/openapi.h"
#include "bridge/refusals.h"
#include "bridge/routes/seal.h"
#include "bridge/routes/tables.h"
#include "bridge/schema_check.h"
#include "bridge/strict_json.h"
#include "storage/base/log.h"
#include "storage/base/metrics.h"

namespace wab::bridge {
namespace {

using nlohmann::json;
constexpr std::chrono::seconds kWindow{60};
constexpr std::string_view kOfSession = "/v1/sessions/{";

bool is_unsafe(std::string_view method) { return method != "GET" && method != "HEAD"; }

const std::span<const Route> kTables[] = {
    document_routes(),     setup_routes(),    login_routes(),
    google_routes(),       me_routes(),       organization_routes(),
    token_routes(),        session_routes(),  pairing_routes(),
    message_routes(),      webhook_routes(),  webhook_log_routes(),
    event_routes(),        audit_routes(),    user_routes(),
    invitation_routes(),   usage_routes(),    console_routes(),
    pairing_link_routes(), overview_routes(), password_reset_routes(),
    csp_report_routes(),   seal_routes(),     backup_routes()};

struct Found {
  const Route* route = nullptr;
  std::vector<std::string> ids;
  std::string allow;  // methods of the address, when none fits
};

Found find(std::string_view method, std::string_view path) {
  Found found;
  for (const auto& table : kTables) {
    for (const auto& route : table) {
      auto ids = match(route.pattern, path);
      if (!ids) continue;
      if (route.method == method) {
        found.route = &route;
        found.ids = std::move(*ids);
        return found;
      }
      found.allow += (found.allow.empty() ? "" : ", ") + std::string(route.method);
    }
  }
  return found;
}

// Collects what the limits said for the headers of the answer.
class Budget {
 public:
  std::optional<Problem> take(App& app, const char* policy, std::string_view key, int64_t quota) {
    const auto verdict = app.limits.take(policy, key, quota, kWindow);
    const std::string quoted = "\"" + std::string(policy) + "\"";
    add(policies_, quoted + ";q=" + std::to_string(quota) + ";w=60");
    add(states_, quoted + ";r=" + std::to_string(verdict.remaining) +
                     ";t=" + std::to_string(verdict.reset_s));
    if (verdict.allowed) return std::nullopt;
    Problem problem;
    problem.code = Code::rate_limited;
    problem.detail = "The limit per " + std::string(policy) + " is used up.";
    problem.retry_after = static_cast<int>(verdict.retry_after);
    return problem;
  }
  void print(Answer& answer) const {
    if (policies_.empty()) return;
    answer.headers.emplace_back("RateLimit-Policy", policies_);
    answer.headers.emplace_back("RateLimit", states_);
  }

 private:
  static void add(std::string& list, const std::string& item) {
    list += (list.empty() ? "" : ", ") + item;
  }
  std::string policies_, states_;
};

awaitable<Outcome<Caller>> find_caller(App& app, const Request& request) {
  std::string authorization(request.header("authorization"));
  if (!authorization.empty()) {
    std::optional<TokenRefusal> refusal;
    auto caller = co_await app.auth.by_token(std::move(authorization), request.address, &refusal);
    if (refusal) {
      auto noted = co_await note_token_refusal(app, request, *refusal);
      if (!noted) co_return refuse(noted.error());
    }
    co_return caller;
  }
  std::string cookie = cookie_of(request);
  if (cookie.empty()) co_return refuse(Code::unauthenticated);
  if (auto problem = cross_site(request, app.config)) co_return refuse(std::move(*problem));
  auto caller = co_await app.auth.by_cookie(std::move(cookie));
  co_return caller;
}

Outcome<void> judge_access(const Config& config, const Route& route, const Caller& caller) {
  if (route.access != Access::session && factor_missing(config, caller)) {
    return refuse(Code::second_factor_required);
  }
  switch (route.access) {
    case Access::operators:
      if (!caller.is_operator()) return refuse(Code::forbidden, "Only an operator may do this.");
      break;
    case Access::organization:
      if (caller.is_operator()) {
        return refuse(Code::forbidden, "Use a token of the organization; an operator has none.");
      }
      if (!caller.permissions().has(route.permission)) {
        return refuse(Code::forbidden,
                      "The token lacks " + std::string(permission_word(route.permission)) + ".");
      }
      break;
    case Access::either:
      if (!caller.is_operator() && !caller.permissions().has(route.permission)) {
        return refuse(Code::forbidden,
                      "The token lacks " + std::string(permission_word(route.permission)) + ".");
      }
      break;
    default:
      break;
  }
  return {};
}

// A token that is limited to sessions: what it does not see does not exist for it, and what tells
// of the whole organization is not for it, however new the route.
Outcome<void> judge_sessions(const Route& route, const std::vector<std::string>& ids,
                             const Caller& caller) {
  constexpr std::string_view kReach[] = {"/v1/sessions", "/v1/messages/", "/v1/events"};
  if (!caller.sessions() || route.access == Access::session) return {};
  bool within = false;
  for (const auto start : kReach) within = within || route.pattern.starts_with(start);
  if (!within) return refuse(Code::forbidden, "The token is limited to some sessions.");
  if (route.pattern.starts_with(kOfSession)) {
    const auto id = SessionId::parse(ids.front());
    if (!id || !caller.sees(*id)) return refuse(Code::not_found);
  }
  return {};
}

// The shape and the library disagree: refused, and somebody should hear of it.
Problem disagreement(const Route& route, Code code, FieldError error) {
  log_warn("http.schema_disagrees", {{"operation", route.name}, {"code", row_of(code).name}});
  Problem problem;
  problem.code = code;
  problem.errors.push_back(std::move(error));
  return problem;
}

Outcome<json> judge_body(const Route& route, const Request& request) {
  if (!route.unjudged.empty()) {
    const auto type = request.header("content-type");
    const auto& types = route.unjudged;
    if (std::find(types.begin(), types.end(), type.substr(0, type.find(';'))) == types.end()) {
      return refuse(Code::unsupported_media_type);
    }
    return json(nullptr);
  }
  if (!route.body) {
    if (!request.body.empty() && request.body != "{}") {
      return refuse(Code::invalid_body, "This call takes no body.");
    }
    return json(nullptr);
  }
  if (request.body.empty() && body_may_be_absent(*route.body)) return json(json::object());
  const auto type = request.header("content-type");
  const auto essence = type.substr(0, type.find(';'));
  if (essence != "application/json") return refuse(Code::unsupported_media_type);
  auto parsed = parse_strict_json(request.body);
  if (!parsed) {
    Problem broken;
    broken.code = Code::invalid_body;
    broken.detail = parsed.error().message;
    broken.errors.push_back(std::move(parsed.error()));
    return refuse(std::move(broken));
  }
  auto errors = validate(*route.body, *parsed);
  if (errors.empty()) {
    make_whole(*parsed);
    auto wrong = refuted_body(route, *parsed);
    if (wrong) return refuse(disagreement(route, Code::invalid_body, std::move(*wrong)));
    return std::move(*parsed);
  }
  Problem problem;
  problem.code = Code::invalid_body;
  problem.errors = std::move(errors);
  return refuse(std::move(problem));
}

// A field that must have one meaning and has two: whoever reads the other one is deceived.
std::string_view repeated_header(const Request& request) {
  for (const std::string_view name :
       {"Authorization", "Content-Type", "Idempotency-Key", "Origin", "Sec-Fetch-Site"}) {
    if (request.count(name) > 1) return name;
  }
  return {};
}

Outcome<void> judge_query(const Route& route, const Request& request) {
  static constexpr Shape kNone{"none", {}};
  if (!request.query_ok) return refuse(Code::invalid_query, "An escape is broken.");
  auto errors = validate_query(route.query ? *route.query : kNone, request.query);
  if (errors.empty()) {
    auto wrong = refuted_query(route, request.query);
    if (wrong) return refuse(disagreement(route, Code::invalid_query, std::move(*wrong)));
    return {};
  }
  Problem problem;
  problem.code = Code::invalid_query;
  problem.errors = std::move(errors);
  return refuse(std::move(problem));
}

// What let the caller in, asked for again while an answer goes on: revoked, expired, disabled,
// lowered or limited since, and it ends.
class StandingProof final : public Proof {
 public:
  StandingProof(App& app, const Route& route, const Request& request, std::vector<std::string> ids)
      : app_(app),
        route_(route),
        authorization_(request.header("authorization")),
        cookie_(cookie_of(request)),
        address_(request.address),
        ids_(std::move(ids)) {}

  awaitable<bool> holds() override {
    Outcome<Caller> caller = refuse(Code::unauthenticated);
    if (!authorization_.empty()) {
      std::string authorization = authorization_, address = address_;
      caller = co_await app_.auth.by_token(std::move(authorization), std::move(address), nullptr);
    } else {
      std::string cookie = cookie_;
      caller = co_await app_.auth.by_cookie(std::move(cookie), true);
    }
    // A store that is busy says nothing against anybody.
    if (!caller) co_return caller.error().code == Code::overloaded;
    co_return judge_access(app_.config, route_, *caller) && judge_sessions(route_, ids_, *caller);
  }

 private:
  App& app_;
  const Route& route_;
  std::string authorization_, cookie_, address_;
  std::vector<std::string> ids_;
};

awaitable<Outcome<Answer>> run(App& app, const Request& request, const Route& route,
                               std::vector<std::string> ids, const Caller* caller,
                               const json& body) {
  std::optional<Idempotency::Ticket> ticket;
  std::optional<std::string> reference;
  std::string key(request.header("idempotency-key"));
  if (!key.empty() && caller && is_unsafe(request.method)) {
    if (key.size() > 255 || !matches(Format::header_value, key)) {
      co_return refuse(Code::bad_request, "Idempotency-Key must be at most 255 printable bytes.");
    }
    auto begun = co_await app.idempotency.begin(*caller, request, std::move(key));
    if (!begun) co_return refuse(std::move(begun.error()));
    if (auto* answer = std::get_if<Answer>(&*begun)) co_return std::move(*answer);
    if (auto* held = std::get_if<Idempotency::Ticket>(&*begun)) ticket.emplace(std::move(*held));
    if (auto* old = std::get_if<Idempotency::Reference>(&*begun)) reference = std::move(old->text);
  }
  Call call{app,
            request,
            caller,
            body,
            std::move(ids),
            ticket ? &*ticket : nullptr,
            reference ? &*reference : nullptr};
  auto answer = co_await run_audited(call, route);
  if (!answer || !ticket || ticket->used() || answer->status >= 300) co_return answer;
  // The effect is durable and naturally repeatable; a crash before this write repeats it.
  storage::Commit commit{storage::Scope(caller->scope())};
  commit.put.push_back(ticket->row(*answer));
  auto written = co_await app.store.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return answer;
}

awaitable<Outcome<Answer>> pass(App& app, const Request& request, Found& found, Budget& budget) {
  if (!request.address.empty()) {
    const auto group = address_group(request.address);
    auto over = budget.take(app, "address", group, app.config.limits.address_per_minute);
    if (over) co_return refuse(std::move(*over));
  }
  if (const auto twice = repeated_header(request); !twice.empty()) {
    co_return refuse(Code::bad_request, "Send " + std::string(twice) + " once.");
  }
  if (!found.route && found.allow.empty()) co_return refuse(Code::not_found);
  const bool before_setup =
      found.route && (found.route->access == Access::setup || found.route->access == Access::page);
  if (app.people.setup_pending() && !before_setup) {
    co_return refuse(Code::setup_required);
  }
  if (!found.route) co_return refuse(Code::method_not_allowed);
  const Route& route = *found.route;

  std::optional<Caller> caller;
  if (!is_callerless(route.access)) {
    auto proven = co_await find_caller(app, request);
    if (!proven) co_return refuse(std::move(proven.error()));
    caller.emplace(std::move(*proven));
    auto over = budget.take(app, "token", caller->principal(), app.config.limits.token_per_minute);
    if (!over && !caller->is_operator()) {
      over = budget.take(app, "org", caller->scope().org().text(),
                         app.config.limits.organization_per_minute);
    }
    if (over) co_return refuse(std::move(*over));
    const auto allowed = judge_access(app.config, route, *caller);
    if (!allowed) {
      auto noted = co_await note_refusal(app, request, route, *caller, allowed.error());
      if (!noted) co_return refuse(noted.error());
      co_return refuse(allowed.error());
    }
  }
  if (caller) {
    const auto seen = judge_sessions(route, found.ids, *caller);
    if (!seen) co_return refuse(seen.error());
  }
  const auto query = judge_query(route, request);
  if (!query) co_return refuse(query.error());
  auto body = judge_body(route, request);
  if (!body) co_return refuse(std::move(body.error()));
  const auto begun = app.clock.steady();
  auto answer = co_await run(app, request, route, found.ids, caller ? &*caller : nullptr, *body);
  if (!answer || !caller) co_return answer;
  auto proof = std::make_unique<StandingProof>(app, route, request, found.ids);
  if (answer->kind != Answer::Kind::whole) {
    answer->proof = std::move(proof);
  } else if (route.method == "GET" && app.clock.steady() - begun >= kProofEvery) {
    // Whoever waited for something may have lost the right to it meanwhile.
    const bool holds = co_await proof->holds();
    if (!holds) co_return refuse(Code::unauthenticated);
  }
  co_return answer;
}

void count(int status) {
  static Counter answers[] = {
      make_counter("waslo_http_answers_total", "Answers by class.", {{"class", "2xx"}}),
      make_counter("waslo_http_answers_total", "Answers by class.", {{"class", "3xx"}}),
      make_counter("waslo_http_answers_total", "Answers by class.", {{"class", "4xx"}}),
      make_counter("waslo_http_answers_total", "Answers by class.", {{"class", "5xx"}})};
  answers[std::clamp(status / 100, 2, 5) - 2].add();
}

}  // namespace

std::span<const std::span<const Route>> all_routes() { return kTables; }

std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  std::vector<std::string> ids;
  while (!pattern.empty() && !path.empty()) {
    if (pattern.front() != '/' || path.front() != '/') return std::nullopt;
    pattern.remove_prefix(1);
    path.remove_prefix(1);
    const auto part = pattern.substr(0, pattern.find('/'));
    const auto given = path.substr(0, path.find('/'));
    if (part.starts_with('{')) {
      if (given.empty() || given.size() > 64) return std::nullopt;
      ids.emplace_back(given);
    } else if (part != given) {
      return std::nullopt;
    }
    pattern.remove_prefix(part.size());
    path.remove_prefix(given.size());
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return ids;
}

int64_t Call::number(std::string_view name, int64_t otherwise) const {
  const auto text = request.parameter(name);
  return text.empty() ? otherwise : std::strtoll(std::string(text).c_str(), nullptr, 10);
}

std::vector<storage::Row> Call::repeatable(const Answer& answer) const {
  std::vector<storage::Row> out;
  if (ticket) out.push_back(ticket->row(answer));
  return out;
}

awaitable<Answer> handle(App& app, const Request& request) {
  Answer answer;
  Budget budget;
  if (auto preflight = preflight_answer(request, app.config)) {
    answer = std::move(*preflight);
  } else {
    Found found = find(request.method, request.path);
    const std::string_view route = found.route != nullptr ? found.route->pattern : "";
    auto outcome = co_await pass(app, request, found, budget);
    if (outcome) {
      answer = std::move(*outcome);
    } else {
      answer = problem_answer(outcome.error(), request.id);
      if (outcome.error().code == Code::method_not_allowed) {
        answer.headers.emplace_back("Allow", found.allow);
      }
      log_refusal(app, outcome.error().code, found.route ? found.route->name : "", request.address,
                  request.id);
      if (answer.status >= 500 && outcome.error().code == Code::internal) {
        log_error("http.failed", {{"request", request.id},
                                  {"trace", request.trace.id()},
                                  {"method", request.method},
                                  {"route", route}});
      }
    }
    answer.route = route;
  }
  budget.print(answer);
  dress(answer, request, app.config);
  count(answer.status);
  co_return answer;
}

void dress(Answer& answer, const Request& request, const Config& config) {
  // A page brings a policy of its own; everything else gets the API's.
  const size_t brought = answer.headers.size();
  for (const auto& [name, value] : security_headers()) {
    const bool own = std::any_of(answer.headers.begin(), answer.headers.begin() + brought,
                                 [&](const auto& header) { return header.first == name; });
    if (!own) answer.headers.emplace_back(name, value);
  }
  answer.headers.emplace_back("X-Request-Id", request.id);
  if (request.trace.span != ByteArray<8>{}) {
    answer.headers.emplace_back("Traceparent", request.trace.traceparent());
  }
  add_cors(answer, request, config);
}

}  // namespace wab::bridge
