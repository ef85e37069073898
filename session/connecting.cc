// One connection after the other, as long as the session is wanted.
#include "session/actor.h"
#include "session/keepalive.h"
#include "session/opening.h"
#include "session/probe.h"
#include "storage/base/log.h"

namespace wab::session {

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

// What was left with WhatsApp comes again on the next connection, in its order.
awaitable<void> Actor::hold_back(std::shared_ptr<Connection> connection) {
  shift(Cause::held_back);
  std::function<bool()> over = [this, &connection] { return !connection->alive() || closing_; };
  co_await hold_.wait_for_room(std::move(over));
  if (!connection->alive() || closing_) co_return;
  backoff_.clear();
  shift(Cause::released);
  connection->close();
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
    hold_.release();
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
  KeepaliveListener listener;
  listener.quiet = [this] {
    engine_.overlay.forget_clean();
    judge_pulse();
  };
  listener.silent = [this](bool yes) {
    engine_.pulse.silent(yes);
    judge_pulse();
  };
  engine_.start(keep_alive(engine_.ctx, engine_.conn, std::move(listener)), "session.keepalive");
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

}  // namespace wab::session
