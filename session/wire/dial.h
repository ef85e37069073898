// From a name to a connected stream: look up, judge the addresses, connect, cross a proxy, TLS.
//
// A Dialer is owned by the bridge and shared by reference; dial() runs on the caller's shard, name
// lookup on the `lookup` pool.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "session/wire/tls_stream.h"
#include "storage/base/blocking.h"

namespace wab::wire {

struct Target {
  std::string host;  // DNS name or address literal (no brackets)
  uint16_t port = 0;
  bool tls = true;
  std::string server_name;  // to verify; empty: host
  // Already looked up: dialled as they are, in this order, after the judge was asked again.
  std::vector<boost::asio::ip::address> addresses;
};

// True for an address that may be dialled. When a judge is set and ANY answer of the lookup is not
// allowed, nothing is dialled (WireError::not_allowed), and the peer's address is judged again
// once connected.
using AddressJudge = std::function<bool(const boost::asio::ip::address&)>;

struct ProxyConfig {
  enum class Kind { http_connect, socks5 };
  Kind kind = Kind::http_connect;
  std::string host;
  uint16_t port = 0;
  std::string user;  // empty: no authentication
  std::string password;
};
// "http://user:secret@host:3128" or "socks5://host:1080".
Result<ProxyConfig> parse_proxy(std::string_view url);

struct DialRules {
  AddressJudge judge;  // empty: everything is allowed
  // The proxy's own address is judged by a judge of its own, if any. With a judge, the target is
  // looked up and judged here and the proxy is given the address; without one, the proxy gets the
  // name.
  std::optional<ProxyConfig> proxy;
  AddressJudge proxy_judge;       // for a proxy that is not the operator's
  std::optional<TlsContext> tls;  // empty: the dialer's
};

// When each step of a dial had ended; untouched for a step that was not reached or not needed.
struct DialTrace {
  std::chrono::steady_clock::time_point resolved{}, connected{}, secured{};
};

class Dialer {
 public:
  using Addresses = std::vector<boost::asio::ip::address>;
  // Blocking, on the pool. The default asks getaddrinfo.
  using Lookup = std::function<Addresses(const std::string& host)>;
  static constexpr std::chrono::milliseconds kLookupLimit{2000};
  static constexpr size_t kMaxAddresses = 16;

  Dialer(BlockingPool& lookup, TlsContext tls, Lookup how = {});

  // `trace` outlives the call.
  awaitable<Result<std::unique_ptr<ByteStream>>> dial(Target target, DialRules rules,
                                                      Deadline deadline,
                                                      DialTrace* trace = nullptr);
  // Never empty. Literals need no lookup. Judged by `judge` when it is set.
  awaitable<Result<Addresses>> resolve(std::string host, AddressJudge judge, Deadline deadline);

 private:
  awaitable<Result<std::unique_ptr<TcpStream>>> connect_any(Addresses addresses, uint16_t port,
                                                            AddressJudge judge, Deadline deadline);
  BlockingPool& lookup_;
  TlsContext tls_;
  Lookup how_;
};

}  // namespace wab::wire
