#include "session/wire/http_message.h"

#include <algorithm>
#include <array>

namespace wab::wire {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_folded(ByteView raw) {
  const std::string_view head = text(raw);
  return head.find("\n ") != std::string_view::npos || head.find("\n\t") != std::string_view::npos;
}

// "example.org", "192.0.2.1:8080", "[2001:db8::1]:443".
bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 300) return false;
  const bool literal = host.front() == '[';
  for (const char c : host) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '-' || c == '_' || c == ':' ||
                      (literal && (c == '[' || c == ']'));
    if (!fine) return false;
  }
  if (literal) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos) return false;
    const std::string_view rest = host.substr(end + 1);
    return rest.empty() || (rest.front() == ':' && all_digits(rest.substr(1)));
  }
  const size_t colon = host.find(':');
  if (colon == 0) return false;
  return colon == std::string_view::npos || all_digits(host.substr(colon + 1));
}

bool is_method(std::string_view method) {
  constexpr std::array<std::string_view, 7> kOurs = {"GET",   "HEAD",   "POST",   "PUT",
                                                     "PATCH", "DELETE", "OPTIONS"};
  return std::find(kOurs.begin(), kOurs.end(), method) != kOurs.end();
}

// The host of an absolute form, or nothing for an origin form.
std::optional<std::string_view> host_of_target(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    return target.substr(0, target.find_first_of("/?"));
  }
  return std::nullopt;
}

bool is_target(const HttpRequest& head) {
  for (const char c : head.target) {
    // Space and control characters never get here, but nothing is lost by saying so.
    if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\') return false;
  }
  if (head.target.starts_with('/')) return true;
  const auto host = host_of_target(head.target);
  return host && equal_ignoring_case(*host, head.headers.get("host"));
}

template <class Head>
std::optional<FramingFault> body_framing_fault(ByteView raw, const Head& head) {
  if (is_folded(raw)) return FramingFault::folded_field;
  const size_t encodings = head.headers.count("transfer-encoding");
  const size_t lengths = head.headers.count("content-length");
  if (encodings > 0) {
    if (encodings > 1 || head.version != 11 ||
        !equal_ignoring_case(head.headers.get("transfer-encoding"), "chunked")) {
      return FramingFault::transfer_encoding;
    }
    if (lengths > 0) return FramingFault::content_length;
  }
  if (lengths > 1 || (lengths == 1 && !all_digits(head.headers.get("content-length")))) {
    return FramingFault::content_length;
  }
  return std::nullopt;
}

void put_line_part(std::string& out, std::string_view part) {
  for (const char c : part) {
    if (c != '\r' && c != '\n' && c != '\0') out.push_back(c);
  }
}

void put_fields(std::string& out, const HttpFields& fields) {
  for (const auto& [name, value] : fields) {
    put_line_part(out, name);
    out += ": ";
    put_line_part(out, value);
    out += "\r\n";
  }
}

void put_length(std::string& out, size_t size) {
  out += "content-length: " + std::to_string(size) + "\r\n";
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view HttpFields::get(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

size_t HttpFields::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(fields_.begin(), fields_.end(), [&](const Pair& field) {
    return equal_ignoring_case(field.first, name);
  }));
}

bool HttpFields::has_token(std::string_view name, std::string_view token) const {
  for (const auto& [key, value] : fields_) {
    if (!equal_ignoring_case(key, name)) continue;
    std::string_view rest = value;
    for (;;) {
      const size_t comma = rest.find(',');
      if (equal_ignoring_case(trim(rest.substr(0, comma)), token)) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

void HttpFields::set(std::string name, std::string value) {
  erase(name);
  add(std::move(name), std::move(value));
}

void HttpFields::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void HttpFields::erase(std::string_view name) {
  std::erase_if(fields_, [&](const Pair& field) { return equal_ignoring_case(field.first, name); });
}

std::string_view HttpRequest::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string_view HttpRequest::query() const {
  const size_t mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

HttpLimits response_limits() {
  HttpLimits limits;
  limits.body_bytes = 64 * 1024;
  return limits;
}

const char* name(FramingFault fault) {
  switch (fault) {
    case FramingFault::folded_field:
      return "folded field";
    case FramingFault::transfer_encoding:
      return "transfer-encoding";
    case FramingFault::content_length:
      return "content-length";
    case FramingFault::host:
      return "host";
    case FramingFault::target:
      return "target";
    case FramingFault::method:
      return "method";
    case FramingFault::unexpected_body:
      return "unexpected body";
    case FramingFault::chunk_extension:
      return "chunk extension";
  }
  return "?";
}

std::optional<FramingFault> framing_fault(ByteView raw, const HttpRequest& head) {
  if (!is_method(head.method)) return FramingFault::method;
  const size_t hosts = head.headers.count("host");
  if (hosts > 1 || (hosts == 0 && head.version == 11)) return FramingFault::host;
  if (hosts == 1 && !is_host(head.headers.get("host"))) return FramingFault::host;
  if (!is_target(head)) return FramingFault::target;
  if (const auto fault = body_framing_fault(raw, head)) return fault;
  const std::string_view length = head.headers.get("content-length");
  const bool has_body = head.headers.contains("transfer-encoding") ||
                        length.find_first_not_of('0') != std::string_view::npos;
  if (has_body && (head.method == "GET" || head.method == "HEAD" || head.method == "DELETE")) {
    return FramingFault::unexpected_body;
  }
  return std::nullopt;
}

std::optional<FramingFault> framing_fault(ByteView raw, const HttpResponse& head) {
  return body_framing_fault(raw, head);
}

Bytes format_head(const HttpRequest& request) {
  std::string out;
  put_line_part(out, request.method);
  out.push_back(' ');
  put_line_part(out, request.target);
  out += request.version == 10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n";
  put_fields(out, request.headers);
  const bool framed =
      request.headers.contains("content-length") || request.headers.contains("transfer-encoding");
  const bool may_have_body =
      request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (!framed && (may_have_body || !request.body.empty())) put_length(out, request.body.size());
  out += "\r\n";
  return to_bytes(std::string_view(out));
}

Bytes format_head(const HttpResponse& response) {
  std::string out = response.version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ";
  out += std::to_string(response.status) + " ";
  out += reason_phrase(response.status);
  out += "\r\n";
  put_fields(out, response.headers);
  const bool framed =
      response.headers.contains("content-length") || response.headers.contains("transfer-encoding");
  const bool bodiless =
      response.status / 100 == 1 || response.status == 204 || response.status == 304;
  if (!framed && !bodiless) put_length(out, response.body.size());
  out += "\r\n";
  return to_bytes(std::string_view(out));
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

}  // namespace wab::wire
