#include "bridge/problem.h"

#include <nlohmann/json.hpp>

#include "session/session.h"
#include "storage/store.h"

namespace wab::bridge {
namespace {

const CodeRow kRows[] = {
    {Code::bad_request, "bad_request", 400, "The request is not well-formed HTTP"},
    {Code::invalid_body, "invalid_body", 400, "The body is not what this call takes"},
    {Code::invalid_query, "invalid_query", 400, "A query parameter is not valid"},
    {Code::invalid_cursor, "invalid_cursor", 400, "The cursor is not one of this list"},
    {Code::cursor_expired, "cursor_expired", 410,
     "Events after this cursor are gone: go on with oldest_cursor"},
    {Code::unsupported_media_type, "unsupported_media_type", 415, "Send application/json"},
    {Code::not_acceptable, "not_acceptable", 406, "None of the accepted media types is offered"},
    {Code::body_too_large, "body_too_large", 413, "The body is larger than allowed"},
    {Code::headers_too_large, "headers_too_large", 431, "The headers are larger than allowed"},
    {Code::target_too_long, "target_too_long", 414, "The address is longer than allowed"},
    {Code::request_timeout, "request_timeout", 408, "The request did not arrive in time"},
    {Code::unauthenticated, "unauthenticated", 401, "A valid token is needed"},
    {Code::bad_credentials, "bad_credentials", 401, "E-mail or password is wrong"},
    {Code::code_required, "code_required", 401, "The code of the second factor is needed too"},
    {Code::code_refused, "code_refused", 401, "The code is wrong or was used before"},
    {Code::forbidden, "forbidden", 403, "This token may not do that"},
    {Code::cross_site, "cross_site", 403, "The request came from another site"},
    {Code::origin_refused, "origin_refused", 403, "This origin may not call the API"},
    {Code::not_invited, "not_invited", 403, "No user of this service has this Google account"},
    {Code::signin_refused, "signin_refused", 403, "The sign-in did not succeed: begin it again"},
    {Code::signin_unreachable, "signin_unreachable", 503,
     "The identity provider does not answer now"},
    {Code::plain_http, "plain_http", 403, "Use https"},
    {Code::not_found, "not_found", 404, "There is no such thing here"},
    {Code::method_not_allowed, "method_not_allowed", 405, "This address has other methods"},
    {Code::upgrade_required, "upgrade_required", 426, "This address speaks WebSocket"},
    {Code::conflict, "conflict", 409, "The state does not allow this"},
    {Code::limit_reached, "limit_reached", 409, "The organization has as many as it may have"},
    {Code::in_flight, "idempotency_in_flight", 409,
     "The first request with this Idempotency-Key is still running"},
    {Code::key_reused, "idempotency_key_reused", 422,
     "This Idempotency-Key was used with another request"},
    {Code::not_pairing, "not_pairing", 409, "The session shows no code now"},
    {Code::not_working, "not_working", 409, "The session is not connected"},
    {Code::already_paired, "already_paired", 409, "The session is already linked to a phone"},
    {Code::code_outstanding, "code_outstanding", 409, "A pairing code is already on its way"},
    {Code::pairing_refused, "pairing_refused", 422, "WhatsApp refused to pair this number"},
    {Code::bad_phone, "bad_phone", 422, "This is not a phone number WhatsApp accepts"},
    {Code::bad_recipient, "bad_recipient", 422, "The recipient is not on WhatsApp"},
    {Code::bad_content, "bad_content", 422, "This content cannot be sent"},
    {Code::whatsapp_refused, "whatsapp_refused", 502, "WhatsApp answered with an error"},
    {Code::whatsapp_timeout, "whatsapp_timeout", 504, "WhatsApp did not answer in time"},
    {Code::outbox_full, "outbox_full", 503, "Too many events wait for delivery"},
    {Code::rate_limited, "rate_limited", 429, "Too many requests"},
    {Code::weak_password, "weak_password", 422, "Choose another password"},
    {Code::last_owner, "last_owner", 409, "Nobody else could manage this any more"},
    {Code::invitation_refused, "invitation_refused", 403,
     "The invitation is not valid: it was used, has expired or was taken back"},
    {Code::reset_refused, "reset_refused", 403,
     "The link is not valid: it was used, has expired or was replaced"},
    {Code::second_factor_required, "second_factor_required", 403,
     "Turn a second factor on first: POST /v1/me/totp"},
    {Code::setup_required, "setup_required", 503, "No operator exists yet: use POST /v1/setup"},
    {Code::setup_done, "setup_done", 409, "An operator exists already"},
    {Code::quarantined, "quarantined", 409, "A stored record did not open: see the log"},
    {Code::overloaded, "overloaded", 503, "The service is busy"},
    {Code::stopping, "stopping", 503, "The service is stopping"},
    {Code::internal, "internal", 500, "Something went wrong here"},
};

// What each error of the rooms below means to a caller.
template <class E>
struct Meaning {
  E error;
  Code code;
};
using session::SessionError;
using storage::StoreError;
constexpr Meaning<SessionError> kSession[] = {
    {SessionError::not_pairing, Code::not_pairing},
    {SessionError::not_working, Code::not_working},
    {SessionError::already_paired, Code::already_paired},
    {SessionError::bad_phone, Code::bad_phone},
    {SessionError::pairing_refused, Code::pairing_refused},
    {SessionError::code_outstanding, Code::code_outstanding},
    {SessionError::bad_recipient, Code::bad_recipient},
    {SessionError::bad_content, Code::bad_content},
    {SessionError::not_found, Code::not_found},
    {SessionError::stopped, Code::not_working},
    {SessionError::timeout, Code::whatsapp_timeout},
    {SessionError::disconnected, Code::not_working},
    {SessionError::protocol, Code::whatsapp_refused},
    {SessionError::refused, Code::whatsapp_refused},
    {SessionError::outbox_full, Code::outbox_full},
};
constexpr Meaning<StoreError> kStore[] = {
    {StoreError::fenced, Code::overloaded},
    {StoreError::quarantined, Code::quarantined},
    {StoreError::busy, Code::overloaded},
    {StoreError::not_found, Code::not_found},
};

constexpr std::pair<std::string_view, std::string_view> kHeaders[] = {
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy",
     "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
    {"Strict-Transport-Security", "max-age=63072000; includeSubDomains"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Permissions-Policy",
     "accelerometer=(), ambient-light-sensor=(), autoplay=(), battery=(), bluetooth=(), camera=(), "
     "clipboard-read=(), clipboard-write=(), display-capture=(), encrypted-media=(), "
     "fullscreen=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), "
     "interest-cohort=(), magnetometer=(), microphone=(), midi=(), payment=(), "
     "picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), "
     "sync-xhr=(), usb=(), web-share=(), xr-spatial-tracking=()"},
    {"X-Permitted-Cross-Domain-Policies", "none"},
    {"X-Robots-Tag", "noindex, nofollow"},
};

}  // namespace

std::span<const CodeRow> problem_codes() { return kRows; }

const CodeRow& row_of(Code code) {
  for (const auto& row : kRows) {
    if (row.code == code) return row;
  }
  return kRows[std::size(kRows) - 1];
}

Problem problem_of(const Error& error) {
  for (const auto& row : kSession) {
    if (error.is(row.error)) return {row.code, {}};
  }
  for (const auto& row : kStore) {
    if (error.is(row.error)) return {row.code, {}};
  }
  return {Code::internal, {}};
}

std::string problem_json(const Problem& problem, std::string_view request_id) {
  const auto& row = row_of(problem.code);
  nlohmann::json out = {{"type", "about:blank"},
                        {"title", row.title},
                        {"status", row.status},
                        {"code", row.name},
                        {"instance", "urn:request:" + std::string(request_id)}};
  if (!problem.detail.empty()) out["detail"] = problem.detail;
  for (const auto& [name, value] : problem.also) out[std::string(name)] = value;
  if (!problem.errors.empty()) {
    auto& errors = out["errors"] = nlohmann::json::array();
    for (const auto& error : problem.errors) {
      errors.push_back({{"pointer", error.pointer}, {"message", error.message}});
    }
  }
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::span<const std::pair<std::string_view, std::string_view>> security_headers() {
  return kHeaders;
}

}  // namespace wab::bridge
