#include "bridge/google.h"

#include <openssl/sha.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "bridge/strict_json.h"

namespace wab::bridge {
namespace {

using nlohmann::json;
using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

constexpr size_t kMaxSpent = 100'000;
constexpr size_t kMaxCode = 2048, kMaxEndpoint = 512;

const char* name(int code) {
  switch (static_cast<GoogleError>(code)) {
    case GoogleError::unreachable:
      return "unreachable";
    case GoogleError::provider:
      return "provider";
    case GoogleError::state:
      return "state";
    case GoogleError::spent:
      return "spent";
    case GoogleError::denied:
      return "denied";
    case GoogleError::issuer:
      return "issuer";
    case GoogleError::code:
      return "code";
    case GoogleError::exchange:
      return "exchange";
  }
  return "unknown";
}

std::string form(const Fields& fields) {
  std::string out;
  for (const auto& [key, value] : fields) {
    out += (out.empty() ? "" : "&") + std::string(key) + "=" + percent_encode(value);
  }
  return out;
}

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// An absent list promises nothing and forbids nothing.
bool may_list(const json& object, const char* key, std::string_view value) {
  const auto found = object.find(key);
  if (found == object.end()) return true;
  return found->is_array() && std::find(found->begin(), found->end(), value) != found->end();
}

std::string discovery_of(std::string_view issuer) {
  if (issuer.ends_with('/')) issuer.remove_suffix(1);
  return std::string(issuer) + "/.well-known/openid-configuration";
}

std::string challenge_of(std::string_view verifier) {
  ByteArray<32> digest;
  SHA256(view(verifier).data(), verifier.size(), digest.data());
  return to_base64url(digest);
}

bool same(std::string_view a, std::string_view b) { return equal_constant_time(view(a), view(b)); }

}  // namespace

const ErrorDomain& error_domain(GoogleError) {
  static constexpr ErrorDomain domain{"google", name};
  return domain;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

Result<Provider> Provider::parse(std::string_view text, std::string_view issuer) {
  const auto document = parse_strict_json(text);
  if (!document || !document->is_object()) return fail(GoogleError::provider, "not JSON");
  if (text_at(*document, "issuer") != issuer) return fail(GoogleError::provider, "issuer");
  if (!may_list(*document, "id_token_signing_alg_values_supported", "RS256") ||
      !may_list(*document, "code_challenge_methods_supported", "S256") ||
      !may_list(*document, "response_types_supported", "code")) {
    return fail(GoogleError::provider, "methods");
  }
  Provider out;
  out.authorization_endpoint = text_at(*document, "authorization_endpoint");
  out.token_endpoint = text_at(*document, "token_endpoint");
  out.jwks_uri = text_at(*document, "jwks_uri");
  for (const auto* endpoint : {&out.authorization_endpoint, &out.token_endpoint, &out.jwks_uri}) {
    // It goes into a header, so only what may stand in one.
    const bool clean = std::all_of(endpoint->begin(), endpoint->end(),
                                   [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    if (!clean || !endpoint->starts_with("https://") || endpoint->size() > kMaxEndpoint ||
        endpoint->find('#') != std::string::npos) {
      return fail(GoogleError::provider, "endpoint");
    }
  }
  return out;
}

Google::Google(GoogleSettings settings, GoogleContext& context)
    : settings_(std::move(settings)),
      context_(context),
      provider_(
          "discovery", context.clock(),
          [this](WebAsk ask) { return context_.fetch(std::move(ask)); },
          [this](std::string_view text) { return Provider::parse(text, settings_.issuer); }),
      keys_(
          "keys", context.clock(), [this](WebAsk ask) { return context_.fetch(std::move(ask)); },
          KeySet::parse) {}

std::string Google::derive(std::string_view purpose, std::string_view cookie) const {
  return to_base64url(context_.keyed_hash("google " + std::string(purpose), cookie));
}

Result<Google::Started> Google::read_cookie(std::string_view cookie) const {
  const auto first = cookie.find('.');
  const auto second = first == std::string_view::npos ? first : cookie.find('.', first + 1);
  if (second == std::string_view::npos || cookie.size() > 128) {
    return fail(GoogleError::state, "cookie");
  }
  Started out;
  const auto seconds = cookie.substr(first + 1, second - first - 1);
  const auto [end, ec] = std::from_chars(seconds.data(), seconds.data() + seconds.size(), out.at);
  if (ec != std::errc() || end != seconds.data() + seconds.size()) {
    return fail(GoogleError::state, "cookie");
  }
  out.link_user = cookie.substr(second + 1);
  out.state = derive("state", cookie);
  out.nonce = derive("nonce", cookie);
  out.verifier = derive("verifier", cookie);
  return out;
}

awaitable<Result<std::shared_ptr<const Provider>>> Google::provider() {
  std::string url = discovery_of(settings_.issuer);
  auto found = co_await provider_.get(std::move(url));
  co_return found;
}

awaitable<Result<Google::Begun>> Google::begin(std::string link_user) {
  CO_TRY(const auto provider, co_await this->provider());
  Begun out;
  out.cookie = to_base64url(context_.random().array<32>()) + "." +
               std::to_string(context_.clock().now_s()) + "." + link_user;
  CO_TRY(const auto started, read_cookie(out.cookie));
  const auto challenge = challenge_of(started.verifier);
  Fields fields = {{"response_type", "code"},
                   {"client_id", settings_.client_id},
                   {"redirect_uri", settings_.redirect_uri},
                   {"scope", "openid email"},
                   {"state", started.state},
                   {"nonce", started.nonce},
                   {"code_challenge", challenge},
                   {"code_challenge_method", "S256"},
                   {"prompt", "select_account"}};
  // A hint for the choice of accounts; what counts is the token.
  if (settings_.domains.size() == 1) fields.emplace_back("hd", settings_.domains.front());
  const auto& endpoint = provider->authorization_endpoint;
  out.location = endpoint + (endpoint.find('?') == std::string::npos ? "?" : "&") + form(fields);
  co_return out;
}

Result<void> Google::accept_once(const Started& started, const Back& back) {
  if (!same(started.state, back.state)) return fail(GoogleError::state, "state");
  const auto now = context_.clock().now_s();
  if (now - started.at > kPatience.count() || started.at - now > kTokenSkew) {
    return fail(GoogleError::state, "too old");
  }
  const std::lock_guard lock(mutex_);
  while (!spent_until_.empty() &&
         (spent_until_.front().first < now || spent_until_.size() >= kMaxSpent)) {
    spent_.erase(spent_until_.front().second);
    spent_until_.pop_front();
  }
  if (!spent_.insert(back.state).second) return fail(GoogleError::spent, "state");
  spent_until_.emplace_back(now + kPatience.count() + 2 * kTokenSkew, back.state);
  return ok();
}

awaitable<Result<std::string>> Google::exchange(std::string endpoint, std::string code,
                                                std::string verifier) {
  WebAsk ask;
  ask.url = std::move(endpoint);
  ask.form = form({{"grant_type", "authorization_code"},
                   {"code", code},
                   {"redirect_uri", settings_.redirect_uri},
                   {"client_id", settings_.client_id},
                   {"client_secret", text(settings_.client_secret.reveal())},
                   {"code_verifier", verifier}});
  CO_TRY(const WebAnswer answer, co_await context_.fetch(std::move(ask)));
  if (answer.status >= 500) co_return fail(GoogleError::unreachable, "token endpoint");
  auto parsed = parse_strict_json(answer.body);
  const bool object = parsed && parsed->is_object();
  if (answer.status != 200 || !object) {
    log_warn("google.code_refused", {{"status", answer.status},
                                     {"error", object ? text_at(*parsed, "error") : "not JSON"}});
    co_return fail(GoogleError::exchange, "token endpoint");
  }
  auto token = text_at(*parsed, "id_token");
  if (token.empty()) co_return fail(GoogleError::exchange, "no id_token");
  co_return token;
}

awaitable<Result<Google::Proven>> Google::finish(Back back, std::string cookie) {
  CO_TRY(const Started started, read_cookie(cookie));
  CO_TRY_VOID(accept_once(started, back));
  if (!back.iss.empty() && back.iss != settings_.issuer) {
    co_return fail(GoogleError::issuer, "iss");
  }
  if (!back.error.empty()) co_return fail(GoogleError::denied, "error");
  if (back.code.empty() || back.code.size() > kMaxCode) co_return fail(GoogleError::code, "code");

  CO_TRY(const auto provider, co_await this->provider());
  std::string endpoint = provider->token_endpoint;
  std::string verifier = started.verifier;
  CO_TRY(const std::string token,
         co_await exchange(std::move(endpoint), std::move(back.code), std::move(verifier)));

  ExpectedToken expected;
  expected.issuer = settings_.issuer;
  expected.audience = settings_.client_id;
  expected.nonce = started.nonce;
  expected.domains = settings_.domains;
  std::string url = provider->jwks_uri, url_again = url;
  CO_TRY(auto keys, co_await keys_.get(std::move(url)));
  auto claims = verify_id_token(token, *keys, expected, context_.clock().now_s());
  if (!claims && claims.error().is(IdTokenError::unknown_key)) {
    CO_TRY(keys, co_await keys_.get(std::move(url_again), true));
    claims = verify_id_token(token, *keys, expected, context_.clock().now_s());
  }
  if (!claims) co_return fail(claims.error());
  Proven out;
  out.claims = std::move(*claims);
  out.link_user = started.link_user;
  co_return out;
}

}  // namespace wab::bridge
