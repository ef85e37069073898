#include "session/ending.h"

#include <algorithm>
#include <span>

#include "session/node/codec.h"
#include "session/noise/error.h"
#include "session/wire/stream.h"

namespace wab::session {
namespace {

using noise::NoiseError;
using wire::WireError;

// Rust's five extra Fibonacci steps for 429.
constexpr int kRateLimitPenalty = 5;

enum Flag : unsigned { kNone = 0, kWipe = 1, kBug = 2, kAwait = 4, kPenalty = 8 };

struct Row {
  int number;
  Action action;
  unsigned flags;
  std::string_view code, message, next;
};

constexpr std::string_view kLinkAgain = "Start the session and link the phone again.";
constexpr std::string_view kWait = "Nothing: the session reconnects by itself.";
constexpr std::string_view kReport =
    "Start the session again. If it fails in the same way, update the bridge and report the code.";
constexpr std::string_view kAppeal =
    "Open WhatsApp on the phone and follow what it says. Link the phone again when the account "
    "works.";

// <failure reason="...">, dossier 1 section 11.4.
constexpr Row kFailures[] = {
    {400, Action::stop_and_tell, kNone, "refused", "WhatsApp refused the login.", kReport},
    {401, Action::logged_out, kWipe, "logged_out",
     "The phone removed this device from its linked devices.", kLinkAgain},
    {402, Action::stop_and_tell, kNone, "banned_for_a_time",
     "WhatsApp banned the account for a time.",
     "Wait until the ban has ended, then start the session. Send less, and only to people who "
     "expect it."},
    {403, Action::logged_out, kNone, "account_locked", "WhatsApp locked the account or the device.",
     kAppeal},
    {405, Action::stop_and_tell, kNone, "client_outdated",
     "WhatsApp no longer accepts this version of the web client.",
     "Update the bridge, or set a newer WhatsApp version in its configuration, then start the "
     "session."},
    {406, Action::logged_out, kNone, "account_banned", "WhatsApp banned the account.", kAppeal},
    {409, Action::stop_and_tell, kBug, "bad_user_agent",
     "WhatsApp refused how the bridge presents itself.",
     "Check the WhatsApp version and platform in the configuration of the bridge."},
    {413, Action::stop_and_tell, kNone, "refused", "WhatsApp refused the login.", kReport},
    {414, Action::stop_and_tell, kNone, "refused", "WhatsApp refused the login.", kReport},
    {415, Action::stop_and_tell, kNone, "not_found", "WhatsApp does not find this device.",
     "Look at the linked devices on the phone. If the bridge is missing there, log the session out "
     "and link it again."},
    {418, Action::stop_and_tell, kNone, "client_unknown", "WhatsApp does not know this client.",
     "Update the bridge. If that does not help, log the session out and link it again."},
    {419, Action::stop_and_tell, kNone, "refused", "WhatsApp refused the login.", kReport},
    {500, Action::back_off, kNone, "whatsapp_unavailable", "WhatsApp has an internal error.",
     kWait},
    {501, Action::stop_and_tell, kNone, "refused", "WhatsApp refused the login.", kReport},
    {503, Action::back_off, kNone, "whatsapp_unavailable", "WhatsApp is not available right now.",
     kWait},
};
constexpr Row kUnknownFailure = {0,
                                 Action::stop_and_tell,
                                 kNone,
                                 "refused",
                                 "WhatsApp refused the login for an unknown reason.",
                                 kReport};

// <stream:error code="...">, dossier 1 section 11.3.
constexpr Row kStreamErrors[] = {
    {401, Action::logged_out, kWipe, "logged_out",
     "The phone removed this device from its linked devices.", kLinkAgain},
    {409, Action::stop_and_tell, kNone, "replaced",
     "The same linked device connected from somewhere else.",
     "Make sure that only one bridge uses this session, then start it here."},
    {429, Action::back_off, kPenalty, "rate_limited", "WhatsApp limits how often we connect.",
     "Nothing: the session waits longer and reconnects by itself."},
    {503, Action::back_off, kNone, "whatsapp_unavailable", "WhatsApp restarts its server.", kWait},
    {515, Action::retry_now, kNone, "restart_required", "WhatsApp asked for a new connection.", ""},
    {516, Action::logged_out, kWipe, "logged_out",
     "The phone removed this device from its linked devices.", kLinkAgain},
};
constexpr Row kRemoved = {0,
                          Action::logged_out,
                          kWipe,
                          "logged_out",
                          "The phone removed this device from its linked devices.",
                          kLinkAgain};
constexpr Row kReplaced = {0,
                           Action::stop_and_tell,
                           kNone,
                           "replaced",
                           "The same linked device connected from somewhere else.",
                           "Make sure that only one bridge uses this session, then start it here."};
constexpr Row kBadXml = {
    0,    Action::back_off, kBug, "protocol_error", "WhatsApp could not read what the bridge sent.",
    kWait};
constexpr Row kOwedAck = {0,
                          Action::back_off,
                          kBug | kAwait,
                          "protocol_error",
                          "WhatsApp misses an acknowledgement and recycles the connection.",
                          kWait};
constexpr Row kUnknownStreamError = {0,
                                     Action::back_off,
                                     kAwait,
                                     "reconnecting",
                                     "WhatsApp reported an unknown error on the connection.",
                                     kWait};
constexpr Row kStreamEnd = {
    0, Action::back_off, kNone, "reconnecting", "WhatsApp recycled the connection.", kWait};
constexpr Row kProtocol = {0,
                           Action::back_off,
                           kBug,
                           "protocol_error",
                           "The connection carried something that the bridge cannot read.",
                           "Nothing, unless it repeats: then update the bridge."};

constexpr std::string_view kCheckNetwork =
    "Nothing, unless it lasts: then check the network and the proxy of the session.";

constexpr Row kNetwork = {0,
                          Action::back_off,
                          kNone,
                          "reconnecting",
                          "The connection to WhatsApp was lost.",
                          kCheckNetwork};
constexpr Row kResolve = {0,
                          Action::back_off,
                          kNone,
                          "name_lookup_failed",
                          "The address of WhatsApp could not be looked up.",
                          "Check the name server of the machine."};
constexpr Row kProxy = {0,
                        Action::back_off,
                        kNone,
                        "proxy_failed",
                        "The proxy of the session did not make the connection.",
                        "Check the address and the password of the proxy."};
constexpr Row kNotAllowed = {0,
                             Action::stop_and_tell,
                             kNone,
                             "address_not_allowed",
                             "The address to connect to is not allowed.",
                             "Correct the WhatsApp address or the proxy of the session."};
constexpr Row kTlsCertificate = {
    0,
    Action::back_off,
    kNone,
    "server_not_genuine",
    "The server's TLS certificate does not verify.",
    "Check that no proxy or firewall opens TLS, and the trusted authorities in the configuration."};
constexpr Row kUpgradeRefused = {0,
                                 Action::stop_and_tell,
                                 kNone,
                                 "upgrade_refused",
                                 "WhatsApp refused to open the connection.",
                                 "Check the WhatsApp address in the configuration and the proxy of "
                                 "the session, then start it again."};
constexpr Row kClosedByUs = {
    0, Action::back_off, kNone, "reconnecting", "The connection was closed.", ""};

constexpr Row kNotGenuine = {
    0,
    Action::back_off,
    kNone,
    "server_not_genuine",
    "The server could not prove that it is WhatsApp.",
    "Check that nothing in between alters the connection, and the Noise root key in the "
    "configuration."};
constexpr Row kClock = {0,
                        Action::back_off,
                        kNone,
                        "clock_wrong",
                        "The server's certificate is not valid at the time of this machine.",
                        "Check the clock of the machine."};
constexpr Row kUnsupported = {0,
                              Action::stop_and_tell,
                              kBug,
                              "handshake_unsupported",
                              "WhatsApp asked for a handshake that the bridge does not know.",
                              "Update the bridge."};
constexpr Row kHandshake = {0,
                            Action::back_off,
                            kNone,
                            "handshake_failed",
                            "The encrypted connection could not be agreed on.",
                            kCheckNetwork};
constexpr Row kOutOfStep = {
    0,    Action::back_off, kNone, "reconnecting", "The encrypted connection fell out of step.",
    kWait};

Ending ending(const Row& row, int number) {
  Ending out;
  out.action = row.action;
  out.wipe = (row.flags & kWipe) != 0;
  out.bug_alarm = (row.flags & kBug) != 0;
  out.await_close = (row.flags & kAwait) != 0;
  out.penalty_steps = (row.flags & kPenalty) != 0 ? kRateLimitPenalty : 0;
  out.number = number;
  out.reason = {std::string(row.code), std::string(row.message), std::string(row.next)};
  return out;
}

const Row* find(std::span<const Row> rows, int number) {
  const auto at = std::find_if(rows.begin(), rows.end(),
                               [number](const Row& row) { return row.number == number; });
  return at == rows.end() ? nullptr : &*at;
}

int number_of(const node::Node& stanza, std::string_view key) {
  const auto number = stanza.number(key);
  return number && *number <= 99999 ? static_cast<int>(*number) : 0;
}

std::string_view ban_words(int code) {
  switch (code) {
    case 101:
      return "Too many messages went to people who do not know the number.";
    case 102:
      return "Too many people blocked the number.";
    case 103:
      return "Too many groups were created or joined by people who do not know the number.";
    case 104:
      return "The same message was sent too often.";
    case 106:
      return "Too many messages went to broadcast lists.";
    default:
      return {};
  }
}

Ending of_failure(const node::Node& stanza) {
  const int number = number_of(stanza, "reason");
  const Row* row = find(kFailures, number);
  Ending out = ending(row != nullptr ? *row : kUnknownFailure, number);
  if (number == 402) {
    if (const auto words = ban_words(number_of(stanza, "code")); !words.empty()) {
      out.reason.message.append(" ").append(words);
    }
    constexpr uint64_t kLongest = 10ull * 365 * 86400;
    if (const auto expire = stanza.number("expire"); expire && *expire <= kLongest) {
      out.resume_after_s = static_cast<uint32_t>(*expire);
    }
  }
  return out;
}

Ending of_stream_error(const node::Node& stanza) {
  const int number = number_of(stanza, "code");
  if (const node::Node* conflict = stanza.child("conflict")) {
    // Of an unknown conflict only code 401 is trusted to mean "unlinked".
    const std::string type = conflict->attr("type");
    const bool removed = type == "device_removed" || (type != "replaced" && number == 401);
    return ending(removed ? kRemoved : kReplaced, number);
  }
  if (const Row* row = find(kStreamErrors, number)) return ending(*row, number);
  if (stanza.child("xml-not-well-formed") != nullptr) return ending(kBadXml, number);
  if (stanza.child("ack") != nullptr) return ending(kOwedAck, number);
  return ending(kUnknownStreamError, number);
}

const Row& row_of(WireError error) {
  switch (error) {
    case WireError::closed:
      return kClosedByUs;
    case WireError::resolve:
      return kResolve;
    case WireError::not_allowed:
      return kNotAllowed;
    case WireError::tls_certificate:
      return kTlsCertificate;
    case WireError::proxy:
      return kProxy;
    case WireError::http_status:
      return kUpgradeRefused;
    case WireError::too_large:
      return kProtocol;
    default:
      return kNetwork;
  }
}

const Row& row_of(NoiseError error) {
  switch (error) {
    case NoiseError::unsupported:
      return kUnsupported;
    case NoiseError::certificate_not_yet_valid:
    case NoiseError::certificate_expired:
      return kClock;
    case NoiseError::certificate_malformed:
    case NoiseError::certificate_missing:
    case NoiseError::certificate_signature_size:
    case NoiseError::certificate_intermediate_signature:
    case NoiseError::certificate_intermediate_issuer:
    case NoiseError::certificate_key_size:
    case NoiseError::certificate_leaf_signature:
    case NoiseError::certificate_leaf_issuer:
    case NoiseError::certificate_key_mismatch:
      return kNotGenuine;
    case NoiseError::frame_too_large:
    case NoiseError::frame_too_short:
    case NoiseError::transport_decrypt:
    case NoiseError::counter_exhausted:
      return kOutOfStep;
    default:
      return kHandshake;
  }
}

// Rooms number their codes from 1 without gaps; what is beyond reads as that room's default.
template <class Code>
bool belongs(const Error& error, Code any) {
  return std::string_view(error.room()) == error_domain(any).room;
}

}  // namespace

Ending classify(const node::Node& stanza) {
  if (stanza.tag == "failure") return of_failure(stanza);
  if (stanza.tag == "stream:error") return of_stream_error(stanza);
  if (stanza.tag == "xmlstreamend") return ending(kStreamEnd, 0);
  return ending(kProtocol, 0);
}

Ending classify(const Error& error) {
  if (belongs(error, WireError::eof)) {
    return ending(row_of(static_cast<WireError>(error.code())), 0);
  }
  if (belongs(error, NoiseError::decrypt)) {
    return ending(row_of(static_cast<NoiseError>(error.code())), 0);
  }
  if (belongs(error, node::NodeError::bad_list)) return ending(kProtocol, 0);
  return ending(kNetwork, 0);
}

Ending upgrade_refused(int http_status) {
  switch (http_status) {
    case 408:
    case 500:
    case 501:
    case 502:
    case 503:
    case 504:
      return ending({0, Action::back_off, kNone, "whatsapp_unavailable",
                     "WhatsApp is not available right now.", kWait},
                    http_status);
    case 429:
      return ending(
          {0, Action::back_off, kPenalty, "rate_limited", "WhatsApp limits how often we connect.",
           "Nothing: the session waits longer and reconnects by itself."},
          http_status);
    default:
      return ending(kUpgradeRefused, http_status);
  }
}

Ending closed_by_peer(int close_code) {
  const bool usual = close_code == 0 || close_code == 1000 || close_code == 1001;
  return ending(usual ? kStreamEnd : kNetwork, close_code);
}

}  // namespace wab::session
