#include "session/wire/dial.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "session/wire/proxy.h"
#include "session/wire/socket_core.h"

// g++ 12 takes the frame of a coroutine for memory of the plain operator new.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace wab::wire {
namespace {

using boost::asio::ip::address;

Dialer::Addresses ask_getaddrinfo(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  Dialer::Addresses out;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return out;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    boost::asio::ip::tcp::endpoint endpoint;
    if (at->ai_addrlen > endpoint.capacity()) continue;
    std::copy_n(reinterpret_cast<const uint8_t*>(at->ai_addr), at->ai_addrlen,
                reinterpret_cast<uint8_t*>(endpoint.data()));
    endpoint.resize(at->ai_addrlen);
    out.push_back(endpoint.address());
  }
  freeaddrinfo(found);
  return out;
}

}  // namespace

Result<ProxyConfig> parse_proxy(std::string_view text) {
  const auto parsed = boost::urls::parse_uri({text.data(), text.size()});
  if (parsed.has_error()) return fail(WireError::proxy, "proxy url: malformed");
  const boost::urls::url_view& view = parsed.value();
  ProxyConfig proxy;
  const std::string_view scheme(view.scheme().data(), view.scheme().size());
  if (scheme == "http") {
    proxy.kind = ProxyConfig::Kind::http_connect;
  } else if (scheme == "socks5") {
    proxy.kind = ProxyConfig::Kind::socks5;
  } else {
    return fail(WireError::proxy, "proxy url: not http or socks5");
  }
  proxy.host = view.host_type() == boost::urls::host_type::ipv6
                   ? std::string(view.host_ipv6_address().to_string())
                   : view.host();
  const auto port = view.port();
  const std::string digits(port.data(), port.size());
  const unsigned long number = digits.empty() || digits.size() > 5 ? 0 : std::stoul(digits);
  proxy.port = static_cast<uint16_t>(number);
  if (proxy.host.empty() || number == 0 || number > 65535) {
    return fail(WireError::proxy, "proxy url: host and port are needed");
  }
  const auto path = view.encoded_path();
  if ((!path.empty() && path != "/") || view.has_query() || view.has_fragment()) {
    return fail(WireError::proxy, "proxy url: nothing may follow the port");
  }
  proxy.user = view.user();
  proxy.password = view.password();
  return proxy;
}

Dialer::Dialer(BlockingPool& lookup, TlsContext tls, Lookup how)
    : lookup_(lookup), tls_(std::move(tls)), how_(how ? std::move(how) : ask_getaddrinfo) {}

awaitable<Result<Dialer::Addresses>> Dialer::resolve(std::string host, AddressJudge judge,
                                                     Deadline deadline) {
  Addresses found;
  boost::system::error_code not_an_address;
  const address literal = boost::asio::ip::make_address(host, not_an_address);
  if (!not_an_address) {
    found.push_back(literal);
  } else {
    auto ask = [how = how_, host] { return how(host); };
    const Deadline limit = std::min(deadline, std::chrono::steady_clock::now() + kLookupLimit);
    Result<Addresses> answer = co_await lookup_.run(std::move(ask), limit);
    if (!answer) co_return fail(WireError::resolve, "lookup pool is full or too slow");
    found = std::move(*answer);
  }
  if (found.empty()) co_return fail(WireError::resolve, "no address");
  if (judge) {
    // Before the cut: one bad answer among a thousand spoils them all.
    for (const address& each : found) {
      if (!judge(each)) co_return fail(WireError::not_allowed, "address");
    }
  }
  if (found.size() > kMaxAddresses) found.resize(kMaxAddresses);
  co_return found;
}

awaitable<Result<std::unique_ptr<TcpStream>>> Dialer::connect_any(Addresses addresses,
                                                                  uint16_t port, AddressJudge judge,
                                                                  Deadline deadline) {
  Error last(WireError::refused, "no address to connect to");
  for (size_t i = 0; i < addresses.size(); ++i) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) co_return fail(WireError::timeout, "connect");
    // Every address gets its share of the time that is left, so that a silent first one leaves
    // some for the others.
    Deadline share = deadline;
    if (deadline != kNever && i + 1 < addresses.size()) {
      share = now + (deadline - now) / static_cast<int>(addresses.size() - i);
    }
    Endpoint to;
    to.address = addresses[i];
    to.port = port;
    auto stream = co_await tcp_connect(to, share);
    if (!stream) {
      last = stream.error();
      continue;
    }
    if (judge) {
      auto core = (*stream)->release();
      if (!judge(core->peer().address)) {
        core->close();
        co_return fail(WireError::not_allowed, "connected elsewhere");
      }
      co_return std::make_unique<TcpStream>(std::move(core));
    }
    co_return std::move(*stream);
  }
  co_return fail(last);
}

awaitable<Result<std::unique_ptr<ByteStream>>> Dialer::dial(Target target, DialRules rules,
                                                            Deadline deadline, DialTrace* trace) {
  DialTrace unused;
  DialTrace& times = trace != nullptr ? *trace : unused;
  Addresses addresses = std::move(target.addresses);
  if (addresses.empty() && (!rules.proxy || rules.judge)) {
    CO_TRY(addresses, co_await resolve(target.host, rules.judge, deadline));
    times.resolved = std::chrono::steady_clock::now();
  }
  if (rules.judge && !std::all_of(addresses.begin(), addresses.end(), rules.judge)) {
    co_return fail(WireError::not_allowed, "address");
  }
  std::unique_ptr<TcpStream> plain;
  if (rules.proxy) {
    CO_TRY(Addresses at, co_await resolve(rules.proxy->host, rules.proxy_judge, deadline));
    CO_TRY(plain,
           co_await connect_any(std::move(at), rules.proxy->port, rules.proxy_judge, deadline));
    std::string host = addresses.empty() ? target.host : addresses.front().to_string();
    CO_TRY_VOID(co_await open_tunnel(*plain, *rules.proxy, std::move(host), target.port, deadline));
  } else {
    CO_TRY(plain, co_await connect_any(std::move(addresses), target.port, rules.judge, deadline));
  }
  times.connected = std::chrono::steady_clock::now();
  if (!target.tls) co_return plain;
  TlsContext context = rules.tls ? *rules.tls : tls_;
  std::string name = target.server_name.empty() ? target.host : target.server_name;
  auto secured =
      co_await tls_connect(std::move(plain), std::move(context), std::move(name), deadline);
  if (secured) times.secured = std::chrono::steady_clock::now();
  co_return secured;
}

}  // namespace wab::wire
