// The two ways through a proxy: HTTP CONNECT (RFC 9110 section 9.3.6) and SOCKS5 (RFC 1928, 1929).
#pragma once

#include "session/wire/dial.h"

namespace wab::wire {

// Asks the proxy behind `stream` for a tunnel to host:port (a DNS name or an address literal).
// WireError::proxy when it refuses or speaks nonsense. Reads no byte beyond the proxy's answer.
awaitable<Result<void>> open_tunnel(ByteStream& stream, ProxyConfig proxy, std::string host,
                                    uint16_t port, Deadline deadline);

}  // namespace wab::wire
