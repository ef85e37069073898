// The actor behind Session: wishes in, one connection at a time, stanzas to their topics, status
// out.
//
// Not for other rooms. session.cc: life, wishes, status, API; connecting.cc: one connection after
// the other; stanzas.cc: which topic takes what arrives.
#pragma once

#include "session/backoff.h"
#include "session/ending.h"
#include "session/engine.h"
#include "session/hold.h"
#include "session/login.h"
#include "session/messaging/receive.h"
#include "session/messaging/retry_in.h"
#include "session/messaging/retry_out.h"
#include "session/messaging/send.h"
#include "session/notifications.h"
#include "session/pairing/pairing_flow.h"
#include "session/session.h"

namespace wab::session {

class Actor final : public Session {
 public:
  explicit Actor(SessionContext& context)
      : engine_(context),
        prekeys_(engine_),
        devices_(engine_),
        groups_(engine_),
        retry_out_(engine_),
        retry_in_(engine_, devices_),
        receiver_(engine_, retry_out_),
        sender_(engine_, devices_, groups_),
        notifications_(engine_, prekeys_),
        login_(engine_, prekeys_, sender_),
        pairing_(engine_, PairingFlow::Listener{
                              [this](Cause cause, const Reason* why) { shift(cause, why); },
                              [this] { engine_.ctx.changed(); }}) {}

  awaitable<Result<void>> open() override;
  void start() override { wish(Cause::start_requested, true, false); }
  void stop() override { wish(Cause::stop_requested, false, true); }
  void restart() override { wish(Cause::restart_requested, true, true); }
  awaitable<Result<bool>> logout() override;
  awaitable<void> close() override;

  StatusView status() const override;
  std::optional<QrView> qr() const override { return pairing_.qr(); }
  awaitable<Result<PairingCodeView>> pairing_code(std::string phone) override;
  awaitable<Result<SendAccepted>> send_text(MessageRowId id, SendText text, SendAlso also) override;
  awaitable<Result<MessageView>> message(MessageRowId id) override;

 private:
  void wish(Cause cause, bool wanted, bool cut);
  void shift(Cause cause, const Reason* instead = nullptr);
  void emit_status();
  void judge_pulse();

  awaitable<void> pump();
  awaitable<void> run();
  awaitable<Ending> connect_once();
  awaitable<Ending> converse(std::shared_ptr<Connection> connection);
  awaitable<Result<std::optional<Ending>>> on_stanza(node::Node stanza);
  awaitable<void> on_success(node::Node success);
  awaitable<void> after_login(std::shared_ptr<Connection> connection);
  awaitable<void> forget_credentials();
  awaitable<void> nap(std::chrono::milliseconds pause);
  awaitable<void> keep_distance();
  awaitable<void> hold_back(std::shared_ptr<Connection> connection);

  Engine engine_;
  PreKeys prekeys_;
  Devices devices_;
  Groups groups_;
  RetryOut retry_out_;
  RetryIn retry_in_;
  Receiver receiver_;
  Sender sender_;
  Notifications notifications_;
  Login login_;
  PairingFlow pairing_;
  Backoff backoff_;
  Hold hold_{engine_.ctx};

  Status status_ = Status::stopped;
  Reason reason_;
  UnixMillis since_ = 0;
  bool opened_ = false;
  bool wanted_ = false;
  bool running_ = false;
  bool closing_ = false;
  bool lost_ = false;  // fenced or quarantined: this process must not touch it again
  bool use_cached_key_ = true;
  bool logging_in_ = false;  // <success> was seen on this connection
  uint64_t wishes_ = 0;
  Event woken_;
};

}  // namespace wab::session
