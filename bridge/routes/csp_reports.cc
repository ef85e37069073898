// POST /v1/csp-reports: where browsers tell that the console's policy refused something.

#include <nlohmann/json.hpp>

#include "bridge/csp_report.h"
#include "bridge/routes/tables.h"
#include "bridge/strict_json.h"
#include "storage/base/log.h"
#include "storage/base/metrics.h"

namespace wab::bridge {
namespace {

constexpr size_t kLargest = 16 * 1024;
constexpr int64_t kPerAddress = 30, kInAll = 300, kLinesPerAddress = 10, kLinesInAll = 60;
constexpr std::chrono::seconds kMinute{60};
constexpr std::string_view kTypes[] = {"application/reports+json", "application/csp-report"};

void tell(App& app, const std::string& from, std::string_view request, const CspReport& report) {
  static Counter counted = make_counter("waslo_csp_reports_total",
                                        "Reports that the console's policy refused something.");
  counted.add();
  if (!app.limits.take("csp lines", from, kLinesPerAddress, kMinute).allowed) return;
  if (!app.limits.take("csp lines in all", "", kLinesInAll, kMinute).allowed) return;
  log_warn("console.policy_refused", {{"directive", report.directive},
                                      {"blocked", report.blocked},
                                      {"from", from},
                                      {"request", request}});
}

awaitable<Outcome<Answer>> report(Call& call) {
  App& app = call.app;
  const std::string from = call.request.address.empty() ? "" : address_group(call.request.address);
  const Verdict verdicts[] = {app.limits.take("csp reports", from, kPerAddress, kMinute),
                              app.limits.take("csp reports in all", "", kInAll, kMinute)};
  for (const auto& verdict : verdicts) {
    if (verdict.allowed) continue;
    Problem problem;
    problem.code = Code::rate_limited;
    problem.retry_after = static_cast<int>(verdict.retry_after);
    co_return refuse(std::move(problem));
  }
  if (call.request.body.size() > kLargest) co_return refuse(Code::body_too_large);
  const auto body = parse_strict_json(call.request.body);
  if (!body) {
    Problem problem;
    problem.code = Code::invalid_body;
    problem.errors.push_back(body.error());
    co_return refuse(std::move(problem));
  }
  for (const auto& one : csp_reports(*body)) tell(app, from, call.request.id, one);
  co_return empty_answer();
}

constexpr Reply kReplies[] = {{204, "Heard, whatever it says"}};
constexpr Route kRoutes[] = {{"POST",
                              "/v1/csp-reports",
                              "reportPolicy",
                              "Tell what the console's policy refused; browsers do",
                              Access::page,
                              {},
                              nullptr,
                              nullptr,
                              report,
                              kReplies,
                              {},
                              {},
                              AuditOrder::around,
                              kTypes}};

}  // namespace

std::span<const Route> csp_report_routes() { return kRoutes; }

}  // namespace wab::bridge
