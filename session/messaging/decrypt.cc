#include "session/messaging/decrypt.h"

#include "session/messaging/signal_store.h"
#include "session/pairing/device_identity.h"
#include "session/session.h"
#include "session/signal/kdf.h"
#include "session/signal/padding.h"

namespace wab::session {
namespace {

using node::Jid;
using node::Node;

constexpr size_t kMaxEncs = 16;
constexpr int kReasonAdv = 12;
constexpr int kReasonNoSession = 1;

using PlainOutcome = tl::expected<Bytes, DecryptFailure>;

tl::unexpected<DecryptFailure> broken(Error error, int reason, bool force_keys = false) {
  return tl::unexpected<DecryptFailure>(DecryptFailure{error, reason, force_keys, false});
}
tl::unexpected<DecryptFailure> broken(const Error& error) {
  return broken(
      error, signal::retry_reason(error),
      error.is(signal::SignalError::no_session) || error.is(signal::SignalError::no_sender_key));
}

// The companion named by a pkmsg really belongs to the account (dossier 2 section 4.5).
awaitable<Result<bool>> belongs_to_account(Change& change, const Node& stanza, Jid device,
                                           Key32 identity) {
  const Node* blob = stanza.child("device-identity");
  if (device.device == 0 || blob == nullptr) co_return true;
  Jid primary = device.with_device(0);
  CO_TRY(auto primary_identity, co_await load_identity(change, std::move(primary)));
  co_return check_peer_device(blob->content_bytes(), identity, primary_identity) !=
      PeerVerdict::invalid;
}

awaitable<Result<PlainOutcome>> open_prekey_message(Engine& engine, Change& change,
                                                    const Node& stanza, ByteView bytes,
                                                    Jid device) {
  const Bytes message = to_bytes(bytes);
  const auto needs = signal::inspect_prekey_message(message);
  if (!needs) co_return PlainOutcome(broken(needs.error()));
  CO_TRY(const bool authentic,
         co_await belongs_to_account(change, stanza, device, needs->identity));
  if (!authentic) {
    const Error error(signal::SignalError::bad_signature, "device identity of a pkmsg");
    co_return PlainOutcome(broken(error, kReasonAdv));
  }
  CO_TRY(auto record, co_await load_session(change, device));
  std::optional<signal::KeyPair> one_time;
  if (needs->one_time_id) {
    CO_TRY(one_time, co_await load_prekey(change, *needs->one_time_id));
  }
  const SignedPreKey* signed_prekey = engine.me.signed_prekey_by_id(needs->signed_id);
  auto opened = signal::decrypt_prekey_message(
      record, engine.me.signal, message, signed_prekey ? &signed_prekey->keys : nullptr,
      one_time ? &*one_time : nullptr, engine.ctx.random());
  if (!opened) co_return PlainOutcome(broken(opened.error()));
  store_session(change, device, record);
  store_identity(change, device, opened->remote_identity);
  if (opened->used_one_time) erase_prekey(change, *opened->used_one_time);
  co_return PlainOutcome(std::move(opened->plaintext));
}

awaitable<Result<PlainOutcome>> open_message(Engine& engine, Change& change, ByteView bytes,
                                             Jid device) {
  const Bytes message = to_bytes(bytes);
  CO_TRY(auto record, co_await load_session(change, device));
  auto opened = signal::decrypt_message(record, engine.me.signal, message, engine.ctx.random());
  if (!opened) co_return PlainOutcome(broken(opened.error()));
  store_session(change, device, record);
  co_return PlainOutcome(std::move(*opened));
}

awaitable<Result<PlainOutcome>> open_group_message(Change& change, ByteView bytes, Jid group,
                                                   Jid device) {
  const Bytes message = to_bytes(bytes);
  CO_TRY(auto record, co_await load_sender_key(change, group, device));
  auto opened = signal::group_decrypt(record, message);
  if (!opened) co_return PlainOutcome(broken(opened.error()));
  store_sender_key(change, group, device, record);
  co_return PlainOutcome(std::move(*opened));
}

awaitable<Result<void>> take_sender_key(Change& change, const pb::Message& message,
                                        const MessageInfo& info, Jid device) {
  if (!message.has_sender_key_distribution_message()) co_return ok();
  if (!info.chat.is_group() && !info.chat.is_broadcast()) co_return ok();
  const auto& carried = message.sender_key_distribution_message();
  const auto group = Jid::parse(carried.group_id());
  if (!group || !group->same_user(info.chat)) co_return ok();
  CO_TRY(auto record, co_await load_sender_key(change, info.chat, device));
  const auto processed =
      signal::process_distribution(record, view(carried.axolotl_sender_key_distribution_message()));
  // A distribution that does not parse must not lose the message it came with.
  if (processed) store_sender_key(change, info.chat, device, record);
  co_return ok();
}

bool only_keys(const pb::Message& message) {
  pb::Message rest = message;
  rest.clear_sender_key_distribution_message();
  rest.clear_message_context_info();
  return rest.ByteSizeLong() == 0;
}

}  // namespace

std::string ciphertext_hash(const Node& stanza) {
  Bytes all;
  for (const Node* enc : stanza.all("enc")) {
    append(all, signal::sha256(enc->content_bytes()));
  }
  return to_hex(signal::sha256(all));
}

awaitable<Result<DecryptOutcome>> decrypt_stanza(Engine& engine, Change& change, const Node& stanza,
                                                 const MessageInfo& info) {
  Decrypted out;
  CO_TRY(const Jid device, co_await signal_jid(change, info.sender));
  auto encs = stanza.all("enc");
  if (encs.size() > kMaxEncs) encs.resize(kMaxEncs);
  // Pairwise first: they may carry the sender key of the skmsg in the same stanza.
  std::stable_sort(encs.begin(), encs.end(), [](const Node* a, const Node* b) {
    return (a->attr("type") != "skmsg") > (b->attr("type") != "skmsg");
  });
  bool understood = false;
  for (const Node* enc : encs) {
    const std::string type = enc->attr("type");
    Result<PlainOutcome> tried = PlainOutcome(Bytes());
    if (type == "pkmsg") {
      tried = co_await open_prekey_message(engine, change, stanza, enc->content_bytes(), device);
    } else if (type == "msg") {
      tried = co_await open_message(engine, change, enc->content_bytes(), device);
    } else if (type == "skmsg") {
      tried = co_await open_group_message(change, enc->content_bytes(), info.chat, device);
    } else {
      continue;
    }
    understood = true;
    CO_TRY(auto plain, std::move(tried));
    if (!plain) {
      if (plain.error().error.is(signal::SignalError::duplicate)) {
        out.duplicate = true;
        continue;
      }
      co_return DecryptOutcome(tl::unexpected<DecryptFailure>(plain.error()));
    }
    const bool padded = enc->attr("v") != "3";
    auto bytes = padded ? signal::unpad(std::move(*plain)) : Result<Bytes>(std::move(*plain));
    pb::Message message;
    if (!bytes || !message.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()))) {
      const Error error(signal::SignalError::invalid_message, "plaintext of an enc");
      DecryptFailure failure{error, 0, false, true};
      co_return DecryptOutcome(tl::unexpected<DecryptFailure>(failure));
    }
    CO_TRY_VOID(co_await take_sender_key(change, message, info, device));
    if (!only_keys(message)) {
      out.message = std::move(message);
      out.has_content = true;
    }
  }
  if (!understood) {
    const Error error(signal::SignalError::no_session, "no enc of a known type");
    DecryptFailure failure{error, kReasonNoSession, true, false};
    co_return DecryptOutcome(tl::unexpected<DecryptFailure>(failure));
  }
  co_return DecryptOutcome(std::move(out));
}

}  // namespace wab::session
