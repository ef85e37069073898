#include "bridge/google_outside.h"

#include <fstream>
#include <iterator>

#include "bridge/outgoing.h"
#include "session/wire/http.h"
#include "session/wire/url.h"

namespace wab::bridge {
namespace {

using Steady = std::chrono::steady_clock;

constexpr size_t kMaxSecret = 1024;

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// The secret without the line end that editors add.
SecretBytes read_secret(std::string& text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  SecretBytes out(to_bytes(std::string_view(text).substr(0, end + 1)));
  wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  return out;
}

wire::HttpRequest request_of(const wire::Url& url, std::string form) {
  wire::HttpRequest out;
  out.target = url.target;
  out.headers.set("host", url.authority());
  out.headers.set("accept", "application/json");
  out.headers.set("connection", "close");
  if (!form.empty()) {
    out.method = "POST";
    out.headers.set("content-type", "application/x-www-form-urlencoded");
    out.body = to_bytes(form);
    wipe({reinterpret_cast<uint8_t*>(form.data()), form.size()});
  }
  return out;
}

}  // namespace

GoogleOutside::GoogleOutside(BlockingPool& lookup, wire::TlsContext trust, wire::AddressJudge judge,
                             storage::Store& store, storage::OrgScope deployment, Clock& clock,
                             Random& random)
    : dialer_(lookup, std::move(trust)),
      judge_(std::move(judge)),
      store_(store),
      deployment_(deployment),
      clock_(clock),
      random_(random) {}

ByteArray<32> GoogleOutside::keyed_hash(std::string_view purpose, std::string_view data) {
  return store_.keyed_hash(deployment_, purpose, view(data));
}

awaitable<Result<WebAnswer>> GoogleOutside::fetch(WebAsk ask) {
  CO_TRY(const wire::Url url, wire::parse_url(ask.url));
  if (url.scheme != "https") co_return fail(wire::WireError::not_allowed, "only https");
  const auto deadline = Steady::now() + kWhole;
  wire::Target target;
  target.host = url.host;
  target.port = url.port;
  wire::DialRules rules;
  rules.judge = judge_;
  CO_TRY(auto stream,
         co_await dialer_.dial(std::move(target), std::move(rules), Steady::now() + kConnect));
  wire::HttpRequest request = request_of(url, std::move(ask.form));
  const wire::HttpLimits limits = wire::response_limits();
  auto answer = co_await wire::exchange(*stream, std::move(request), limits, deadline);
  stream->close();
  if (!answer) co_return fail(answer.error());
  if (answer->truncated) co_return fail(wire::WireError::too_large, "answer");
  WebAnswer out;
  out.status = answer->response.status;
  out.cache_control = std::string(answer->response.headers.get("cache-control"));
  out.body = to_string(answer->response.body);
  co_return out;
}

tl::expected<GoogleSignIn, std::string> open_google(const Config& config, BlockingPool& lookup,
                                                    storage::Store& store,
                                                    storage::OrgScope deployment, Clock& clock,
                                                    Random& random) {
  GoogleSettings settings;
  settings.client_id = config.auth.google_client_id;
  settings.issuer = config.auth.google_issuer;
  settings.domains = config.auth.allowed_domains;
  std::string base = config.http.public_url;
  while (base.ends_with('/')) base.pop_back();
  settings.redirect_uri = base + "/v1/login/google/callback";

  auto secret = read_file(config.auth.google_client_secret_file);
  if (!secret || secret->size() > kMaxSecret) {
    return tl::unexpected<std::string>("auth.google_client_secret_file: cannot be read");
  }
  settings.client_secret = read_secret(*secret);
  if (settings.client_secret.empty()) {
    return tl::unexpected<std::string>("auth.google_client_secret_file: is empty");
  }
  std::string authorities;
  if (!config.auth.google_ca_file.empty()) {
    auto pem = read_file(config.auth.google_ca_file);
    if (!pem || pem->empty()) {
      return tl::unexpected<std::string>("auth.google_ca_file: cannot be read");
    }
    authorities = std::move(*pem);
  }
  auto trust = wire::TlsContext::client(authorities);
  if (!trust) {
    return tl::unexpected<std::string>("auth.google_ca_file: not a PEM file of certificates");
  }
  GoogleSignIn out;
  out.outside = std::make_unique<GoogleOutside>(lookup, std::move(*trust), judge_of(config), store,
                                                deployment, clock, random);
  out.google = std::make_unique<Google>(std::move(settings), *out.outside);
  return out;
}

}  // namespace wab::bridge
