// Messages that could not be read, from both ends (dossier 2 sections 8.5 and 8.6).
#include <algorithm>

#include "tests/sandbox/keys.h"
#include "tests/sandbox/phone_arrived.h"
#include "tests/sandbox/rules.h"

namespace wab::sandbox {
namespace {

constexpr int kMostRetries = 4;   // that we ask for
constexpr int kMostResends = 10;  // per requester and message
constexpr size_t kMaxCounts = 4'000;

}  // namespace

void Phone::ask_again(const Arrived& arrived, int reason) {
  int before = 0;
  for (const node::Node* enc : arrived.stanza.all("enc")) {
    before = std::max(before, static_cast<int>(enc->number("count").value_or(0) & 0xFF));
  }
  if (retry_counts_.size() > kMaxCounts) retry_counts_.clear();
  int& count = retry_counts_[arrived.key];
  count = std::max(count, before) + 1;
  if (count > kMostRetries) return acknowledge(arrived.stanza);

  node::Node retry("retry");
  retry.set("v", "1").set("count", count).set("id", arrived.id).set("t", arrived.stanza.attr("t"));
  if (reason != 0) retry.set("error", reason);
  node::Node receipt("receipt");
  receipt.set("id", arrived.id).set("to", arrived.from).set("type", "retry");
  if (arrived.group) {
    receipt.set("participant", arrived.sender);
  } else if (arrived.peer) {
    receipt.set("category", "peer");
  } else if (const auto recipient = arrived.stanza.jid("recipient")) {
    receipt.set("recipient", *recipient);
  }
  receipt.add(std::move(retry)).add(keys_.registration_node());
  if (count >= 2) receipt.add(keys_.retry_keys());
  submit(std::move(receipt));
  acknowledge(arrived.stanza);
}

void Phone::handle_retry(const node::Node& receipt) {
  const auto from = receipt.jid("from");
  const node::Node* retry = receipt.child("retry");
  if (!from || retry == nullptr) return;
  const std::string id = receipt.attr("id");
  const node::Jid requester = receipt.jid("participant").value_or(*from);
  const int count = static_cast<int>(std::min<uint64_t>(retry->number("count").value_or(1), 99));
  SentMessage* message = find_sent(id);
  if (message == nullptr || count > kMostRetries) return;
  if (++message->retries[requester.text()] > kMostResends) return;
  if (message->to.is_group()) keys_.holders(message->to.text()).erase(address(requester));
  if (!repair(address(requester), receipt, count, requester)) return;
  if (message->peer) return send_peer(requester.device, message->message, id, count);
  const auto again = [this, id, to = *from, requester, count] { resend(id, to, requester, count); };
  if (keys_.has_session(address(requester))) return again();
  ask_keys({requester}, "retry", again);
}

// Afterwards there is a good session, or none. False: the keys in the receipt are worthless.
bool Phone::repair(const std::string& address, const node::Node& receipt, int count,
                   const node::Jid& requester) {
  const node::Node* registration = receipt.child("registration");
  const ByteView number = registration == nullptr ? ByteView{} : registration->content_bytes();
  const uint32_t registration_id = number.size() == 4 ? read_be32(number) : 0;
  if (const node::Node* keys = receipt.child("keys")) {
    const auto bundle = read_bundle(*keys, registration_id);
    if (!bundle || !bundle->one_time || registration_id == 0) {
      report(rule::kRetryReceipt, requester, "malformed keys in a retry receipt");
      return false;
    }
    if (!keys_.start(address, *bundle)) {
      report(rule::kRetryReceipt, requester, "keys in a retry receipt are not signed");
      return false;
    }
    return true;
  }
  const std::string place = address + " " + receipt.attr("id");
  const auto base = keys_.base_key(address);
  if (keys_.remote_registration(address) != registration_id) {
    keys_.archive(address);
  } else if (count == 2 && base) {
    if (retry_base_.size() > kMaxCounts) retry_base_.clear();
    retry_base_[place] = *base;
    keys_.archive(address);
  } else if (count > 2 && base) {
    const auto known = retry_base_.find(place);
    if (known != retry_base_.end() && known->second == *base) keys_.archive(address);
  }
  return true;
}

void Phone::resend(const std::string& id, const node::Jid& to, const node::Jid& requester,
                   int count) {
  SentMessage* message = find_sent(id);
  if (message == nullptr) return;
  const Announcement how = announce(message->message);
  const bool group = message->to.is_group();
  Bytes plaintext = message->message;
  if (group) {
    const std::string name = message->to.text();
    if (const auto key = keys_.own_distribution(name)) {
      plaintext = with_distribution(std::move(plaintext), name, *key);
    }
  } else if (is_me(requester)) {
    plaintext = device_sent_message(message->to.text(), message->message);
  }
  auto enc = encrypt_to(requester, plaintext);
  if (!enc) return;
  enc->set("count", count);
  enc->set("mediatype", how.mediatype);
  if (how.hide) enc->set("decrypt-fail", "hide");

  node::Node stanza("message");
  stanza.set("id", id).set("to", to).set("type", how.type).set("edit", how.edit);
  stanza.set("t", std::to_string(message->t));
  if (group) {
    stanza.set("participant", requester);
    stanza.set("addressing_mode", requester.is_lid() ? "lid" : "pn");
  } else {
    stanza.set("device_fanout", "false");
    if (is_me(requester)) stanza.set("recipient", message->to);
  }
  stanza.add(std::move(*enc));
  submit(std::move(stanza));
}

}  // namespace wab::sandbox
