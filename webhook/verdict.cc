#include "webhook/verdict.h"

#include <charconv>
#include <ctime>
#include <string>

#include "session/wire/stream.h"

namespace wab::webhook {

using namespace std::chrono_literals;

Verdict judge_status(int status) {
  if (status >= 200 && status < 300) return {Fate::done, false, "delivered"};
  if (status == 410) return {Fate::disable, false, "gone"};
  if (status == 429) return {Fate::later, true, "too_many_requests"};
  if (status == 502 || status == 503 || status == 504) return {Fate::later, true, "unavailable"};
  if (status >= 300 && status < 400) return {Fate::later, false, "redirect_refused"};
  if (status >= 500) return {Fate::later, false, "server_error"};
  return {Fate::later, false, "refused"};
}

Verdict judge_error(const Error& error) {
  using wire::WireError;
  if (error.is(WireError::timeout)) return {Fate::later, true, "timeout"};
  if (error.is(WireError::refused)) return {Fate::later, false, "connection_refused"};
  if (error.is(WireError::resolve)) return {Fate::later, false, "name_not_found"};
  if (error.is(WireError::not_allowed)) return {Fate::later, false, "target_not_allowed"};
  if (error.is(WireError::tls_certificate)) return {Fate::later, false, "certificate_invalid"};
  if (error.is(WireError::tls)) return {Fate::later, false, "tls_failed"};
  if (error.is(WireError::http)) return {Fate::later, false, "bad_response"};
  return {Fate::later, false, "connection_lost"};
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, UnixSeconds now) {
  if (value.empty() || value.size() > 64) return std::nullopt;
  int64_t seconds = 0;
  const auto* end = value.data() + value.size();
  const auto parsed = std::from_chars(value.data(), end, seconds);
  if (parsed.ec == std::errc() && parsed.ptr == end) {
    if (seconds < 0) return std::nullopt;
    return std::chrono::seconds(std::min<int64_t>(seconds, 24 * 3600));
  }
  std::tm at{};
  const std::string text(value);
  const char* rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &at);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  const int64_t wait = static_cast<int64_t>(timegm(&at)) - now;
  if (wait <= 0) return std::nullopt;
  return std::chrono::seconds(std::min<int64_t>(wait, 24 * 3600));
}

}  // namespace wab::webhook
