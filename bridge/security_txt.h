// The file by which a finder of a vulnerability learns whom to tell (RFC 9116).
//
// Pure. Nothing of the request goes into it, so that no stranger can put words or hosts there.
#pragma once

#include <string>

#include "bridge/config.h"
#include "storage/base/clock.h"

namespace wab::bridge {

// Whom to tell: http.security_contact, else the mailbox that RFC 2142 gives every host, at the host
// of http.public_url, and at localhost while the service has no public address.
std::string security_contact(const Config& config);
// How long a copy of the file may be believed (section 2.5.5: less than a year).
inline constexpr std::chrono::hours kSecurityTxtLife{180 * 24};
// The whole file, CRLF after each line. Canonical only with http.public_url.
std::string security_txt(const Config& config, UnixMillis now);

}  // namespace wab::bridge
