#include "session/signal/error.h"

namespace wab::signal {
namespace {

const char* name(int code) {
  switch (static_cast<SignalError>(code)) {
    case SignalError::no_session:
      return "no_session";
    case SignalError::invalid_key_id:
      return "invalid_key_id";
    case SignalError::duplicate:
      return "duplicate";
    case SignalError::bad_mac:
      return "bad_mac";
    case SignalError::invalid_message:
      return "invalid_message";
    case SignalError::too_far_ahead:
      return "too_far_ahead";
    case SignalError::untrusted:
      return "untrusted";
    case SignalError::bad_signature:
      return "bad_signature";
    case SignalError::invalid_key:
      return "invalid_key";
    case SignalError::no_sender_key:
      return "no_sender_key";
    case SignalError::version:
      return "version";
    case SignalError::bad_padding:
      return "bad_padding";
    case SignalError::malformed_record:
      return "malformed_record";
    case SignalError::exhausted:
      return "exhausted";
  }
  return "unknown";
}

}  // namespace

const ErrorDomain& error_domain(SignalError) {
  static const ErrorDomain domain{"signal", name};
  return domain;
}

int retry_reason(const Error& error) {
  if (std::string_view(error.room()) != error_domain(SignalError{}).room) return 0;
  switch (static_cast<SignalError>(error.code())) {
    case SignalError::no_session:
    case SignalError::no_sender_key:
      return 1;
    case SignalError::invalid_key:
      return 2;
    case SignalError::invalid_key_id:
      return 3;
    case SignalError::invalid_message:
    case SignalError::too_far_ahead:
    case SignalError::version:
    case SignalError::bad_padding:
      return 4;
    case SignalError::bad_signature:
      return 5;
    case SignalError::bad_mac:
      return 7;
    case SignalError::untrusted:
    case SignalError::malformed_record:
      return 8;
    case SignalError::duplicate:
    case SignalError::exhausted:
      return 0;
  }
  return 0;
}

}  // namespace wab::signal
