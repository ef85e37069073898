#include "tests/sandbox/message_checks.h"

#include "session/signal/kdf.h"
#include "session/signal/messages.h"

namespace wab::sandbox {
namespace {

constexpr size_t kRememberedCounters = 200'000;

bool used_before(Device& self, const std::string& key, ByteView bytes) {
  if (self.counters.size() > kRememberedCounters) self.counters.clear();
  const auto hash = signal::sha256(bytes);
  const auto [place, fresh] = self.counters.emplace(key, to_bytes(ByteView(hash)));
  return !fresh && place->second != to_bytes(ByteView(hash));
}

}  // namespace

Verdict judge_enc(const node::Node& enc, bool group) {
  const std::string type = enc.attr("type");
  if (enc.attr("v") != "2") return {479, rule::kEncAttributes, "enc without v=2"};
  if (group ? type != "skmsg" : type != "msg" && type != "pkmsg") {
    return {479, rule::kEncAttributes, "enc type '" + type + "' does not belong here"};
  }
  const ByteView bytes = enc.content_bytes();
  if (bytes.empty() || std::holds_alternative<std::string>(enc.content)) {
    return {479, rule::kEncAttributes, "enc without bytes"};
  }
  bool parses = false;
  if (type == "msg") parses = signal::read_signal_message(bytes).has_value();
  if (type == "pkmsg") parses = signal::read_prekey_message(bytes).has_value();
  if (type == "skmsg") parses = signal::read_sender_key_message(bytes).has_value();
  if (!parses) return {479, rule::kEncBytes, "enc is not a " + type};
  return Verdict::good();
}

Verdict judge_participants(Service& service, const Device& self, const node::Node& message,
                           std::string_view server,
                           const std::function<bool(const Account&)>& may_address,
                           bool own_is_harmless, std::vector<Addressed>& out) {
  const node::Node* participants = message.child("participants");
  if (participants == nullptr) return Verdict::good();
  std::set<DeviceJid> seen;
  for (const node::Node& to : participants->children()) {
    const auto jid = to.jid("jid");
    if (to.tag != "to" || !jid || jid->user.empty()) {
      return {400, rule::kParticipants, "participants holds something else than <to jid>"};
    }
    const bool hosted = jid->is_hosted();
    if (!hosted && jid->server != server) {
      return {400, rule::kMixedNamespaces, jid->text() + " is not in @" + std::string(server)};
    }
    Device* device = service.device(*jid);
    if (device == nullptr) {
      return {400, rule::kParticipants, "no such device: " + jid->text()};
    }
    if (device == &self && own_is_harmless) continue;
    if (device == &self) return {400, rule::kParticipants, "the sender addresses itself"};
    if (!may_address(*device->account)) {
      return {400, rule::kParticipants, "device of a stranger to this chat: " + jid->text()};
    }
    if (!seen.insert(device->jid).second) {
      return {400, rule::kParticipants, "device addressed twice: " + jid->text()};
    }
    if (to.all("enc").size() != 1) {
      return {400, rule::kParticipants, "not exactly one enc for " + jid->text()};
    }
    const node::Node* enc = to.child("enc");
    const Verdict verdict = judge_enc(*enc, false);
    if (verdict.code != 0) return verdict;
    out.push_back({device, enc});
  }
  return Verdict::good();
}

Verdict judge_device_identity(const Device& self, const node::Node& message, bool has_pkmsg) {
  if (self.jid.device == 0 || !has_pkmsg) return Verdict::good();
  const node::Node* identity = message.child("device-identity");
  if (identity == nullptr) return {479, rule::kDeviceIdentity, "pkmsg without device-identity"};
  if (!device_identity_verifies(identity->content_bytes(), self.keys.identity,
                                self.account->identity.pub)) {
    return {479, rule::kDeviceIdentity, "device-identity does not verify"};
  }
  return Verdict::good();
}

Verdict judge_extras(const node::Node& message) {
  if (message.all("biz").size() > 1 || message.all("bot").size() > 1) {
    return {479, rule::kTwoOfOne, "two biz or two bot nodes"};
  }
  if (const node::Node* reporting = message.child("reporting")) {
    const node::Node* token = reporting->child("reporting_token");
    if (token == nullptr || token->content_bytes().size() != 16 ||
        std::holds_alternative<std::string>(token->content)) {
      return {479, rule::kMessageShape, "reporting_token is not 16 bytes"};
    }
  }
  return Verdict::good();
}

void inspect_pairwise(Service& service, const Connection& connection, Device& target,
                      const node::Node& enc) {
  Bytes inner = to_bytes(enc.content_bytes());
  if (enc.attr("type") == "pkmsg") {
    const auto message = signal::read_prekey_message(inner);
    if (!message) return;
    KeyBundle& keys = target.keys;
    if (!keys.signed_ids.contains(message->signed_id)) {
      service.violation(rule::kPreKeyId, &connection,
                        "pkmsg names signed prekey " + std::to_string(message->signed_id) +
                            ", which " + target.jid.text() + " never declared");
    }
    if (message->one_time_id) {
      const uint32_t id = *message->one_time_id;
      if (!keys.handed_out.contains(id)) {
        service.violation(rule::kPreKeyId, &connection,
                          "pkmsg names a prekey that was not handed out: " + std::to_string(id));
      }
      const Bytes base = to_bytes(ByteView(message->base_key));
      const auto [place, fresh] = keys.consumed.emplace(id, base);
      if (!fresh && place->second != base) {
        service.violation(rule::kPreKeyId, &connection,
                          "prekey used by two sessions: " + std::to_string(id));
      }
    }
    inner = message->message;
  }
  const auto message = signal::read_signal_message(inner);
  if (!message) return;
  const std::string key = target.jid.text() + " " + to_hex(message->message.ratchet) + " " +
                          std::to_string(message->message.counter);
  if (used_before(*connection.device, key, inner)) {
    service.violation(rule::kCounterReuse, &connection, "ratchet counter used twice: " + key);
  }
}

void inspect_group(Service& service, const Connection& connection, const node::Jid& group,
                   const node::Node& enc) {
  const auto message = signal::read_sender_key_message(enc.content_bytes());
  if (!message) return;
  const std::string key = group.text() + " " + std::to_string(message->message.chain_id) + " " +
                          std::to_string(message->message.iteration);
  if (used_before(*connection.device, key, enc.content_bytes())) {
    service.violation(rule::kIterationReuse, &connection,
                      "sender-key iteration used twice: " + key);
  }
}

}  // namespace wab::sandbox
