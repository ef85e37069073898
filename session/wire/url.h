// http, https, ws and wss URLs, strictly: no userinfo, no fragment, a host, a sane port.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "session/wire/stream.h"

namespace wab::wire {

struct Url {
  std::string scheme;  // "https", lower case
  std::string host;    // lower case, no brackets; an IDN must come in its ASCII form
  uint16_t port = 0;   // the scheme's when not given
  std::string target;  // "/path?query", never empty

  bool tls() const { return scheme == "https" || scheme == "wss"; }
  bool host_is_address() const;
  // For the Host field: brackets around IPv6, the port when it is not the scheme's.
  std::string authority() const;
  std::string text() const;
};

// WireError::http and why.
Result<Url> parse_url(std::string_view text);

}  // namespace wab::wire
