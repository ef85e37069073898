#include "session/wire/url.h"

#include <boost/asio/ip/address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace wab::wire {
namespace {

constexpr size_t kMaxUrl = 8 * 1024;

uint16_t default_port(std::string_view scheme) {
  if (scheme == "https" || scheme == "wss") return 443;
  if (scheme == "http" || scheme == "ws") return 80;
  return 0;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Letters, digits, dash, underscore and dots between labels of 1 to 63 characters.
bool is_dns_name(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  size_t label = 0;
  for (const char c : host) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    const bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!fine || ++label > 63) return false;
  }
  return label > 0;
}

// "0x7f.1", "2130706433" and "127.1" are addresses to some resolvers: a name whose last label is a
// number is no name (WHATWG URL, section "host parsing").
bool ends_in_number(std::string_view host) {
  const size_t dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (last.starts_with("0x")) return true;
  return last.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

bool Url::host_is_address() const {
  boost::system::error_code error;
  boost::asio::ip::make_address(host, error);
  return !error;
}

std::string Url::authority() const {
  std::string out = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  if (port != default_port(scheme)) out += ":" + std::to_string(port);
  return out;
}

std::string Url::text() const { return scheme + "://" + authority() + target; }

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kMaxUrl) return fail(WireError::http, "url: too long");
  const auto parsed = boost::urls::parse_uri({text.data(), text.size()});
  if (parsed.has_error()) return fail(WireError::http, "url: malformed");
  const boost::urls::url_view& view = parsed.value();
  Url url;
  url.scheme = lower({view.scheme().data(), view.scheme().size()});
  if (default_port(url.scheme) == 0) {
    return fail(WireError::http, "url: not http, https, ws or wss");
  }
  if (!view.has_authority()) return fail(WireError::http, "url: no host");
  if (view.has_userinfo()) return fail(WireError::http, "url: user information");
  if (view.has_fragment()) return fail(WireError::http, "url: fragment");

  boost::system::error_code error;
  switch (view.host_type()) {
    case boost::urls::host_type::ipv4: {
      const auto address = view.host_ipv4_address();
      url.host = std::string(address.to_string());
      break;
    }
    case boost::urls::host_type::ipv6: {
      // Written the one canonical way.
      const auto literal = std::string(view.host_ipv6_address().to_string());
      url.host = boost::asio::ip::make_address_v6(literal, error).to_string();
      if (error) return fail(WireError::http, "url: host");
      break;
    }
    case boost::urls::host_type::name: {
      const auto encoded = view.encoded_host();
      url.host = lower({encoded.data(), encoded.size()});
      if (url.host.ends_with('.')) url.host.pop_back();
      if (!is_dns_name(url.host) || ends_in_number(url.host)) {
        return fail(WireError::http, "url: host");
      }
      break;
    }
    default:
      return fail(WireError::http, "url: host");
  }

  url.port = default_port(url.scheme);
  if (view.has_port()) {
    // Not port_number(), which wraps around.
    const auto port = view.port();
    const std::string digits(port.data(), port.size());
    if (digits.empty() || digits.size() > 5 || std::stoul(digits) > 65535 ||
        std::stoul(digits) == 0) {
      return fail(WireError::http, "url: port");
    }
    url.port = static_cast<uint16_t>(std::stoul(digits));
  }
  const auto path = view.encoded_path();
  // "https://1.2.3.4.5/" is the host 1.2.3.4 and the path ".5/" to Boost.URL.
  if (!path.empty() && path.front() != '/') return fail(WireError::http, "url: path");
  url.target = path.empty() ? "/" : std::string(path.data(), path.size());
  if (view.has_query()) {
    const auto query = view.encoded_query();
    url.target += "?" + std::string(query.data(), query.size());
  }
  return url;
}

}  // namespace wab::wire
