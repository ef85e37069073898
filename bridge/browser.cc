#include "bridge/browser.h"

#include <algorithm>

namespace wab::bridge {
namespace {

bool allowed_origin(const Request& request, const Config& config) {
  const auto origin = request.header("origin");
  const auto& list = config.http.cors_origins;
  return !origin.empty() && std::find(list.begin(), list.end(), origin) != list.end();
}

// scheme://host[:port] of a URL.
std::string origin_of(const std::string& url) {
  const auto slashes = url.find("://");
  if (slashes == std::string::npos) return {};
  return url.substr(0, url.find('/', slashes + 3));
}

}  // namespace

std::string cookie_of(const Request& request, std::string_view name) {
  std::string found;
  int seen = 0;
  for (auto rest = request.header("cookie"); !rest.empty();) {
    const auto end = rest.find(';');
    auto pair = rest.substr(0, end);
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      found = pair.substr(name.size() + 1);
      ++seen;
    }
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return seen == 1 && found.size() <= 128 ? found : std::string();
}

std::string set_cookie(const std::string& value) {
  return std::string(kCookie) + "=" + value + "; Path=/; Secure; HttpOnly; SameSite=Lax" +
         (value.empty() ? "; Max-Age=0" : "");
}

std::optional<Problem> cross_site(const Request& request, const Config& config) {
  const auto site = request.header("sec-fetch-site");
  const bool reads = request.method == "GET" && !request.upgrade;
  if (!site.empty() && site != "same-origin" && !(reads && site == "none")) {
    return Problem{Code::cross_site, {}};
  }
  if (reads || site == "same-origin") return std::nullopt;
  const std::string origin(request.header("origin"));
  const std::string ours =
      config.http.public_url.empty()
          ? (request.secure ? "https://" : "http://") + std::string(request.header("host"))
          : origin_of(config.http.public_url);
  if (!origin.empty() && origin == ours) return std::nullopt;
  return Problem{Code::cross_site, {}};
}

std::optional<Answer> preflight_answer(const Request& request, const Config& config) {
  if (request.method != "OPTIONS" || !allowed_origin(request, config) ||
      request.header("access-control-request-method").empty()) {
    return std::nullopt;
  }
  Answer answer;
  answer.status = 204;
  answer.content_type.clear();
  answer.headers = {
      {"Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE"},
      {"Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key"},
      {"Access-Control-Max-Age", "600"}};
  return answer;
}

void add_cors(Answer& answer, const Request& request, const Config& config) {
  if (config.http.cors_origins.empty()) return;
  answer.headers.emplace_back("Vary", "Origin");
  if (!allowed_origin(request, config)) return;
  answer.headers.emplace_back("Access-Control-Allow-Origin", std::string(request.header("origin")));
  answer.headers.emplace_back("Access-Control-Expose-Headers",
                              "X-Request-Id, RateLimit, RateLimit-Policy, Retry-After");
}

}  // namespace wab::bridge
