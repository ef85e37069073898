#include "session/wire/proxy.h"

#include <algorithm>
#include <array>

#include "session/wire/http_parse.h"

namespace wab::wire {
namespace {

using boost::asio::ip::address;

constexpr size_t kMaxAnswer = 8 * 1024;

awaitable<Result<void>> read_exactly(ByteStream& stream, MutableBytes into, Deadline deadline) {
  while (!into.empty()) {
    CO_TRY(const size_t size, co_await stream.read_some(into, deadline));
    if (size == 0) co_return fail(WireError::proxy, "the proxy closed the connection");
    into = into.subspan(size);
  }
  co_return ok();
}

std::string bracketed(const std::string& host) {
  return host.find(':') != std::string::npos ? "[" + host + "]" : host;
}

awaitable<Result<void>> http_connect(ByteStream& stream, ProxyConfig proxy, std::string host,
                                     uint16_t port, Deadline deadline) {
  const std::string authority = bracketed(host) + ":" + std::to_string(port);
  std::string request = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
  if (!proxy.user.empty()) {
    const std::string credentials = proxy.user + ":" + proxy.password;
    request += "Proxy-Authorization: Basic " + to_base64(view(credentials)) + "\r\n";
  }
  request += "\r\n";
  CO_TRY_VOID(co_await stream.write(view(request), deadline));

  // One byte at a time, as what follows the empty line belongs to the tunnel. A few hundred reads
  // once per connection.
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    std::array<uint8_t, 1> byte;
    CO_TRY_VOID(co_await read_exactly(stream, byte, deadline));
    head.push_back(static_cast<char>(byte[0]));
    if (head.size() > kMaxAnswer) co_return fail(WireError::proxy, "endless answer to CONNECT");
  }
  const HttpLimits limits;
  HttpParser parser(HttpParser::Kind::response_without_body, limits);
  const Result<size_t> used = parser.feed(view(head));
  if (!used || !parser.head_done()) co_return fail(WireError::proxy, "malformed answer to CONNECT");
  const int status = parser.response().status;
  if (status == 407) co_return fail(WireError::proxy, "the proxy wants other credentials");
  if (status < 200 || status > 299) co_return fail(WireError::proxy, "CONNECT refused");
  co_return ok();
}

Result<Bytes> socks_request(const std::string& host, uint16_t port) {
  Bytes out{5, 1, 0};  // version, CONNECT, reserved
  boost::system::error_code not_an_address;
  const address literal = boost::asio::ip::make_address(host, not_an_address);
  if (not_an_address) {
    if (host.empty() || host.size() > 255) return fail(WireError::proxy, "host name");
    out.push_back(3);
    out.push_back(static_cast<uint8_t>(host.size()));
    append(out, view(host));
  } else if (literal.is_v4()) {
    out.push_back(1);
    append(out, literal.to_v4().to_bytes());
  } else {
    out.push_back(4);
    append(out, literal.to_v6().to_bytes());
  }
  put_be16(out, port);
  return out;
}

awaitable<Result<void>> socks_login(ByteStream& stream, const ProxyConfig& proxy,
                                    Deadline deadline) {
  if (proxy.user.size() > 255 || proxy.password.size() > 255) {
    co_return fail(WireError::proxy, "credentials are too long for SOCKS5");
  }
  Bytes login{1, static_cast<uint8_t>(proxy.user.size())};
  append(login, view(proxy.user));
  login.push_back(static_cast<uint8_t>(proxy.password.size()));
  append(login, view(proxy.password));
  CO_TRY_VOID(co_await stream.write(login, deadline));
  std::array<uint8_t, 2> verdict;
  CO_TRY_VOID(co_await read_exactly(stream, verdict, deadline));
  if (verdict[1] != 0) co_return fail(WireError::proxy, "the proxy wants other credentials");
  co_return ok();
}

awaitable<Result<void>> socks5(ByteStream& stream, ProxyConfig proxy, std::string host,
                               uint16_t port, Deadline deadline) {
  CO_TRY(const Bytes request, socks_request(host, port));
  const bool with_login = !proxy.user.empty();
  Bytes hello{5, 1, static_cast<uint8_t>(with_login ? 2 : 0)};
  CO_TRY_VOID(co_await stream.write(hello, deadline));
  std::array<uint8_t, 2> method;
  CO_TRY_VOID(co_await read_exactly(stream, method, deadline));
  if (method[0] != 5 || method[1] != hello[2]) {
    co_return fail(WireError::proxy, "no common SOCKS5 login method");
  }
  if (with_login) CO_TRY_VOID(co_await socks_login(stream, proxy, deadline));

  CO_TRY_VOID(co_await stream.write(request, deadline));
  std::array<uint8_t, 4> answer;
  CO_TRY_VOID(co_await read_exactly(stream, answer, deadline));
  if (answer[0] != 5) co_return fail(WireError::proxy, "not SOCKS5");
  if (answer[1] != 0) co_return fail(WireError::proxy, "SOCKS5 connection refused");
  // The address it bound; of no use to us, but it must be read.
  size_t rest = 2;
  if (answer[3] == 1) {
    rest += 4;
  } else if (answer[3] == 4) {
    rest += 16;
  } else if (answer[3] == 3) {
    std::array<uint8_t, 1> size;
    CO_TRY_VOID(co_await read_exactly(stream, size, deadline));
    rest += size[0];
  } else {
    co_return fail(WireError::proxy, "SOCKS5 address type");
  }
  Bytes skipped(rest);
  CO_TRY_VOID(co_await read_exactly(stream, skipped, deadline));
  co_return ok();
}

}  // namespace

awaitable<Result<void>> open_tunnel(ByteStream& stream, ProxyConfig proxy, std::string host,
                                    uint16_t port, Deadline deadline) {
  if (proxy.kind == ProxyConfig::Kind::socks5) {
    co_return co_await socks5(stream, std::move(proxy), std::move(host), port, deadline);
  }
  co_return co_await http_connect(stream, std::move(proxy), std::move(host), port, deadline);
}

}  // namespace wab::wire
