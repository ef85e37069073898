// What browsers need and what they must not do: cookies, cross-site requests, CORS.
//
// Pure. A request that proves itself by a cookie must come from our own pages: Sec-Fetch-Site says
// so in every current browser, and Origin where that is missing. CORS is off unless origins are
// configured, matches exactly and never allows credentials.
#pragma once

#include <optional>

#include "bridge/auth.h"
#include "bridge/config.h"
#include "bridge/request.h"

namespace wab::bridge {

// The value of our cookie, "" without one (or with two: somebody is playing).
std::string cookie_of(const Request& request, std::string_view name = kCookie);
// Set-Cookie with this value; "" takes the cookie away.
std::string set_cookie(const std::string& value);
// The reason to refuse a request that is proven by a cookie, or that asks for one.
std::optional<Problem> cross_site(const Request& request, const Config& config);

// The answer to a preflight of an allowed origin; nothing when this is no such request.
std::optional<Answer> preflight_answer(const Request& request, const Config& config);
void add_cors(Answer& answer, const Request& request, const Config& config);

}  // namespace wab::bridge
