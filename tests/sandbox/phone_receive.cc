// From a message stanza to the inbox, and the judgement of what only a receiver can see (dossier 2
// sections 8 and 13.7).
#include <algorithm>

#include "session/signal/kdf.h"
#include "session/signal/padding.h"
#include "tests/sandbox/keys.h"
#include "tests/sandbox/phone_arrived.h"
#include "tests/sandbox/rules.h"

namespace wab::sandbox {
namespace {

constexpr size_t kMaxInbox = 20'000;
constexpr size_t kMaxSeen = 20'000;

}  // namespace

void Phone::receive(const node::Node& stanza) {
  const auto from = stanza.jid("from");
  if (!from) return;
  const auto participant = stanza.jid("participant");
  const auto recipient = stanza.jid("recipient");
  learn(from, stanza.jid("sender_pn"));
  learn(from, stanza.jid("sender_lid"));
  learn(participant, stanza.jid("participant_pn"));
  learn(participant, stanza.jid("participant_lid"));
  learn(recipient, stanza.jid("peer_recipient_pn"));
  learn(recipient, stanza.jid("peer_recipient_lid"));

  Arrived arrived{stanza};
  arrived.id = stanza.attr("id");
  arrived.from = *from;
  arrived.group = from->is_group() || from->is_broadcast();
  if (arrived.group && !participant) return acknowledge(stanza, 487);
  arrived.sender = arrived.group ? *participant : *from;
  arrived.own = is_me(arrived.sender);
  arrived.peer = stanza.attr("category") == "peer";
  arrived.chat = arrived.group ? *from
                 : arrived.own ? recipient.value_or(*from).bare()
                               : from->bare();
  arrived.t = static_cast<UnixSeconds>(stanza.number("t").value_or(0));
  arrived.key =
      shown(arrived.chat).text() + " " + shown(arrived.sender.bare()).text() + " " + arrived.id;

  std::vector<const node::Node*> encs = stanza.all("enc");
  if (encs.empty()) return acknowledge(stanza);  // unavailable and other placeholders
  // Pairwise first: it may bring the sender key for the other one.
  std::stable_partition(encs.begin(), encs.end(),
                        [](const node::Node* enc) { return enc->attr("type") != "skmsg"; });
  for (const node::Node* enc : encs) {
    if (!open(arrived, *enc)) return;
  }
  retry_counts_.erase(arrived.key);
  send_receipt(arrived);
}

// False: the stanza was answered, nothing more is to be done with it.
bool Phone::open(const Arrived& arrived, const node::Node& enc) {
  const std::string type = enc.attr("type");
  const std::string who = address(arrived.sender);
  const ByteView bytes = enc.content_bytes();
  Result<Bytes> padded = Bytes{};
  if (type == "skmsg") {
    padded = keys_.group_decrypt(arrived.from.text(), who, bytes);
  } else if (type == "pkmsg" || type == "msg") {
    auto opened = keys_.decrypt(who, type == "pkmsg", bytes);
    if (opened) {
      excused_.erase(who);
      if (opened->prekey) check_identity(arrived, opened->identity);
      padded = std::move(opened->padded);
    } else {
      padded = fail(opened.error());
    }
  } else {
    report(rule::kEncAttributes, arrived.sender, "enc of type " + type + " in " + arrived.id);
    acknowledge(arrived.stanza, 490);
    return false;
  }
  if (!padded) {
    const Error error = padded.error();
    if (error.is(signal::SignalError::duplicate)) return true;  // redelivered: receipt again
    // A lost sender key heals by itself; so does what we lost on purpose.
    const bool expected = error.is(signal::SignalError::no_sender_key) || excused_.contains(who) ||
                          was_unreadable(arrived);
    if (!expected) {
      report(rule::kDecryption, arrived.sender,
             type + " " + arrived.id + " does not decrypt: " + error.describe());
    }
    ask_again(arrived, signal::retry_reason(error));
    return false;
  }
  auto plain = signal::unpad(std::move(*padded));
  if (!plain) {
    report(rule::kDecryption, arrived.sender, "padding of " + arrived.id + " is not 1 to 16");
    acknowledge(arrived.stanza, 491);
    return false;
  }
  if (!understand(*plain).well_formed) {
    report(rule::kDecryption, arrived.sender, arrived.id + " is not a Message");
    acknowledge(arrived.stanza, 491);
    return false;
  }
  accept(arrived, enc, std::move(*plain));
  return true;
}

bool Phone::was_unreadable(const Arrived& arrived) const {
  return retry_counts_.contains(arrived.key);
}

// A companion proves with every pkmsg that its account let it in (dossier 2 section 4.5).
void Phone::check_identity(const Arrived& arrived, const Key32& identity) {
  if (arrived.sender.device == 0) return;
  const node::Node* proof = arrived.stanza.child("device-identity");
  if (proof == nullptr) {
    report(rule::kDeviceIdentity, arrived.sender,
           "pkmsg " + arrived.id + " has no device-identity");
    return;
  }
  const auto account = arrived.own ? std::optional(keys_.identity())
                                   : keys_.remote_identity(address(arrived.sender.with_device(0)));
  const auto blob = Fields::parse(proof->content_bytes());
  const auto named = blob ? to_array<32>(blob->copy(2)) : std::nullopt;
  const auto key = account ? account : named;
  if (!key || !device_identity_verifies(proof->content_bytes(), identity, *key)) {
    report(rule::kDeviceIdentity, arrived.sender,
           "device-identity of " + arrived.id + " does not verify");
  }
}

void Phone::accept(const Arrived& arrived, const node::Node& enc, Bytes message) {
  if (const auto key = read_distribution(message)) {
    if (!arrived.group || key->group != arrived.from.text()) {
      report(rule::kDecryption, arrived.sender, "sender key for another chat in " + arrived.id);
    } else if (!keys_.learn(key->group, address(arrived.sender), key->axolotl)) {
      report(rule::kDecryption, arrived.sender, "malformed sender key in " + arrived.id);
    }
  }
  if (arrived.peer) {
    // Baileys wraps what it sends to its own phone like any own copy, and phones take it.
    if (auto inner = read_device_sent(message)) message = std::move(inner->message);
    return take_peer(arrived, message);
  }

  // Own copies of direct messages, and nothing else, come wrapped.
  const bool own_copy = arrived.own && !arrived.group;
  auto wrapped = read_device_sent(message);
  if (own_copy && !wrapped) {
    report(rule::kDeviceSent, arrived.sender, "own copy " + arrived.id + " is not wrapped");
  } else if (!own_copy && wrapped) {
    report(rule::kDeviceSent, arrived.sender, arrived.id + " is wrapped but no own copy");
  } else if (own_copy) {
    const auto recipient = arrived.stanza.jid("recipient");
    if (!recipient || wrapped->destination != recipient->text()) {
      report(rule::kDeviceSent, arrived.sender,
             "own copy " + arrived.id + " is for " + wrapped->destination);
    }
  }
  if (wrapped) message = std::move(wrapped->message);

  const Understood what = understand(message);
  if (what.kind == "revoke" && enc.attr("decrypt-fail") == "hide") {
    report(rule::kHiddenRevoke, arrived.sender, "revocation " + arrived.id + " is hidden");
  }
  if ((what.kind == "poll" || what.kind == "event") && !what.has_secret) {
    report(rule::kDecryption, arrived.sender, what.kind + " " + arrived.id + " has no secret");
  }
  if (!what.kind.empty()) add_to_inbox(arrived, std::move(message));
}

void Phone::add_to_inbox(const Arrived& arrived, Bytes message) {
  // The secret is made anew by some clients for a resend; the content decides.
  const Understood what = understand(message);
  const auto hash = signal::sha256_parts(
      {view(what.kind), view("\n"), view(what.text), view("\n"), view(what.target)});
  const auto [known, fresh] = seen_.emplace(arrived.key, to_bytes(ByteView(hash)));
  if (!fresh) {
    if (!std::ranges::equal(known->second, hash)) {
      report(rule::kIdReuse, arrived.sender, "two contents under the id " + arrived.id);
    }
    return;
  }
  seen_order_.push_back(arrived.key);
  if (seen_order_.size() > kMaxSeen) {
    seen_.erase(seen_order_.front());
    seen_order_.pop_front();
  }
  InboxMessage entry;
  entry.seq = ++seq_;
  entry.id = arrived.id;
  entry.chat = shown(arrived.chat);
  entry.sender = shown(arrived.sender);
  entry.wire_chat = arrived.chat;
  entry.wire_sender = arrived.sender;
  entry.from_me = arrived.own;
  entry.content = what;
  entry.message = std::move(message);
  entry.timestamp = arrived.t;
  inbox_.push_back(std::move(entry));
  if (inbox_.size() > kMaxInbox) inbox_.pop_front();
}

// Dossier 2 section 9.2.
void Phone::send_receipt(const Arrived& arrived) {
  node::Node receipt("receipt");
  receipt.set("id", arrived.id);
  if (arrived.peer) {
    receipt.set("to", my_jid(arrived.from.is_lid())).set("type", "peer_msg");
  } else if (arrived.group) {
    if (arrived.own) return acknowledge(arrived.stanza);
    receipt.set("to", arrived.from).set("participant", arrived.sender);
    if (arrived.from.is_broadcast()) receipt.set("context", "status");
  } else if (arrived.own) {
    const auto recipient = arrived.stanza.jid("recipient");
    if (!recipient) return acknowledge(arrived.stanza);
    receipt.set("to", arrived.from).set("type", "sender").set("recipient", recipient->bare());
  } else {
    receipt.set("to", arrived.from);
  }
  submit(std::move(receipt));
}

bool Phone::mark(const std::string& id, const std::string& type) {
  const InboxMessage* message = find_message(id);
  if (message == nullptr || message->from_me) return false;
  node::Node receipt("receipt");
  receipt.set("id", id).set("to", message->wire_chat).set("type", type);
  receipt.set("t", std::to_string(world_.now_s()));
  if (message->chat.is_group()) receipt.set("participant", message->wire_sender.bare());
  submit(std::move(receipt));
  return true;
}

}  // namespace wab::sandbox
