#include "bridge/id_token.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "bridge/strict_json.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

constexpr size_t kMaxToken = 16 * 1024;
constexpr size_t kMaxSubject = 255;  // OpenID Connect Core 2
constexpr size_t kMaxEmail = 254;
constexpr int64_t kMaxTime = int64_t{1} << 53;

constexpr const char* kNames[] = {
    "unknown",      "too_large", "form",        "json",      "algorithm", "type",     "extension",
    "key_in_token", "no_key_id", "unknown_key", "signature", "issuer",    "audience", "party",
    "time",         "expired",   "early",       "nonce",     "subject",   "email",    "domain"};

const char* name(int code) {
  return kNames[code > 0 && code < static_cast<int>(std::size(kNames)) ? code : 0];
}

std::optional<std::string> text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

Result<json> read_part(std::string_view part) {
  const auto bytes = from_base64url(part);
  if (!bytes) return fail(IdTokenError::form, "base64url");
  auto parsed = parse_strict_json(text(*bytes));
  if (!parsed || !parsed->is_object()) return fail(IdTokenError::json, "part");
  return std::move(*parsed);
}

// Header, payload, signature as they stand.
Result<std::array<std::string_view, 3>> split(std::string_view token) {
  std::array<std::string_view, 3> out;
  for (size_t i = 0; i < 3; ++i) {
    const auto dot = token.find('.');
    if ((dot == std::string_view::npos) != (i == 2)) return fail(IdTokenError::form, "parts");
    out[i] = token.substr(0, dot);
    if (out[i].empty()) return fail(IdTokenError::form, "empty part");
    if (i < 2) token.remove_prefix(dot + 1);
  }
  return out;
}

// The key id of a header that asks for nothing beyond RS256.
Result<std::string> read_header(std::string_view part) {
  TRY(const json header, read_part(part));
  if (text_at(header, "alg") != "RS256") return fail(IdTokenError::algorithm, "alg");
  if (header.contains("typ") && text_at(header, "typ") != "JWT") {
    return fail(IdTokenError::type, "typ");
  }
  for (const char* key : {"crit", "b64", "zip", "enc"}) {
    if (header.contains(key)) return fail(IdTokenError::extension, "header");
  }
  for (const char* key : {"jwk", "jku", "x5c", "x5u"}) {
    if (header.contains(key)) return fail(IdTokenError::key_in_token, "header");
  }
  auto kid = text_at(header, "kid");
  if (!kid || kid->empty()) return fail(IdTokenError::no_key_id, "kid");
  return std::move(*kid);
}

// One audience, ours: we trust no other party to hold our tokens.
Result<void> check_audience(const json& claims, std::string_view ours) {
  const auto found = claims.find("aud");
  if (found == claims.end()) return fail(IdTokenError::audience, "aud missing");
  const json* one = &*found;
  if (found->is_array()) {
    if (found->size() != 1) return fail(IdTokenError::audience, "aud list");
    one = &found->front();
  }
  if (ours.empty() || !one->is_string() || one->get_ref<const std::string&>() != ours) {
    return fail(IdTokenError::audience, "aud");
  }
  if (claims.contains("azp") && text_at(claims, "azp") != ours) {
    return fail(IdTokenError::party, "azp");
  }
  return ok();
}

Result<int64_t> time_at(const json& claims, const char* key) {
  const auto found = claims.find(key);
  if (found == claims.end() || !found->is_number_integer()) return fail(IdTokenError::time, key);
  const bool huge =
      found->is_number_unsigned() && found->get<uint64_t>() > static_cast<uint64_t>(kMaxTime);
  const auto value = huge ? kMaxTime + 1 : found->get<int64_t>();
  if (value < 0 || value > kMaxTime) return fail(IdTokenError::time, key);
  return value;
}

Result<void> check_times(const json& claims, UnixSeconds now) {
  TRY(const int64_t expires, time_at(claims, "exp"));
  TRY(const int64_t issued, time_at(claims, "iat"));
  if (expires <= issued) return fail(IdTokenError::time, "exp before iat");
  if (expires <= now - kTokenSkew) return fail(IdTokenError::expired, "exp");
  if (issued > now + kTokenSkew) return fail(IdTokenError::early, "iat");
  if (claims.contains("nbf")) {
    TRY(const int64_t from, time_at(claims, "nbf"));
    if (from > now + kTokenSkew) return fail(IdTokenError::early, "nbf");
  }
  return ok();
}

Result<std::string> read_subject(const json& claims) {
  auto subject = text_at(claims, "sub");
  const auto printable = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
  if (!subject || subject->empty() || subject->size() > kMaxSubject ||
      !std::all_of(subject->begin(), subject->end(), printable)) {
    return fail(IdTokenError::subject, "sub");
  }
  return std::move(*subject);
}

Result<std::string> read_email(const json& claims) {
  auto email = text_at(claims, "email");
  const auto verified = claims.find("email_verified");
  if (verified == claims.end() || !verified->is_boolean() || !verified->get<bool>()) {
    return fail(IdTokenError::email, "email_verified");
  }
  if (!email || email->size() < 3 || email->size() > kMaxEmail ||
      std::count(email->begin(), email->end(), '@') != 1) {
    return fail(IdTokenError::email, "email");
  }
  return std::move(*email);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Domain names compare without ASCII case and in no other cunning way.
bool same_domain(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

Result<std::string> read_domain(const json& claims, std::span<const std::string> allowed) {
  if (claims.contains("hd") && !claims["hd"].is_string()) return fail(IdTokenError::domain, "hd");
  auto domain = text_at(claims, "hd").value_or(std::string());
  if (allowed.empty()) return domain;
  for (const auto& one : allowed) {
    if (!domain.empty() && same_domain(one, domain)) return domain;
  }
  return fail(IdTokenError::domain, "hd");
}

}  // namespace

const ErrorDomain& error_domain(IdTokenError) {
  static constexpr ErrorDomain domain{"id_token", name};
  return domain;
}

Result<IdClaims> verify_id_token(std::string_view token, const KeySet& keys,
                                 const ExpectedToken& expected, UnixSeconds now) {
  if (token.size() > kMaxToken) return fail(IdTokenError::too_large, "token");
  TRY(const auto parts, split(token));
  TRY(const std::string kid, read_header(parts[0]));
  const auto signature = from_base64url(parts[2]);
  if (!signature) return fail(IdTokenError::form, "signature");
  const RsaKey* key = keys.find(kid);
  if (key == nullptr) return fail(IdTokenError::unknown_key, "kid");
  const auto signed_part = token.substr(0, parts[0].size() + 1 + parts[1].size());
  if (!key->verifies(signed_part, *signature)) return fail(IdTokenError::signature, "rs256");

  TRY(const json claims, read_part(parts[1]));
  IdClaims out;
  auto issuer = text_at(claims, "iss");
  if (!issuer || expected.issuer.empty() || *issuer != expected.issuer) {
    return fail(IdTokenError::issuer, "iss");
  }
  out.issuer = std::move(*issuer);
  TRY_VOID(check_audience(claims, expected.audience));
  TRY_VOID(check_times(claims, now));
  const auto nonce = text_at(claims, "nonce");
  if (!nonce || expected.nonce.empty() ||
      !equal_constant_time(view(*nonce), view(expected.nonce))) {
    return fail(IdTokenError::nonce, "nonce");
  }
  TRY(out.subject, read_subject(claims));
  TRY(out.email, read_email(claims));
  TRY(out.domain, read_domain(claims, expected.domains));
  return out;
}

}  // namespace wab::bridge
