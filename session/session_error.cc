#include "session/session.h"

namespace wab::session {

const ErrorDomain& error_domain(SessionError) {
  static const ErrorDomain domain{"session", [](int code) {
                                    static const char* const kNames[] = {"",
                                                                         "not_pairing",
                                                                         "not_working",
                                                                         "already_paired",
                                                                         "bad_phone",
                                                                         "pairing_refused",
                                                                         "code_outstanding",
                                                                         "bad_recipient",
                                                                         "bad_content",
                                                                         "not_found",
                                                                         "stopped",
                                                                         "timeout",
                                                                         "disconnected",
                                                                         "protocol",
                                                                         "refused",
                                                                         "storage",
                                                                         "outbox_full"};
                                    return code > 0 && code < 17 ? kNames[code] : "unknown";
                                  }};
  return domain;
}

}  // namespace wab::session
