// The actor: wishes in, one connection at a time, stanzas to their topics, status out.
#include "session/session.h"

#include <nlohmann/json.hpp>

#include "session/backoff.h"
#include "session/ending.h"
#include "session/engine.h"
#include "session/keepalive.h"
#include "session/login.h"
#include "session/messaging/receipts.h"
#include "session/messaging/receive.h"
#include "session/messaging/retry_in.h"
#include "session/messaging/retry_out.h"
#include "session/messaging/send.h"
#include "session/notifications.h"
#include "session/opening.h"
#include "session/pairing/pairing_flow.h"
#include "session/probe.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using namespace std::chrono_literals;
using node::Node;

constexpr auto kLogoutTimeout = 5s;

class Actor : public Session {
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

  awaitable<void> pump();
  awaitable<void> run();
  awaitable<Ending> connect_once();
  awaitable<Ending> converse(std::shared_ptr<Connection> connection);
  awaitable<Result<std::optional<Ending>>> on_stanza(Node stanza);
  awaitable<void> on_success(Node success);
  awaitable<void> after_login(std::shared_ptr<Connection> connection);
  awaitable<void> forget_credentials();
  awaitable<void> nap(std::chrono::milliseconds pause);
  awaitable<void> keep_distance();

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

awaitable<Result<void>> Actor::open() {
  CO_TRY_VOID(co_await engine_.overlay.open());
  storage::Key key{storage::Kind::identity, ""};
  CO_TRY(auto stored, co_await engine_.overlay.get(std::move(key)));
  if (stored) {
    auto identity = DeviceIdentity::from_bytes(*stored);
    if (!identity) co_return fail(storage::StoreError::unsealed, "device identity");
    engine_.me = std::move(*identity);
  }
  since_ = engine_.ctx.clock().now_ms();
  engine_.start(pump(), "session.pump");
  if (!stored) {
    Change change(engine_.overlay);
    engine_.me = DeviceIdentity::make(engine_.ctx.random(), engine_.ctx.clock().now_s());
    change.put(storage::Kind::identity, "", engine_.me.to_bytes());
    CO_TRY_VOID(co_await engine_.overlay.commit(std::move(change)));
  }
  opened_ = true;
  co_return ok();
}

awaitable<void> Actor::pump() {
  const auto ended = co_await engine_.overlay.pump();
  if (ended) co_return;
  lost_ = true;
  wanted_ = false;
  log_error("session.lost", {{"session", engine_.ctx.scope().session().text()},
                             {"error", ended.error().describe()}});
  if (engine_.conn) engine_.conn->close();
  shift(Cause::quarantined);
  woken_.notify_all();
}

// ---- Wishes and status
// ---------------------------------------------------------------------------

void Actor::wish(Cause cause, bool wanted, bool cut) {
  if (lost_ || closing_) return;
  ++wishes_;
  wanted_ = wanted;
  backoff_.clear();
  shift(cause);
  if (cut && engine_.conn) engine_.conn->close();
  woken_.notify_all();
  if (wanted_ && !running_) {
    running_ = true;
    engine_.start(run(), "session.run");
  }
}

void Actor::shift(Cause cause, const Reason* instead) {
  const auto change = move(status_, cause, instead);
  if (!change) return;
  const bool same = change->status == status_ && change->reason == reason_;
  status_ = change->status;
  reason_ = change->reason;
  if (same) return;
  since_ = engine_.ctx.clock().now_ms();
  log_info("session.status", {{"session", engine_.ctx.scope().session().text()},
                              {"status", status_word(status_)},
                              {"code", reason_.code}});
  emit_status();
  engine_.ctx.changed();
}

void Actor::emit_status() {
  if (lost_) return;
  nlohmann::ordered_json data;
  data["status"] = status_word(status_);
  data["reason"] = {{"code", reason_.code}, {"message", reason_.message}, {"next", reason_.next}};
  Change change(engine_.overlay);
  EventDraft draft;
  draft.type = "session.status";
  // Two changes of one session never share a millisecond and a word by accident: the sequence
  // number of the event makes the source unique.
  draft.source = {"", "", std::to_string(engine_.overlay.head().event_seq() + 1),
                  "session.status/" + std::string(status_word(status_))};
  draft.occurred_at = since_;
  draft.data = data.dump();
  change.emit(std::move(draft));
  engine_.overlay.apply(std::move(change));
}

StatusView Actor::status() const {
  StatusView out;
  out.status = status_;
  out.reason = reason_;
  out.since = since_;
  out.pn = engine_.own().pn.user;
  out.lid = engine_.own().lid.user;
  out.push_name = engine_.overlay.head().push_name();
  if (engine_.conn && engine_.conn->alive()) {
    const auto quiet = engine_.ctx.clock().steady() - engine_.conn->last_frame();
    out.last_frame = engine_.ctx.clock().now_ms() -
                     std::chrono::duration_cast<std::chrono::milliseconds>(quiet).count();
  }
  return out;
}

// ---- Connecting
// ----------------------------------------------------------------------------------

awaitable<void> Actor::nap(std::chrono::milliseconds pause) {
  const uint64_t before = wishes_;
  const SteadyTime deadline = engine_.ctx.clock().steady() + pause;
  while (wishes_ == before && wanted_ && !closing_) {
    if (!co_await woken_.wait_until(deadline)) break;
  }
}

// WhatsApp minds a device that connects more than once a second (dossier 1, rule A8). Registering
// makes no device yet.
awaitable<void> Actor::keep_distance() {
  if (!engine_.me.paired()) co_return;
  bool woken = true;
  while (woken && wanted_ && !closing_ && !lost_) {
    woken = co_await woken_.wait_until(backoff_.earliest());
  }
  backoff_.attempted(engine_.ctx.clock().steady());
}

awaitable<void> Actor::run() {
  while (wanted_ && !closing_ && !lost_) {
    co_await keep_distance();
    if (!wanted_ || closing_ || lost_) break;
    const bool was_paired = engine_.me.paired();
    const uint64_t wish = wishes_;
    const Ending ending = co_await connect_once();
    engine_.open = false;
    engine_.conn.reset();
    logging_in_ = false;
    const bool used_up = pairing_.refs_used_up();
    const bool paired_now = pairing_.paired_now();
    pairing_.reset();
    engine_.overlay.forget_clean();
    probe().disconnects.add();
    if (!wanted_ || closing_ || lost_) break;
    if (wishes_ != wish)
      continue;  // a restart cut the connection: come back, whatever it looked like

    log_info("session.connection_ended", {{"session", engine_.ctx.scope().session().text()},
                                          {"code", ending.reason.code},
                                          {"number", ending.number}});
    if (ending.bug_alarm) {
      log_warn("session.peer_complains",
               {{"session", engine_.ctx.scope().session().text()}, {"code", ending.reason.code}});
    }
    if (!was_paired && !paired_now) {
      // Nothing to come back to by itself: a person must start again.
      wanted_ = ending.action == Action::retry_now;
      if (!wanted_) {
        if (used_up) {
          shift(Cause::qr_timeout);
        } else if (status_ != Status::failed) {
          shift(ending.action == Action::back_off ? Cause::unreachable : Cause::ended,
                &ending.reason);
        }
        break;
      }
      continue;
    }
    const bool now = ending.action == Action::retry_now || paired_now;
    const auto pause = backoff_.ended(engine_.ctx.clock().steady(), ending.penalty_steps,
                                      engine_.ctx.random().unit());
    switch (ending.action) {
      case Action::logged_out:
        wanted_ = false;
        if (ending.wipe) co_await forget_credentials();
        shift(Cause::ended, &ending.reason);
        break;
      case Action::stop_and_tell:
        if (!paired_now) {
          wanted_ = false;
          shift(Cause::ended, &ending.reason);
        }
        break;
      case Action::back_off:
      case Action::retry_now:
        if (!now) shift(Cause::connection_lost, &ending.reason);
        break;
    }
    if (wanted_ && !now) co_await nap(pause);
    if (now) backoff_.clear();
  }
  running_ = false;
  // A wish may have come in between the last look and now.
  if (wanted_ && !closing_ && !lost_) {
    running_ = true;
    engine_.start(run(), "session.run");
  }
}

awaitable<Ending> Actor::connect_once() {
  Connection::Opening how = make_opening(engine_, use_cached_key_);
  bool suspect = false;
  auto connected = co_await Connection::open(engine_.ctx, std::move(how), suspect);
  if (suspect) use_cached_key_ = false;
  if (!connected) co_return classify(connected.error());
  if (!wanted_ || closing_) {
    (*connected)->close();
    co_return closed_by_peer(0);
  }
  engine_.conn = *connected;
  std::function<void()> quiet = [this] { engine_.overlay.forget_clean(); };
  engine_.start(keep_alive(engine_.ctx, engine_.conn, std::move(quiet)), "session.keepalive");
  co_return co_await converse(*connected);
}

awaitable<Ending> Actor::converse(std::shared_ptr<Connection> connection) {
  std::optional<Ending> told;
  for (;;) {
    co_await engine_.overlay.wait_for_room();
    auto stanza = co_await connection->next();
    if (!stanza) {
      // What the server said last counts for more than how the socket ended.
      if (told) co_return *told;
      co_return classify(stanza.error());
    }
    auto ending = co_await on_stanza(std::move(*stanza));
    if (!ending) {
      connection->close();
      log_error("session.store_unreadable", {{"session", engine_.ctx.scope().session().text()},
                                             {"error", ending.error().describe()}});
      lost_ = true;
      wanted_ = false;
      shift(Cause::quarantined);
      co_return classify(ending.error());
    }
    if (*ending) {
      told = **ending;
      if (!told->await_close) {
        connection->close();
        co_return *told;
      }
    }
  }
}

awaitable<Result<std::optional<Ending>>> Actor::on_stanza(Node stanza) {
  using Answer = std::optional<Ending>;
  const std::string& tag = stanza.tag;
  if (const auto pong = answer_ping(stanza)) {
    engine_.send(*pong);
    co_return Answer();
  }
  if (!engine_.me.paired() || pairing_.paired_now()) {
    if (co_await pairing_.on_stanza(stanza)) co_return Answer();
  }
  if (tag == "stream:error" || tag == "failure" || tag == "xmlstreamend") {
    co_return Answer(classify(stanza));
  }
  if (stanza.has("offline")) login_.on_offline_stanza();
  if (tag == "success") {
    co_await on_success(std::move(stanza));
  } else if (tag == "ib") {
    CO_TRY_VOID(co_await login_.on_ib(stanza));
  } else if (tag == "message") {
    CO_TRY_VOID(co_await receiver_.on_message(std::move(stanza)));
  } else if (tag == "notification") {
    CO_TRY_VOID(co_await notifications_.on_notification(std::move(stanza)));
  } else if (tag == "receipt") {
    const std::weak_ptr<Connection> where = engine_.conn;
    const auto ack = make_ack(stanza, engine_.own());
    std::function<void()> done = [where, ack] {
      if (ack) Engine::send_on(where, *ack);
    };
    if (stanza.attr("type") == "retry") {
      engine_.start(retry_in_.on_retry(std::move(stanza), std::move(done)), "session.retry");
    } else {
      CO_TRY_VOID(co_await sender_.on_receipt(std::move(stanza), std::move(done)));
    }
  } else if (tag == "ack") {
    if (stanza.attr("class") == "message") {
      CO_TRY_VOID(co_await sender_.on_ack(std::move(stanza)));
    }
  } else if (tag == "call") {
    if (const auto ack = make_ack(stanza, engine_.own())) engine_.send(*ack);
  } else if (tag != "iq" && tag != "presence" && tag != "chatstate") {
    probe().rejected.add();
    constexpr int kUnrecognised = 488;
    if (const auto ack = make_ack(stanza, engine_.own(), kUnrecognised)) engine_.send(*ack);
  }
  co_return Answer();
}

awaitable<void> Actor::on_success(Node success) {
  if (!engine_.me.paired() || pairing_.paired_now() || logging_in_) co_return;
  logging_in_ = true;
  auto taken = co_await login_.on_success(success);
  if (!taken || !engine_.conn) co_return;
  backoff_.connected(engine_.ctx.clock().steady());
  engine_.start(after_login(engine_.conn), "session.login");
}

awaitable<void> Actor::after_login(std::shared_ptr<Connection> connection) {
  const bool active = co_await login_.activate(connection);
  if (!active) {
    connection->close();
    co_return;
  }
  if (engine_.conn != connection) co_return;
  engine_.open = true;
  probe().connects.add();
  shift(Cause::opened);
  co_await login_.settle(connection);
}

awaitable<void> Actor::forget_credentials() {
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  engine_.me = DeviceIdentity::make(engine_.ctx.random(), engine_.ctx.clock().now_s());
  change.put(storage::Kind::identity, "", engine_.me.to_bytes());
  auto& head = change.head();
  head.clear_server_has_prekeys();
  head.clear_login_counter();
  head.clear_routing_info();
  head.clear_server_leaf();
  head.clear_server_intermediate();
  head.clear_push_name();
  engine_.overlay.apply(std::move(change));
}

// ---- The API
// -------------------------------------------------------------------------------------

awaitable<Result<bool>> Actor::logout() {
  bool confirmed = false;
  if (engine_.open && engine_.conn) {
    Node remove("remove-companion-device");
    remove.set("jid", engine_.own().pn).set("reason", "user_initiated");
    Node iq = make_iq("set", "md");
    iq.add(std::move(remove));
    auto answer = co_await engine_.ask(std::move(iq), kLogoutTimeout);
    confirmed = answer.has_value();
  }
  wanted_ = false;
  ++wishes_;
  if (engine_.conn) engine_.conn->close();
  woken_.notify_all();
  co_await forget_credentials();
  shift(Cause::logout_requested);
  co_await engine_.overlay.drained();
  co_return confirmed;
}

awaitable<void> Actor::close() {
  closing_ = true;
  wanted_ = false;
  ++wishes_;
  // What has been decided lands and is acknowledged before the socket goes.
  co_await engine_.overlay.drained();
  if (engine_.conn) engine_.conn->close();
  woken_.notify_all();
  engine_.overlay.close();
  co_await engine_.gate.close();
}

awaitable<Result<PairingCodeView>> Actor::pairing_code(std::string phone) {
  if (engine_.me.paired()) co_return fail(SessionError::already_paired, "session is paired");
  co_return co_await pairing_.request_code(std::move(phone));
}

awaitable<Result<SendAccepted>> Actor::send_text(MessageRowId id, SendText text, SendAlso also) {
  if (lost_ || closing_) co_return fail(SessionError::stopped, "session is closing");
  co_return co_await sender_.accept(id, std::move(text), std::move(also));
}

awaitable<Result<MessageView>> Actor::message(MessageRowId id) {
  co_return co_await sender_.view_of(id);
}

}  // namespace

std::unique_ptr<Session> make_session(SessionContext& context) {
  return std::make_unique<Actor>(context);
}

}  // namespace wab::session
