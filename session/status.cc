#include "session/status.h"

#include <array>

namespace wab::session {
namespace {

constexpr uint16_t bit(Status status) {
  return static_cast<uint16_t>(1u << static_cast<unsigned>(status));
}
template <class... S>
constexpr uint16_t any_of(S... statuses) {
  return static_cast<uint16_t>((bit(statuses) | ...));
}

constexpr std::array<std::string_view, 8> kWords = {
    "STOPPED", "STARTING", "SCAN_QR_CODE", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED",
    "WORKING", "DEGRADED", "FAILED"};

constexpr Status kStopped = Status::stopped;
constexpr Status kStarting = Status::starting;
constexpr Status kScan = Status::scan_qr_code;
constexpr Status kPasskey = Status::passkey_required;
constexpr Status kConfirm = Status::passkey_confirmation_required;
constexpr Status kWorking = Status::working;
constexpr Status kDegraded = Status::degraded;
constexpr Status kFailed = Status::failed;

constexpr uint16_t kAll = 0xFF;
constexpr uint16_t kRunning = kAll & ~any_of(kStopped, kFailed);

constexpr Move kMoves[] = {
    {Cause::start_requested, any_of(kStopped, kFailed), kStarting, "starting",
     "The session is connecting to WhatsApp.", ""},
    {Cause::stop_requested, kAll & ~bit(kStopped), kStopped, "stopped",
     "The session was stopped on request. Its link to the phone is kept.",
     "Start the session to receive and send again."},
    {Cause::restart_requested, kAll, kStarting, "restarting",
     "The session is being restarted on request.", ""},
    {Cause::logout_requested, kAll, kStopped, "logged_out",
     "The session was logged out on request and is no longer linked to a phone.",
     "Start the session and link a phone to use it again."},
    {Cause::process_restarted, kAll & ~bit(kFailed), kStarting, "resuming",
     "The bridge was restarted and the session is connecting again.", ""},

    {Cause::qr_offered, any_of(kStarting, kScan), kScan, "scan_qr_code",
     "WhatsApp is waiting for a phone to link.",
     "On the phone open WhatsApp, Linked devices, Link a device, and scan the code."},
    {Cause::pairing_code_issued, any_of(kScan), kScan, "enter_pairing_code",
     "A pairing code was issued and WhatsApp is waiting for it.",
     "On the phone open WhatsApp, Linked devices, Link with phone number, and enter the code."},
    {Cause::code_expired, any_of(kScan), kScan, "pairing_code_expired",
     "The pairing code is no longer valid.", "Request a new pairing code, or scan the QR code."},
    {Cause::phone_too_old, any_of(kScan), kScan, "phone_cannot_link",
     "The phone that scanned the code cannot link devices yet.",
     "Update WhatsApp on the phone, then scan the code again."},
    {Cause::passkey_requested, any_of(kStarting, kScan, kPasskey, kConfirm), kPasskey,
     "passkey_required", "The account asks for its passkey before it links a device.",
     "Open the pairing page and confirm with the passkey of the account."},
    {Cause::passkey_code_shown, any_of(kPasskey), kConfirm, "passkey_confirmation_required",
     "A code is shown here and on the phone.",
     "Compare the two codes and confirm only if they are equal."},
    {Cause::passkey_abandoned, any_of(kPasskey, kConfirm), kScan, "passkey_abandoned",
     "The passkey step did not succeed.", "Scan the QR code to try again."},
    {Cause::paired, any_of(kStarting, kScan, kPasskey, kConfirm), kStarting, "paired",
     "The phone is linked. The session is logging in.", ""},
    {Cause::qr_timeout, any_of(kStarting, kScan, kPasskey, kConfirm), kFailed, "qr_timeout",
     "Nobody linked a phone before the codes ran out.",
     "Start the session again to get a fresh code."},
    {Cause::pairing_refused, any_of(kStarting, kScan, kPasskey, kConfirm), kFailed,
     "pairing_refused", "The link that the phone offered did not verify and was refused.",
     "Start the session again and scan the new code. If it happens again, check that the code is "
     "scanned from this bridge and that nothing in between alters the connection."},

    {Cause::opened, any_of(kStarting, kWorking, kDegraded), kWorking, "working",
     "The session is connected.", ""},
    {Cause::connection_lost, any_of(kStarting, kWorking, kDegraded), kDegraded, "reconnecting",
     "The connection to WhatsApp was lost. The session reconnects by itself.",
     "Nothing, unless it lasts: then check the network and the proxy of the session."},
    {Cause::unreachable, any_of(kStarting, kScan, kPasskey, kConfirm), kFailed, "unreachable",
     "WhatsApp cannot be reached, so no phone can be linked.",
     "Check the network and the proxy of the session, then start it again."},
    {Cause::held_back, any_of(kStarting, kWorking, kDegraded), kDegraded, "outbox_full",
     "Too many events wait for delivery. Incoming messages stay at WhatsApp until there is room.",
     "Repair or disable the webhook endpoint that does not accept events."},
    {Cause::released, any_of(kDegraded), kWorking, "working", "The session is connected.", ""},
    {Cause::not_answering, any_of(kWorking, kDegraded), kDegraded, "not_answering",
     "WhatsApp does not answer on the open connection. It is given up and made anew if that lasts.",
     "Nothing, unless it comes back: then check the network and the proxy of the session."},
    {Cause::decrypt_failing, any_of(kWorking, kDegraded), kDegraded, "decrypt_failing",
     "The last messages could not be decrypted. Their senders were asked to send them again.",
     "If it lasts for hours, log the session out and link the phone again."},
    {Cause::recovered, any_of(kDegraded), kWorking, "working", "The session is connected.", ""},
    {Cause::ended, kRunning, kFailed, "ended", "WhatsApp ended the session.",
     "Start the session again."},
    {Cause::internal_error, kRunning, kFailed, "internal_error",
     "The session was stopped by an error inside the bridge.",
     "Restart the session and report the log lines of this session."},
    {Cause::quarantined, kAll, kFailed, "quarantined",
     "A stored record of this session could not be opened.",
     "Check the root key and the disk. Restore a backup, or delete the session and link it again."},
};

}  // namespace

std::string_view status_word(Status status) {
  const auto index = static_cast<size_t>(status);
  return index < kWords.size() ? kWords[index] : std::string_view("FAILED");
}

std::optional<Status> parse_status(std::string_view word) {
  for (size_t i = 0; i < kWords.size(); ++i) {
    if (kWords[i] == word) return static_cast<Status>(i);
  }
  return std::nullopt;
}

std::span<const Move> all_moves() { return kMoves; }

std::optional<StatusChange> move(Status from, Cause cause, const Reason* instead) {
  for (const Move& row : kMoves) {
    if (row.cause != cause || (row.from & bit(from)) == 0) continue;
    if (instead != nullptr) return StatusChange{row.to, *instead};
    return StatusChange{row.to,
                        {std::string(row.code), std::string(row.message), std::string(row.next)}};
  }
  return std::nullopt;
}

}  // namespace wab::session
