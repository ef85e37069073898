// Answers of error: RFC 9457 problem documents with codes that never change their meaning.
//
// Pure. One row of problem_codes() per code; a handler answers with Problem and the exchange prints
// it. What the row says is all that a stranger learns: no inner text, no path, no version.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "bridge/shape.h"
#include "storage/base/result.h"

namespace wab::bridge {

enum class Code : uint8_t {
  bad_request,
  invalid_body,
  invalid_query,
  invalid_cursor,
  cursor_expired,
  unsupported_media_type,
  not_acceptable,
  body_too_large,
  headers_too_large,
  target_too_long,
  request_timeout,
  unauthenticated,
  bad_credentials,
  code_required,
  code_refused,
  forbidden,
  cross_site,
  origin_refused,
  not_invited,
  signin_refused,
  signin_unreachable,
  plain_http,
  not_found,
  method_not_allowed,
  upgrade_required,
  conflict,
  limit_reached,
  in_flight,
  key_reused,
  not_pairing,
  not_working,
  already_paired,
  code_outstanding,
  pairing_refused,
  bad_phone,
  bad_recipient,
  bad_content,
  whatsapp_refused,
  whatsapp_timeout,
  outbox_full,
  rate_limited,
  weak_password,
  last_owner,
  invitation_refused,
  reset_refused,
  second_factor_required,
  setup_required,
  setup_done,
  quarantined,
  overloaded,
  stopping,
  internal,
};

struct CodeRow {
  Code code;
  std::string_view name;  // "not_found"
  int status;
  std::string_view title;
};
std::span<const CodeRow> problem_codes();
const CodeRow& row_of(Code code);

struct Problem {
  Code code = Code::internal;
  std::string detail;  // what to do about it; may be empty
  std::vector<FieldError> errors = {};
  int retry_after = 0;  // seconds; 0 leaves the header out
  // Members beyond RFC 9457's, as text.
  std::vector<std::pair<std::string_view, std::string>> also = {};
};

// A handler's value, or the problem to answer with.
template <class T>
using Outcome = tl::expected<T, Problem>;
inline tl::unexpected<Problem> refuse(Code code, std::string detail = {}) {
  return tl::unexpected<Problem>(Problem{code, std::move(detail)});
}
inline tl::unexpected<Problem> refuse(Problem problem) {
  return tl::unexpected<Problem>(std::move(problem));
}
// Storage and session errors to their codes; whatever has none is `internal`.
Problem problem_of(const Error& error);

// The document; `request_id` goes into "instance".
std::string problem_json(const Problem& problem, std::string_view request_id);

// Headers of every answer of the API (design 5.1), without Content-Type and X-Request-Id.
std::span<const std::pair<std::string_view, std::string_view>> security_headers();

}  // namespace wab::bridge
