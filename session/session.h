// One WhatsApp connection: the actor.
//
// Owned by the bridge's session manager; lives its whole life on one shard and every member is
// called there. State changes happen in turns (turn.h): one coroutine at a time reads and changes
// the overlay, and what it changed becomes true with one commit. README.md shows a session's life
// on one page.
//
// Errors of the API are SessionError; they map one to one to stable problem codes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "session/context.h"
#include "session/status.h"

namespace wab::session {

enum class SessionError {
  not_pairing = 1,  // no code is on show in this state
  not_working,      // needs a paired, connected session
  already_paired,
  bad_phone,
  pairing_refused,   // WhatsApp refused the pairing code; see status reason
  code_outstanding,  // one pairing code at a time
  bad_recipient,
  bad_content,
  not_found,
  stopped,  // the session was stopped or deleted meanwhile
  timeout,
  disconnected,
  protocol,  // the peer sent what it must not
  refused,   // WhatsApp answered with an error
  storage,
  outbox_full,
};
const ErrorDomain& error_domain(SessionError);

struct StatusView {
  Status status = Status::stopped;
  Reason reason;  // {code, message, next}
  UnixMillis since = 0;
  std::string pn;   // digits; "" until paired
  std::string lid;  // digits
  std::string push_name;
  UnixMillis last_frame = 0;  // proof of life; 0 while not connected
};

struct QrView {
  std::string code;
  UnixMillis expires_at = 0;
};

struct PairingCodeView {
  std::string code;  // "ABCD-EFGH"
  UnixMillis expires_at = 0;
};

// A text to send. `to`: digits of a phone number, or a JID of a user or group.
struct SendText {
  std::string to;
  std::string body;
  std::string reply_to;               // stanza id in the same chat, "" for none
  std::string reply_to_sender;        // jid; "" in direct chats
  std::vector<std::string> mentions;  // digits or jids
  std::string trace;                  // traceparent of the request; "" for none
};

// Rows that must become true together with the send: idempotency, and the organization's index.
struct SendAlso {
  std::vector<storage::Row> organization_rows;
};

struct SendAccepted {
  MessageRowId id;
  std::string stanza_id;
};

// pending, attempted (shown as unknown while not reconciled), sent, delivered, read, played, failed
struct MessageView {
  MessageRowId id;
  std::string stanza_id;
  std::string chat;
  std::string status;
  std::string failure;  // stable code when status is "failed"
  UnixMillis created_at = 0;
  UnixMillis updated_at = 0;
};

class Session {
 public:
  virtual ~Session() = default;

  // Reads the stored identity and head. Call once, before anything else.
  virtual awaitable<Result<void>> open() = 0;

  // Legal in every state, idempotent; they return when the wish is recorded in memory, the status
  // tells how far it came. The wish itself is stored by the session manager.
  virtual void start() = 0;
  virtual void stop() = 0;
  virtual void restart() = 0;
  // Unlinks from the phone when connected (5 s), then forgets the credentials. True when WhatsApp
  // confirmed.
  virtual awaitable<Result<bool>> logout() = 0;
  // Orderly end: finishes the turn, lets the last commit land, closes the socket. No call after.
  virtual awaitable<void> close() = 0;

  virtual StatusView status() const = 0;
  virtual std::optional<QrView> qr() const = 0;
  virtual awaitable<Result<PairingCodeView>> pairing_code(std::string phone) = 0;

  // Durable when it returns; the sending itself goes on behind.
  virtual awaitable<Result<SendAccepted>> send_text(MessageRowId id, SendText text,
                                                    SendAlso also) = 0;
  virtual awaitable<Result<MessageView>> message(MessageRowId id) = 0;
};

std::unique_ptr<Session> make_session(SessionContext& context);

}  // namespace wab::session
