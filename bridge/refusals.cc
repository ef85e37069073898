#include "bridge/refusals.h"

#include "storage/base/log.h"

namespace wab::bridge {
namespace {

// Others are ordinary life: a lost race, a session that does not pair, an id that was deleted.
bool is_attempt(Code code) {
  switch (code) {
    case Code::unauthenticated:
    case Code::bad_credentials:
    case Code::code_refused:
    case Code::invitation_refused:
    case Code::reset_refused:
    case Code::forbidden:
    case Code::cross_site:
    case Code::origin_refused:
    case Code::plain_http:
    case Code::rate_limited:
    case Code::bad_request:
    case Code::invalid_body:
    case Code::invalid_query:
    case Code::body_too_large:
    case Code::headers_too_large:
    case Code::target_too_long:
    case Code::request_timeout:
      return true;
    default:
      return false;
  }
}

}  // namespace

void log_refusal(App& app, Code code, std::string_view operation, const std::string& address,
                 std::string_view request_id) {
  if (!is_attempt(code)) return;
  constexpr std::chrono::seconds kMinute{60};
  const std::string from = address.empty() ? "" : address_group(address);
  if (!app.limits.take("refusal_lines", from, kRefusalsPerAddress, kMinute).allowed) return;
  if (!app.limits.take("refusal_lines_in_all", "", kRefusalsInAll, kMinute).allowed) return;
  log_info("http.refused", {{"code", row_of(code).name},
                            {"operation", operation},
                            {"from", from},
                            {"request", request_id}});
}

}  // namespace wab::bridge
