// The headers of every answer, for every route and every kind of answer (design section 5.1).
#include <set>

#include "tests/bridge/loopback.h"
#include "tests/support/log_watcher.h"
#include "tests/support/table.h"

namespace wab::bridge::test {
namespace {

using wab::test::Table;

// Written out here once more: what the service sends is compared with the design, not with itself.
const std::pair<std::string_view, std::string_view> kApi[] = {
    {"cache-control", "no-store"},
    {"content-security-policy",
     "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
    {"strict-transport-security", "max-age=63072000; includeSubDomains"},
    {"x-content-type-options", "nosniff"},
    {"x-frame-options", "DENY"},
    {"referrer-policy", "no-referrer"},
    {"cross-origin-resource-policy", "same-origin"},
    {"cross-origin-opener-policy", "same-origin"},
    {"x-permitted-cross-domain-policies", "none"},
    {"x-robots-tag", "noindex, nofollow"}};
constexpr std::string_view kConsolePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'";
constexpr std::string_view kFeatures[] = {"accelerometer",
                                          "autoplay",
                                          "camera",
                                          "clipboard-read",
                                          "display-capture",
                                          "fullscreen",
                                          "geolocation",
                                          "hid",
                                          "midi",
                                          "microphone",
                                          "payment",
                                          "serial",
                                          "sync-xhr",
                                          "usb",
                                          "gyroscope",
                                          "magnetometer",
                                          "bluetooth",
                                          "idle-detection"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool is_api_type(const std::string& type) {
  return type.empty() || type.starts_with("application/") || type.starts_with("text/plain") ||
         type.starts_with("image/") || type.starts_with("text/event-stream");
}

// "" when all of them are there once and as they should be.
std::string fault_in(const Headers& headers, const std::string& type) {
  std::multimap<std::string, std::string> found;
  for (const auto& [name, value] : headers) found.emplace(lower(name), value);
  auto only = [&](std::string_view name) -> std::string {
    const auto range = found.equal_range(std::string(name));
    return std::distance(range.first, range.second) == 1 ? range.first->second : "?";
  };
  for (const auto& [name, value] : kApi) {
    const auto got = only(name);
    if (name == "content-security-policy" && !is_api_type(type)) {
      if (!got.starts_with(kConsolePolicy)) return "policy of a page: " + got;
      continue;
    }
    // A page may be kept, as long as it is asked for each time whether it is still the one.
    if (name == "cache-control" && !is_api_type(type) && got == "no-cache") continue;
    if (got != value) return std::string(name) + ": " + got;
  }
  const auto features = only("permissions-policy");
  for (const auto feature : kFeatures) {
    if (features.find(std::string(feature) + "=()") == std::string::npos) {
      return "permissions-policy lacks " + std::string(feature);
    }
  }
  if (features.find("=(s") != std::string::npos || features.find('*') != std::string::npos) {
    return "permissions-policy allows something: " + features;
  }
  if (only("x-request-id").size() < 4) return "x-request-id";
  for (const char* name : {"server", "x-powered-by", "via", "access-control-allow-origin"}) {
    if (found.contains(name)) return std::string(name) + " is there";
  }
  if (type.starts_with("application/") || type.starts_with("text/")) {
    if (!lower(type).ends_with("; charset=utf-8")) return "no charset: " + type;
  }
  return "";
}

std::string fault_in(const Answer& answer) {
  return fault_in(answer.headers, answer.status == 204 ? "" : answer.content_type);
}

json value_for(const Field& field) {
  switch (field.type) {
    case Type::integer:
    case Type::duration:
      return std::max<int64_t>(field.min, 1);
    case Type::boolean:
      return true;
    case Type::object: {
      json out = json::object();
      for (const auto& inner : field.shape->fields) {
        if (inner.required) out[std::string(inner.name)] = value_for(inner);
      }
      return out;
    }
    case Type::array:
      return json::array();
    case Type::map:
      return json::object();
    default:
      break;
  }
  if (!field.one_of.empty()) return std::string(field.one_of.front());
  if (field.format == Format::http_url) return "https://example.org/hook";
  if (field.format == Format::phone || field.format == Format::recipient) return "15550100002";
  if (field.format == Format::email) return "someone@example.org";
  if (field.format == Format::proxy) return "http://proxy.example.org:8080";
  return std::string(static_cast<size_t>(std::max<int64_t>(field.min, 8)), 'x');
}

std::string body_for(const Route& route) {
  if (!route.body) return "";
  json out = json::object();
  for (const auto& field : route.body->fields) {
    if (field.required || route.body->min_fields > 0) {
      out[std::string(field.name)] = value_for(field);
    }
  }
  return out.dump();
}

std::string path_for(const Route& route, const Bench::Tenant& tenant) {
  std::string path(route.pattern);
  const std::string kind = path.find("/sessions/") != std::string::npos        ? tenant.session
                           : path.find("/webhooks/") != std::string::npos      ? tenant.webhook
                           : path.find("/messages/") != std::string::npos      ? tenant.message
                           : path.find("/tokens/") != std::string::npos        ? tenant.token_id
                           : path.find("/organizations/") != std::string::npos ? tenant.org
                                                                               : "nothing";
  for (auto open = path.find('{'); open != std::string::npos; open = path.find('{')) {
    path.replace(open, path.find('}') - open + 1, kind);
  }
  return path;
}

TEST(SecurityHeaders, OnEveryRouteAndEveryStatus) {
  Table table("security headers");
  wab::test::LogWatcher log;
  log.expect_error("http.failed");
  std::map<int, size_t> classes;
  for (const auto& routes : all_routes()) {
    for (const auto& route : routes) {
      auto config = default_config();
      config.http.cors_origins = {"https://app.example.org"};
      Bench bench(config);
      const auto tenant = bench.tenant("A");
      const auto path = path_for(route, tenant);
      const std::string method(route.method), body = body_for(route);
      auto look = [&](const Answer& answer, const std::string& what) {
        ++classes[answer.status / 100];
        const auto fault = fault_in(answer);
        table.row(fault.empty(), method + " " + path + ", " + what + " (" +
                                     std::to_string(answer.status) + "): " + fault);
      };
      look(bench.call(method, path, "", ""), "without a token");
      look(bench.call(method, path, "{\"a\":1,\"a\":2}", tenant.owner), "with a broken body");
      look(bench.call(method, path + "?unknown=1", body, tenant.owner),
           "with an unknown parameter");
      look(bench.call(method, path + "/nothing", body, tenant.owner), "at an unknown address");
      look(bench.call("PUT", path, body, tenant.owner), "with another method");
      look(bench.call("OPTIONS", path, "", "",
                      {{"Origin", "https://elsewhere.example"},
                       {"Access-Control-Request-Method", method}}),
           "preflight of a stranger");
      look(bench.call(method, path, body, tenant.owner), "by the owner");
      look(bench.call(method, path, body, bench.operator_token()), "by the operator");
      bench.store.failure = Error(storage::StoreError::io, "secret place");
      look(bench.call(method, path, body, tenant.owner), "with a store that fails");
    }
  }
  EXPECT_GT(classes[2], 20u);
  EXPECT_GT(classes[4], 100u);
  EXPECT_GT(classes[5], 20u);
  for (const auto& row : problem_codes()) {
    Problem problem;
    problem.code = row.code;
    Request request;
    request.id = "test";
    auto answer = problem_answer(problem, request.id);
    dress(answer, request, default_config());
    table.row(answer.status == row.status && fault_in(answer).empty(),
              std::string(row.name) + ": " + fault_in(answer));
  }
}

Headers headers_of(const std::string& text, std::string& type) {
  Headers out;
  size_t at = text.find("\r\n") + 2;
  while (at < text.size()) {
    const auto end = text.find("\r\n", at);
    if (end == at || end == std::string::npos) break;
    const auto colon = text.find(": ", at);
    out.emplace_back(text.substr(at, colon - at), text.substr(colon + 2, end - colon - 2));
    if (lower(out.back().first) == "content-type") type = out.back().second;
    at = end + 2;
  }
  return out;
}

class OnTheWire : public Loopback {
 protected:
  static Patience patience() {
    Patience out;
    out.head = out.linger = std::chrono::milliseconds(40);
    return out;
  }
  OnTheWire() : Loopback(default_config(), patience()) {}
};

TEST_F(OnTheWire, SecurityHeadersOfWhatNeverBecameARequestAndOfStreams) {
  Table table("security headers on the wire");
  const std::string host = "Host: x\r\n";
  const std::string auth = "Authorization: Bearer " + tenant.owner + "\r\n";
  bench.sessions.show(*SessionId::parse(tenant.session), session::Status::working, std::nullopt);
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {"400 framing", "400", "GET / HTTP/1.1\r\n\r\n"},
      {"400 method", "400", "TRACE / HTTP/1.1\r\n" + host + "\r\n"},
      {"400 version", "400", "GET / HTTP/1.2\r\n" + host + "\r\n"},
      {"408", "408", "GET / HTTP/1.1\r\nHo"},
      {"413", "413", "POST /v1/login HTTP/1.1\r\n" + host + "Content-Length: 2000000\r\n\r\n"},
      {"414", "414", "GET /" + std::string(8192, 'a') + " HTTP/1.1\r\n" + host + "\r\n"},
      {"431", "431", "GET / HTTP/1.1\r\n" + host + "X: " + std::string(16384, 'a') + "\r\n\r\n"},
      {"HEAD", "405", "HEAD /v1/sessions HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n"},
      {"HTTP/1.0", "200", "GET /openapi.json HTTP/1.0\r\n\r\n"},
      {"server-sent events", "200",
       "GET /v1/sessions/" + tenant.session + "/qr/stream HTTP/1.1\r\n" + host + auth +
           "Accept: text/event-stream\r\nConnection: close\r\n\r\n"},
      {"WebSocket refused", "426",
       "GET /v1/events/stream HTTP/1.1\r\n" + host + auth + "Connection: close\r\n\r\n"},
      {"404", "404", "GET /nothing HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n"}};
  for (const auto& [what, status, request] : cases) {
    const auto text = raw(request);
    std::string type;
    const auto headers = headers_of(text, type);
    const auto fault = fault_in(headers, type);
    table.row(text.starts_with("HTTP/1.1 " + status) && fault.empty(),
              what + ": " + fault + " in " + text.substr(0, 100));
  }
}

}  // namespace
}  // namespace wab::bridge::test
