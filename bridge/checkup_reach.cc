#include "bridge/checkup.h"
#include "session/wire/http.h"
#include "session/wire/url.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;
using wire::WireError;
using Grade = Finding::Grade;

constexpr auto kPatience = 10s;

Finding cannot(const Error& error, const wire::Url& url, bool proxied) {
  const std::string at = url.host + ":" + std::to_string(url.port);
  if (error.is(WireError::resolve)) {
    return {Grade::fail, "reach", url.host + " has no address here",
            "Check the name server of this machine (/etc/resolv.conf)."};
  }
  if (error.is(WireError::tls_certificate)) {
    return {Grade::fail, "reach_certificate",
            "the certificate of " + at + " does not verify: " + error.where(),
            "Something between here and WhatsApp answers in its place, or ca-certificates is old; "
            "for a sandbox set whatsapp.ca_file."};
  }
  if (error.is(WireError::tls)) {
    return {Grade::fail, "reach_certificate", at + " does not speak TLS with us",
            "Check whatsapp.url, and what stands in between."};
  }
  if (error.is(WireError::proxy)) {
    return {Grade::fail, "reach", "the proxy of whatsapp.proxy does not connect to " + at,
            "Check the proxy, its name and password, and what it allows."};
  }
  return {Grade::fail, "reach",
          "no connection to " + at +
              (error.is(WireError::timeout) ? " within 10 s" : ": " + std::string(error.name())),
          proxied ? "Check the proxy of whatsapp.proxy."
                  : "Let outgoing TCP connections to this port pass the firewall."};
}

}  // namespace

awaitable<Findings> check_reach(wire::Dialer& dialer, const Config& config, UnixSeconds now) {
  Findings out;
  const auto url = wire::parse_url(config.whatsapp.url);
  if (!url) {
    out.push_back({Grade::fail, "reach", "whatsapp.url is not a URL", "Write wss://HOST/PATH."});
    co_return out;
  }
  wire::Target target;
  target.host = url->host;
  target.port = url->port;
  target.tls = url->tls();
  wire::DialRules rules;
  if (!config.whatsapp.proxy.empty()) {
    auto proxy = wire::parse_proxy(config.whatsapp.proxy);
    if (!proxy) {
      out.push_back({Grade::fail, "reach", "whatsapp.proxy is not a proxy's address",
                     "Write http://HOST:PORT or socks5://HOST:PORT."});
      co_return out;
    }
    rules.proxy = std::move(*proxy);
  }
  const bool proxied = rules.proxy.has_value();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  auto stream = co_await dialer.dial(std::move(target), std::move(rules), deadline);
  if (!stream) {
    out.push_back(cannot(stream.error(), *url, proxied));
    co_return out;
  }
  out.push_back({Grade::ok, "reach",
                 url->host + ":" + std::to_string(url->port) + " answers" +
                     (proxied ? " through the proxy" : ""),
                 ""});
  if (url->tls()) {
    out.push_back({Grade::ok, "reach_certificate", "of " + url->host + " verifies", ""});
  } else {
    out.push_back({Grade::warn, "reach_certificate", "whatsapp.url has no TLS",
                   "Use wss:// for everything but a sandbox on this machine."});
  }
  wire::HttpRequest request;
  request.target = "/";
  request.headers.set("host", url->authority());
  request.headers.set("connection", "close");
  wire::HttpLimits limits = wire::response_limits();
  auto answer = co_await wire::exchange(**stream, std::move(request), limits, deadline);
  const auto date = answer ? parse_http_date(answer->response.headers.get("date")) : std::nullopt;
  if (date) {
    out.push_back(judge_clock(now, *date));
  } else {
    out.push_back({Grade::warn, "clock", "WhatsApp's side did not tell its time",
                   "Compare the clock of this machine with another one."});
  }
  co_return out;
}

}  // namespace wab::bridge
