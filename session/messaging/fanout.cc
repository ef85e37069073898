#include "session/messaging/fanout.h"

#include <algorithm>

#include "session/messaging/signal_store.h"
#include "session/signal/kdf.h"
#include "session/signal/padding.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using node::Jid;
using node::Node;

Node enc_node(const signal::Encrypted& encrypted) {
  Node enc("enc");
  enc.set("v", "2").set("type", encrypted.prekey ? "pkmsg" : "msg");
  enc.bytes(ByteView(encrypted.bytes));
  return enc;
}

}  // namespace

awaitable<Result<std::vector<Jid>>> without_session(Change& change, std::vector<Jid> devices) {
  std::vector<Jid> out;
  for (const auto& device : devices) {
    CO_TRY(const Jid address, co_await signal_jid(change, device));
    CO_TRY(auto record, co_await load_session(change, address));
    if (!signal::has_session(record)) out.push_back(device);
  }
  co_return out;
}

awaitable<Result<Fanout>> encrypt_for_devices(Engine& engine, Change& change,
                                              const std::vector<FanoutTarget>& targets,
                                              const std::map<Jid, signal::PreKeyBundle>& bundles) {
  Fanout out;
  for (const auto& target : targets) {
    CO_TRY(const Jid address, co_await signal_jid(change, target.device));
    CO_TRY(auto record, co_await load_session(change, address));
    if (const auto it = bundles.find(target.device);
        it != bundles.end() && !signal::has_session(record)) {
      const auto started =
          signal::start_outgoing(record, engine.me.signal, it->second, engine.ctx.random());
      if (!started) continue;
      store_identity(change, address, it->second.identity);
    }
    const Bytes padded = signal::pad(target.plaintext, engine.ctx.random());
    auto encrypted = signal::encrypt(record, engine.me.signal, padded);
    if (!encrypted) {
      log_warn("session.device_skipped", {{"session", engine.ctx.scope().session().text()},
                                          {"error", encrypted.error().describe()}});
      continue;
    }
    store_session(change, address, record);
    out.any_prekey = out.any_prekey || encrypted->prekey;
    Node to("to");
    to.set("jid", target.device);
    to.add(enc_node(*encrypted));
    out.to.push_back(std::move(to));
    out.reached.push_back(target.device);
  }
  co_return out;
}

awaitable<Result<Node>> encrypt_one(Engine& engine, Change& change, Jid device, Bytes plaintext,
                                    bool* is_prekey) {
  CO_TRY(const Jid address, co_await signal_jid(change, device));
  CO_TRY(auto record, co_await load_session(change, address));
  const Bytes padded = signal::pad(plaintext, engine.ctx.random());
  CO_TRY(const auto encrypted, signal::encrypt(record, engine.me.signal, padded));
  store_session(change, address, record);
  *is_prekey = encrypted.prekey;
  co_return enc_node(encrypted);
}

std::string participant_hash(std::vector<Jid> devices) {
  std::vector<std::string> texts;
  texts.reserve(devices.size());
  for (const auto& jid : devices) {
    texts.push_back(jid.user + ".0:" + std::to_string(jid.device) + "@" + jid.server);
  }
  std::sort(texts.begin(), texts.end());
  std::string all;
  for (const auto& text : texts) all += text;
  const auto digest = signal::sha256(view(all));
  return "2:" + to_base64(ByteView(digest).first(6));
}

std::string make_message_id(UnixSeconds now, const Jid& own_pn, Random& random) {
  Bytes input;
  put_be64(input, static_cast<uint64_t>(now));
  append(input, view(own_pn.user + "@c.us"));
  append(input, random.bytes(16));
  std::string hex = to_hex(ByteView(signal::sha256(input)).first(9));
  std::transform(hex.begin(), hex.end(), hex.begin(),
                 [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
  return "3EB0" + hex;
}

}  // namespace wab::session
