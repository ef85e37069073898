#include "session/prekeys.h"

#include "session/messaging/signal_store.h"
#include "session/session.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using namespace std::chrono_literals;
using node::Node;

constexpr auto kTimeout = 75s;
constexpr uint32_t kMaxId = 0xFFFFFF;

uint32_t next_id(uint32_t id) { return id >= kMaxId ? 1 : id + 1; }

ByteArray<3> be24(uint32_t v) {
  return {static_cast<uint8_t>(v >> 16), static_cast<uint8_t>(v >> 8), static_cast<uint8_t>(v)};
}

OneTimePreKey make_prekey(Change& change, Random& random) {
  auto& head = change.head();
  OneTimePreKey key;
  key.id = head.next_prekey_id() == 0 ? 1 : head.next_prekey_id();
  head.set_next_prekey_id(next_id(key.id));
  key.keys = signal::KeyPair::generate(random);
  store_prekey(change, key.id, key.keys);
  return key;
}

}  // namespace

OneTimePreKey take_fresh_prekey(Change& change, Random& random) {
  return make_prekey(change, random);
}

Node prekey_node(const char* tag, uint32_t id, const Key32& pub) {
  Node node(tag);
  node.add(Node("id").bytes(ByteView(be24(id))));
  node.add(Node("value").bytes(ByteView(pub)));
  return node;
}

Node signed_prekey_node(const SignedPreKey& key) {
  Node node = prekey_node("skey", key.id, key.keys.pub);
  node.add(Node("signature").bytes(ByteView(key.signature)));
  return node;
}

awaitable<Result<void>> PreKeys::upload(uint32_t count) {
  auto alone = co_await uploading_.take();
  Node list("list");
  {
    auto turn = co_await engine_.turn.take();
    Change change(engine_.overlay);
    for (uint32_t i = 0; i < count; ++i) {
      const auto key = make_prekey(change, engine_.ctx.random());
      list.add(prekey_node("key", key.id, key.keys.pub));
    }
    change.head().set_first_unuploaded_prekey_id(change.head().next_prekey_id());
    turn.release();
    CO_TRY_VOID(co_await engine_.overlay.commit(std::move(change)));
  }
  Node iq = make_iq("set", "encrypt");
  iq.add(Node("registration").bytes(ByteView(be32(engine_.me.signal.registration_id))));
  iq.add(Node("type").bytes(Bytes{5}));
  iq.add(Node("identity").bytes(ByteView(engine_.me.signal.identity.pub)));
  iq.add(std::move(list));
  iq.add(signed_prekey_node(engine_.me.signed_prekey));
  CO_TRY_VOID(co_await engine_.ask(std::move(iq), kTimeout));
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  change.head().set_server_has_prekeys(true);
  engine_.overlay.apply(std::move(change));
  log_info("session.prekeys_uploaded", {{"session", engine_.ctx.scope().session().text()},
                                        {"count", static_cast<int64_t>(count)}});
  co_return ok();
}

awaitable<void> PreKeys::check() {
  Node iq = make_iq("get", "encrypt");
  iq.add(Node("count"));
  auto answer = co_await engine_.ask(std::move(iq), kTimeout);
  if (!answer) co_return;
  const auto* count = answer->child("count");
  const uint64_t have = count ? count->number("value").value_or(0) : 0;
  const bool first = !engine_.overlay.head().server_has_prekeys();
  if (have >= kLow && !first) co_return;
  const auto& settings = engine_.ctx.settings();
  auto done = co_await upload(first ? settings.prekeys_first : settings.prekeys_refill);
  if (!done) {
    log_warn("session.prekey_upload_failed", {{"session", engine_.ctx.scope().session().text()},
                                              {"error", done.error().describe()}});
  }
}

awaitable<void> PreKeys::top_up() {
  auto done = co_await upload(engine_.ctx.settings().prekeys_refill);
  if (!done) {
    log_warn("session.prekey_upload_failed", {{"session", engine_.ctx.scope().session().text()},
                                              {"error", done.error().describe()}});
  }
}

awaitable<void> PreKeys::verify_digest() {
  Node iq = make_iq("get", "encrypt");
  iq.add(Node("digest"));
  int code = 0;
  auto answer = co_await engine_.ask(std::move(iq), kTimeout, &code);
  const bool nothing_there = answer ? answer->child("digest") == nullptr : code == 404;
  if (nothing_there) {
    log_warn("session.prekey_bundle_missing", {{"session", engine_.ctx.scope().session().text()}});
    co_await top_up();
  }
}

awaitable<void> PreKeys::rotate_signed_if_due() {
  const UnixSeconds now = engine_.ctx.clock().now_s();
  if (now - engine_.me.signed_prekey.created < kRotateEvery) co_return;
  if (now - engine_.overlay.head().signed_prekey_checked_s() < 24 * 3600) co_return;
  auto alone = co_await uploading_.take();
  const uint32_t id = next_id(engine_.me.signed_prekey.id);
  SignedPreKey fresh =
      make_signed_prekey(id, engine_.me.signal.identity, now, engine_.ctx.random());
  {
    // Durable before it is offered: a message that uses it must be readable after a crash.
    auto turn = co_await engine_.turn.take();
    Change change(engine_.overlay);
    change.head().set_signed_prekey_checked_s(now);
    engine_.me.previous.insert(engine_.me.previous.begin(), fresh.clone());
    if (engine_.me.previous.size() > 3) engine_.me.previous.resize(3);
    change.put(storage::Kind::identity, "", engine_.me.to_bytes());
    turn.release();
    if (!co_await engine_.overlay.commit(std::move(change))) co_return;
  }
  Node iq = make_iq("set", "encrypt");
  Node rotate("rotate");
  rotate.add(signed_prekey_node(fresh));
  iq.add(std::move(rotate));
  auto answer = co_await engine_.ask(std::move(iq), kTimeout);
  if (!answer) co_return;
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  std::erase_if(engine_.me.previous, [&](const SignedPreKey& key) { return key.id == id; });
  engine_.me.previous.insert(engine_.me.previous.begin(), std::move(engine_.me.signed_prekey));
  if (engine_.me.previous.size() > 2) engine_.me.previous.resize(2);
  engine_.me.signed_prekey = std::move(fresh);
  change.put(storage::Kind::identity, "", engine_.me.to_bytes());
  engine_.overlay.apply(std::move(change));
}

}  // namespace wab::session
