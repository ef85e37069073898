#include "session/pairing/pairing_flow.h"

#include "session/messaging/receipts.h"
#include "session/messaging/signal_store.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using namespace std::chrono_literals;
using node::Node;

constexpr auto kIqTimeout = 30s;

}  // namespace

PairingFlow::PairingFlow(Engine& engine, Listener listener)
    : engine_(engine), listener_(std::move(listener)) {}

void PairingFlow::reset() {
  refs_ = RefRotation();
  offered_ = false;
  used_up_ = false;
  paired_now_ = false;
  if (code_) code_->abandon();
  code_.reset();
  code_secret_.reset();
}

std::optional<QrView> PairingFlow::qr() const {
  const std::string* ref = refs_.current();
  if (ref == nullptr || paired_now_) return std::nullopt;
  QrView out;
  out.code =
      qr_payload(*ref, engine_.me.noise.pub, engine_.me.signal.identity.pub, engine_.me.adv_secret,
                 client_type_of(engine_.ctx.settings().profile.platform));
  out.expires_at = shown_until_;
  return out;
}

awaitable<bool> PairingFlow::on_stanza(const Node& stanza) {
  if (const auto offer = parse_pair_device(stanza)) {
    on_pair_device(*offer);
    co_return true;
  }
  if (is_pair_success(stanza)) {
    Node iq = stanza;
    co_await on_pair_success(std::move(iq));
    co_return true;
  }
  if (stanza.tag == "notification" && stanza.attr("type") == "link_code_companion_reg") {
    if (const auto ack = make_ack(stanza, engine_.own())) engine_.send(*ack);
    Node notification = stanza;
    engine_.start(on_link_code(std::move(notification)), "session.link_code");
    co_return true;
  }
  if (stanza.tag == "notification" && stanza.attr("type") == "companion_reg_refresh") {
    if (const auto ack = make_ack(stanza, engine_.own())) engine_.send(*ack);
    const bool rotate = stanza.child("companion_reg_refresh") != nullptr ||
                        stanza.child("pair-device-rotate-qr") != nullptr;
    if (rotate && !code_busy_) co_await new_adv_secret();
    co_return true;
  }
  if (stanza.tag == "ib" && stanza.child("downgrade_webclient") != nullptr) {
    listener_.moved(Cause::phone_too_old, nullptr);
    co_return true;
  }
  co_return false;
}

void PairingFlow::on_pair_device(const PairDevice& offer) {
  engine_.send(offer.reply);
  const SteadyTime now = engine_.ctx.clock().steady();
  refs_ = RefRotation(offer.refs, now);
  shown_until_ =
      engine_.ctx.clock().now_ms() +
      std::chrono::duration_cast<std::chrono::milliseconds>(refs_.expires() - now).count();
  offered_ = true;
  listener_.moved(Cause::qr_offered, nullptr);
  listener_.changed();
  engine_.start(rotate(engine_.conn), "session.qr");
}

awaitable<void> PairingFlow::rotate(std::shared_ptr<Connection> connection) {
  while (connection->alive() && !paired_now_ && !refs_.exhausted()) {
    // Short naps: the connection may end, or be paired, at any time.
    const SteadyTime now = engine_.ctx.clock().steady();
    const SteadyTime until = std::min(refs_.expires(), now + 1s);
    if (co_await connection->ended_before(until)) co_return;
    const SteadyTime later = engine_.ctx.clock().steady();
    if (refs_.advance(later)) {
      shown_until_ =
          engine_.ctx.clock().now_ms() +
          std::chrono::duration_cast<std::chrono::milliseconds>(refs_.expires() - later).count();
      listener_.changed();
    }
    if (code_ && !code_->live(later)) {
      code_.reset();
      listener_.moved(Cause::code_expired, nullptr);
    }
  }
  if (connection->alive() && !paired_now_ && refs_.exhausted()) {
    used_up_ = true;
    connection->close();
  }
}

awaitable<void> PairingFlow::on_pair_success(Node iq) {
  const PairingSecrets secrets{engine_.me.signal.identity, engine_.me.adv_secret};
  auto outcome = verify_pair_success(iq, secrets, engine_.ctx.random());
  bool by_code = false;
  if (!outcome && code_secret_) {
    const PairingSecrets entered{engine_.me.signal.identity, *code_secret_};
    auto second = verify_pair_success(iq, entered, engine_.ctx.random());
    by_code = second.has_value();
    if (by_code) outcome = std::move(second);
  }
  if (!outcome) {
    engine_.send(outcome.error().reply);
    log_warn("session.pairing_refused", {{"session", engine_.ctx.scope().session().text()},
                                         {"error", outcome.error().error.describe()}});
    listener_.moved(Cause::pairing_refused, nullptr);
    co_return;
  }
  // Durable first: the phone lists this device from the moment it gets our answer.
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  auto& me = engine_.me;
  if (by_code) me.adv_secret = std::move(*code_secret_);
  me.account = outcome->account;
  me.own.pn = outcome->pn;
  me.own.lid = outcome->lid;
  me.platform = outcome->platform;
  me.business_name = outcome->business_name;
  me.lid_migrated = engine_.ctx.settings().profile.lid_migrated;
  change.put(storage::Kind::identity, "", me.to_bytes());
  const node::Jid primary = outcome->lid.with_device(0);
  store_identity(change, primary, outcome->primary_identity);
  const node::Jid pn = outcome->pn.bare();
  const node::Jid lid = outcome->lid.bare();
  const UnixSeconds now = engine_.ctx.clock().now_s();
  if (!co_await learn_pair(change, pn, lid, now)) co_return;
  change.head().set_server_has_prekeys(false);
  if (!outcome->business_name.empty()) change.head().set_push_name(outcome->business_name);
  turn.release();
  const auto durable = co_await engine_.overlay.commit(std::move(change));
  if (!durable) co_return;
  paired_now_ = true;
  engine_.send(outcome->reply);
  log_info("session.paired", {{"session", engine_.ctx.scope().session().text()}});
  listener_.moved(Cause::paired, nullptr);
  listener_.changed();
}

awaitable<void> PairingFlow::new_adv_secret() {
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  engine_.ctx.random().fill(engine_.me.adv_secret.fill());
  change.put(storage::Kind::identity, "", engine_.me.to_bytes());
  turn.release();
  if (co_await engine_.overlay.commit(std::move(change))) listener_.changed();
}

awaitable<SecretKey32> PairingFlow::stretch(std::string code, Key32 salt) {
  auto key = std::make_shared<SecretKey32>();
  std::function<void()> work = [key, code, salt] { *key = stretch_code(code, salt); };
  co_await engine_.ctx.compute(std::move(work));
  co_return std::move(*key);
}

awaitable<Result<PairingCodeView>> PairingFlow::request_code(std::string phone) {
  const SteadyTime now = engine_.ctx.clock().steady();
  if (!offered_ || paired_now_ || !engine_.conn) {
    co_return fail(SessionError::not_pairing, "pairing code without an unpaired connection");
  }
  if (code_busy_ || (code_ && code_->live(now))) {
    co_return fail(SessionError::code_outstanding, "a pairing code is live");
  }
  CodePairing::Options options;
  options.phone = std::move(phone);
  auto begun = CodePairing::begin(options, now, engine_.ctx.random());
  if (!begun) co_return fail(SessionError::bad_phone, "phone number");
  code_busy_ = true;
  code_.emplace(std::move(*begun));
  const std::string code = code_->code();
  const Key32 salt = code_->salt();
  const SecretKey32 key = co_await stretch(code, salt);
  const auto connection = engine_.conn;
  if (!connection || !code_) {
    code_busy_ = false;
    co_return fail(SessionError::disconnected, "connection ended");
  }
  const auto& profile = engine_.ctx.settings().profile;
  auto hello = code_->hello(connection->next_id(), key, engine_.me.noise.pub, profile.platform,
                            profile.os_name);
  if (!hello) {
    code_busy_ = false;
    co_return fail(hello.error());
  }
  auto answer = co_await connection->ask_raw(std::move(*hello), kIqTimeout);
  code_busy_ = false;
  if (!answer) {
    code_.reset();
    co_return fail(answer.error());
  }
  if (!code_) co_return fail(SessionError::disconnected, "connection ended");
  if (const auto refusal = code_->on_hello_answer(*answer)) {
    code_.reset();
    log_warn("session.pairing_code_refused",
             {{"session", engine_.ctx.scope().session().text()}, {"code", refusal->number}});
    co_return fail(SessionError::pairing_refused, "WhatsApp refused the pairing code");
  }
  listener_.moved(Cause::pairing_code_issued, nullptr);
  PairingCodeView out;
  out.code = display_code(code_->code());
  out.expires_at =
      engine_.ctx.clock().now_ms() +
      std::chrono::duration_cast<std::chrono::milliseconds>(code_->expires() - now).count();
  co_return out;
}

awaitable<void> PairingFlow::on_link_code(Node notification) {
  if (!code_) co_return;
  const auto notice = code_->on_notification(notification, engine_.ctx.clock().steady());
  switch (notice.kind) {
    case CodePairing::Notice::Kind::ignore:
      co_return;
    case CodePairing::Notice::Kind::refresh:
    case CodePairing::Notice::Kind::refresh_manual:
      code_.reset();
      listener_.moved(Cause::code_expired, nullptr);
      co_return;
    case CodePairing::Notice::Kind::primary_hello:
      break;
  }
  code_busy_ = true;
  const std::string code = code_->code();
  const Key32 salt = notice.salt;
  const SecretKey32 key = co_await stretch(code, salt);
  const auto connection = engine_.conn;
  if (!connection || !code_) {
    code_busy_ = false;
    co_return;
  }
  auto finish =
      code_->finish(connection->next_id(), key, engine_.me.signal.identity, engine_.ctx.random());
  if (!finish) {
    code_busy_ = false;
    co_return;
  }
  code_secret_ = std::move(finish->adv_secret);
  auto answer = co_await connection->ask_raw(std::move(finish->stanza), kIqTimeout);
  code_busy_ = false;
  const bool refused = !answer || (code_ && code_->on_finish_answer(*answer));
  if (refused && !paired_now_) {
    code_.reset();
    code_secret_.reset();
    listener_.moved(Cause::code_expired, nullptr);
  }
}

}  // namespace wab::session
