// Life, wishes, status and the API of the actor.
#include "session/session.h"

#include "session/actor.h"
#include "session/status_event.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using namespace std::chrono_literals;
using node::Node;

constexpr auto kLogoutTimeout = 5s;

}  // namespace

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

// WORKING means that it works, not that a socket is open (pulse.h).
void Actor::judge_pulse() {
  if (!engine_.open || (status_ == Status::degraded && !is_pulse_reason(reason_))) return;
  const auto trouble = engine_.pulse.trouble(engine_.ctx.clock().steady());
  if (trouble) {
    shift(*trouble);
  } else if (status_ == Status::degraded) {
    shift(Cause::recovered);
  }
}

void Actor::emit_status() {
  if (lost_) return;
  Change change(engine_.overlay);
  const uint64_t seq = engine_.overlay.head().event_seq() + 1;
  change.emit(status_event(status_, reason_, since_, seq));
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

std::unique_ptr<Session> make_session(SessionContext& context) {
  return std::make_unique<Actor>(context);
}

}  // namespace wab::session
