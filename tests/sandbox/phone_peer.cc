// Between the devices of one account: what a phone tells a new companion and what companions ask
// their phone (dossier 2 sections 6.8 and 8.7, dossier 3 section 1.2).
#include <algorithm>

#include "tests/sandbox/keys.h"
#include "tests/sandbox/phone_arrived.h"
#include "tests/sandbox/rules.h"

namespace wab::sandbox {
namespace {

// ProtocolMessage.type, and the field that goes with it.
constexpr uint64_t kKeyShare = 6;
constexpr uint64_t kKeyRequest = 7;
constexpr uint64_t kOperationRequest = 16;
constexpr uint64_t kOperationResponse = 17;
constexpr uint64_t kPlaceholderResend = 4;

Bytes one(uint32_t number, ByteView value) {
  Bytes out;
  put_field(out, number, value);
  return out;
}

Bytes protocol_message(uint64_t type, uint32_t field, ByteView value) {
  Bytes protocol;
  put_field(protocol, 2, type);
  put_field(protocol, field, value);
  return one(12, protocol);
}

}  // namespace

void Phone::on_paired(uint16_t device) {
  person(my_jid(true)).fresh = false;
  unwelcomed_.insert(device);
}

// A companion has no keys before its first login; until then there is nothing to encrypt with.
void Phone::welcome() {
  if (unwelcomed_.empty()) return;
  for (const DeviceInfo& info : world_.devices(account_)) {
    const uint16_t device = info.jid.device;
    if (info.prekeys == 0 || unwelcomed_.erase(device) == 0) continue;
    share_app_state_key(device);
  }
}

void Phone::send_peer(uint16_t device, Bytes message, std::string again, int count) {
  const node::Jid to = my_jid(account_.lid_migrated).with_device(device);
  const auto go = [this, to, message = std::move(message), again = std::move(again), count] {
    auto enc = encrypt_to(to, message);
    if (!enc) return;
    if (!again.empty()) enc->set("count", count);
    SentMessage entry;
    entry.id = again.empty() ? new_message_id() : again;
    entry.to = to;
    entry.message = message;
    entry.peer = true;
    entry.t = world_.now_s();
    if (SentMessage* before = find_sent(again)) entry.retries = before->retries;
    node::Node stanza("message");
    stanza.set("id", entry.id).set("to", to).set("type", "text").set("category", "peer");
    stanza.set("push_priority", "high");
    stanza.add(node::Node("meta").set("appdata", "default")).add(std::move(*enc));
    if (again.empty()) sent_order_.push_back(entry.id);
    SentMessage& kept = sent_[entry.id] = std::move(entry);
    dispatch(kept, std::move(stanza));
  };
  if (keys_.has_session(address(to))) return go();
  ask_keys({to}, "", go);
}

void Phone::share_app_state_key(uint16_t device) {
  if (app_state_key_.empty()) {
    app_state_key_id_ = world_.random().bytes(6);
    app_state_key_ = world_.random().bytes(32);
  }
  Bytes fingerprint;
  put_field(fingerprint, 1, account_.registration_id);
  put_field(fingerprint, 2, account_.next_key_index - 1);
  Bytes data = one(1, app_state_key_);
  put_field(data, 2, ByteView(fingerprint));
  put_field(data, 3, static_cast<uint64_t>(world_.now_ms()));
  Bytes key = one(1, one(1, app_state_key_id_));
  put_field(key, 2, ByteView(data));
  send_peer(device, protocol_message(kKeyShare, 7, one(1, key)));
}

void Phone::take_peer(const Arrived& arrived, ByteView message) {
  if (!arrived.own) return report(rule::kPeer, arrived.sender, "peer message from another account");
  const auto protocol = read_protocol(message);
  if (!protocol) {
    return report(rule::kPeer, arrived.sender, "peer message without a protocolMessage");
  }
  const auto fields = Fields::parse(protocol->bytes);
  if (!fields) return;
  if (protocol->type == kKeyRequest) return share_app_state_key(arrived.sender.device);
  if (protocol->type != kOperationRequest) return;
  const auto request = fields->message(16);
  if (!request || request->number(1).value_or(0) != kPlaceholderResend) return;

  Bytes response;
  put_field(response, 1, kPlaceholderResend);
  put_field(response, 2, view(arrived.id));
  for (const Field& field : request->all()) {
    if (field.number != 5) continue;
    const auto wanted = Fields::parse(field.bytes);
    const auto key = wanted ? wanted->message(1) : std::nullopt;
    const InboxMessage* found = key ? find_message(key->text(3)) : nullptr;
    if (found == nullptr) continue;
    Bytes web = one(1, *wanted->bytes(1));
    put_field(web, 2, ByteView(found->message));
    put_field(web, 3, static_cast<uint64_t>(found->timestamp));
    if (!key->text(4).empty()) put_field(web, 5, view(key->text(4)));
    put_field(response, 3, ByteView(one(4, one(1, web))));
  }
  send_peer(arrived.sender.device, protocol_message(kOperationResponse, 17, response));
}

}  // namespace wab::sandbox
