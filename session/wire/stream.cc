#include "session/wire/stream.h"

namespace wab::wire {
namespace {

const char* wire_error_name(int code) {
  switch (static_cast<WireError>(code)) {
    case WireError::closed:
      return "closed";
    case WireError::eof:
      return "eof";
    case WireError::timeout:
      return "timeout";
    case WireError::refused:
      return "refused";
    case WireError::resolve:
      return "resolve";
    case WireError::not_allowed:
      return "not_allowed";
    case WireError::tls:
      return "tls";
    case WireError::tls_certificate:
      return "tls_certificate";
    case WireError::proxy:
      return "proxy";
    case WireError::http:
      return "http";
    case WireError::http_status:
      return "http_status";
    case WireError::websocket:
      return "websocket";
    case WireError::too_large:
      return "too_large";
    case WireError::io:
      return "io";
  }
  return "?";
}

}  // namespace

const ErrorDomain& error_domain(WireError) {
  static constexpr ErrorDomain domain{"wire", wire_error_name};
  return domain;
}

}  // namespace wab::wire
