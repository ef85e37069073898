// One-time codes: RFC 6238 with SHA-1, 30 s and 6 digits, as every authenticator app does them.
//
// Pure. One step to either side is taken, for clocks that are off and for slow fingers; whoever
// keeps the last step that was used takes each code once. Recovery codes are 120 random bits.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/clock.h"

namespace wab::bridge {

inline constexpr int64_t kTotpStepS = 30;
inline constexpr size_t kTotpSecret = 20, kRecoveryCodes = 10;

// Base32 of RFC 4648, upper case without padding: what the apps read.
std::string totp_secret_text(ByteView secret);
std::optional<Bytes> parse_totp_secret(std::string_view text);
std::string totp_code(ByteView secret, int64_t step);
// The step that the code is of: the one of `now`, or one beside it, but later than `last`.
std::optional<int64_t> match_totp(ByteView secret, std::string_view code, UnixSeconds now,
                                  int64_t last);
// "otpauth://totp/..." for the QR code of the apps.
std::string totp_uri(std::string_view secret_text, std::string_view email);

// "k3fq-7zt2-mm4a-x9wd-2qhc-vn5p". Written any way: blanks, hyphens and case do not matter.
std::string make_recovery_code(Random& random);
std::string folded_recovery_code(std::string_view code);

}  // namespace wab::bridge
