#include "tests/sandbox/phone.h"

#include <algorithm>

#include "tests/sandbox/keys.h"

namespace wab::sandbox {
namespace {

constexpr size_t kPrekeysPerUpload = 30;
constexpr UnixMillis kAnswerWithin = 10'000;
constexpr int kTries = 3;
constexpr size_t kMaxReceipts = 20'000;

}  // namespace

Phone::Phone(Phones& owner, World& world, Account& account)
    : owner_(owner),
      world_(world),
      account_(account),
      keys_(account.identity, account.registration_id, world.random()),
      me_{account.pn, 0},
      id_prefix_(world.random().u32() & 0xFFFF) {
  learn(my_jid(false), my_jid(true));
}

void Phone::deliver(const node::Node& stanza) {
  in_.push_back(stanza);
  owner_.ready(*this);
}

void Phone::begin() { owner_.ready(*this); }

void Phone::work() {
  if (!begun_) {
    begun_ = true;
    upload_prekeys();
  }
  while (!in_.empty()) {
    const node::Node stanza = std::move(in_.front());
    in_.pop_front();
    handle(stanza);
  }
  advance();
}

void Phone::tick() {
  welcome();
  const UnixMillis now = world_.now_ms();
  std::vector<Answer> given_up;
  std::vector<node::Node> again;
  for (auto it = asked_.begin(); it != asked_.end();) {
    Asked& asked = it->second;
    if (now >= asked.deadline && asked.tries >= kTries) {
      given_up.push_back(std::move(asked.done));
      it = asked_.erase(it);
      continue;
    }
    if (now >= asked.deadline) {
      ++asked.tries;
      asked.deadline = now + kAnswerWithin;
      again.push_back(asked.iq);
    }
    ++it;
  }
  for (auto it = unacknowledged_.begin(); it != unacknowledged_.end();) {
    Unacknowledged& waiting = it->second;
    if (now >= waiting.deadline && waiting.tries >= kTries) {
      if (SentMessage* message = find_sent(it->first)) refuse(*message, "no ack");
      it = unacknowledged_.erase(it);
      continue;
    }
    if (now >= waiting.deadline) {
      ++waiting.tries;
      waiting.deadline = now + kAnswerWithin;
      again.push_back(waiting.stanza);
    }
    ++it;
  }
  for (node::Node& stanza : again) submit(std::move(stanza));
  for (const Answer& done : given_up) done(nullptr);
  if (!given_up.empty()) owner_.ready(*this);
}

bool Phone::idle() const {
  return in_.empty() && asked_.empty() && unacknowledged_.empty() && to_send_.empty();
}

void Phone::submit(node::Node stanza) { world_.submit(me_, std::move(stanza)); }

void Phone::handle(const node::Node& stanza) {
  if (stanza.tag == "message") return receive(stanza);
  if (stanza.tag == "receipt") return handle_receipt(stanza);
  if (stanza.tag == "notification") return handle_notification(stanza);
  if (stanza.tag == "call") return acknowledge(stanza);
  if (stanza.tag == "ack") return handle_message_ack(stanza);
  if (stanza.tag != "iq") return;  // presence, ib, ...: nothing to answer

  const std::string type = stanza.attr("type");
  if (type == "result" || type == "error") {
    auto found = asked_.extract(stanza.attr("id"));
    if (!found.empty()) found.mapped().done(type == "result" ? &stanza : nullptr);
    return;
  }
  node::Node answer("iq");
  answer.set("to", node::Jid::server_jid()).set("type", "result").set("id", stanza.attr("id"));
  if (type == "get" || type == "set") submit(std::move(answer));
}

node::Node Phone::iq(const char* type, const char* xmlns, const node::Jid& to) const {
  node::Node out("iq");
  out.set("to", to).set("type", type).set("xmlns", xmlns);
  return out;
}

void Phone::ask(node::Node iq, Answer done) {
  const std::string id = new_id();
  iq.set("id", id);
  // Only questions are repeated: a second upload would offer the same keys again.
  const int tries = iq.attr("type") == "get" ? 1 : kTries;
  asked_[id] = Asked{iq, std::move(done), world_.now_ms() + kAnswerWithin, tries};
  submit(std::move(iq));
}

std::string Phone::new_id() {
  return std::to_string(id_prefix_ >> 8) + "." + std::to_string(id_prefix_ & 0xFF) + "-" +
         std::to_string(next_id_++);
}

std::string Phone::new_message_id() {
  std::string hex = to_hex(world_.random().bytes(9));
  std::ranges::transform(hex, hex.begin(),
                         [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
  return "3EB0" + hex;
}

// Dossier 1 section 13.1: which attributes come back.
void Phone::acknowledge(const node::Node& stanza, int error) {
  const auto from = stanza.jid("from");
  if (!from || !stanza.has("id")) return;
  node::Node ack("ack");
  ack.set("class", stanza.tag).set("id", stanza.attr("id")).set("to", *from);
  const auto participant = stanza.jid("participant");
  if (participant && !(stanza.tag == "receipt" && *participant == *from)) {
    ack.set("participant", *participant);
  }
  if (const auto recipient = stanza.jid("recipient")) ack.set("recipient", *recipient);
  const bool identity_change = stanza.tag == "notification" && stanza.child("identity") != nullptr;
  if (!identity_change) ack.set("type", stanza.attr("type"));
  if (stanza.tag == "message") ack.set("from", my_jid(false));
  if (error != 0) ack.set("error", error);
  submit(std::move(ack));
}

void Phone::upload_prekeys() {
  if (uploading_) return;
  uploading_ = true;
  node::Node request = iq("set", "encrypt", node::Jid::server_jid());
  for (node::Node& child : keys_.upload(kPrekeysPerUpload)) request.add(std::move(child));
  ask(std::move(request), [this](const node::Node*) { uploading_ = false; });
}

void Phone::handle_notification(const node::Node& stanza) {
  acknowledge(stanza);
  const std::string type = stanza.attr("type");
  const auto from = stanza.jid("from");
  if (type == "encrypt" && stanza.child("count") != nullptr) return upload_prekeys();
  if (!from) return;
  if (type == "devices" || type == "account_sync") {
    learn(from, stanza.jid("lid"));
    Person& who = person(*from);
    who.fresh = false;
    // A device that left must not be taken for the one that gets its number later, and must not
    // read on in groups.
    for (const node::Node& change : stanza.children()) {
      if (change.tag != "remove") continue;
      for (const node::Node* gone : change.all("device")) {
        if (const auto jid = gone->jid("jid")) keys_.forget(address(*jid));
      }
      for (const auto& [group, info] : groups_) keys_.rotate(group);
    }
  } else if (type == "w:gp2") {
    groups_.erase(from->text());
    if (stanza.child("remove") != nullptr || stanza.child("leave") != nullptr) {
      keys_.rotate(from->text());
    }
  }
}

void Phone::handle_receipt(const node::Node& stanza) {
  const std::string type = stanza.attr("type");
  acknowledge(stanza);
  learn(stanza.jid("participant"), stanza.jid("participant_pn"));
  if (type == "retry") handle_retry(stanza);
  const auto from = stanza.jid("from");
  if (!from) return;

  SeenReceipt seen;
  seen.type = type.empty() ? "delivery" : type;
  seen.from = shown(stanza.jid("participant").value_or(*from));
  seen.chat = shown((is_me(*from) ? stanza.jid("recipient").value_or(*from) : *from).bare());
  seen.t = static_cast<UnixSeconds>(stanza.number("t").value_or(0));
  const auto note = [&](const std::string& id, const node::Jid& by, uint64_t t) {
    SeenReceipt one = seen;
    one.seq = ++seq_;
    one.id = id;
    one.from = by;
    one.t = static_cast<UnixSeconds>(t);
    receipts_.push_back(std::move(one));
    if (receipts_.size() > kMaxReceipts) receipts_.pop_front();
  };
  // Aggregated by message (dossier 2 section 9.5): the stanza's id is only for the ack.
  const auto grouped = stanza.all("participants");
  for (const node::Node* message : grouped) {
    const std::string id = message->has("key") ? message->attr("key") : message->attr("message_id");
    for (const node::Node* user : message->all("user")) {
      const auto by = user->jid("jid");
      if (by) note(id, shown(*by), user->number("t").value_or(static_cast<uint64_t>(seen.t)));
    }
  }
  if (!grouped.empty()) return;
  note(stanza.attr("id"), seen.from, static_cast<uint64_t>(seen.t));
  if (const node::Node* list = stanza.child("list")) {
    for (const node::Node* item : list->all("item")) {
      note(item->attr("id"), seen.from, static_cast<uint64_t>(seen.t));
    }
  }
}

void Phone::handle_message_ack(const node::Node& ack) {
  if (ack.attr("class") != "message") return;
  const std::string id = ack.attr("id");
  unacknowledged_.erase(id);
  SentMessage* message = find_sent(id);
  if (message == nullptr) return;
  if (ack.has("error")) return refuse(*message, "ack error " + ack.attr("error"));
  if (message->state == SentMessage::State::sent) {
    message->state = SentMessage::State::acknowledged;
    message->t =
        static_cast<UnixSeconds>(ack.number("t").value_or(static_cast<uint64_t>(message->t)));
  }
  if (!ack.has("phash")) return;
  // Our picture of the devices is stale (dossier 2 section 6.7): look again before the next send.
  if (message->to.is_group()) {
    groups_.erase(message->to.text());
  }
  for (const auto& who : people_) who->fresh = false;
}

bool Phone::is_me(const node::Jid& jid) const {
  return jid.is_pn() ? jid.user == account_.pn : jid.is_lid() && jid.user == account_.lid;
}

Phone::Person& Phone::person(const node::Jid& jid) {
  auto& index = jid.is_lid() ? by_lid_ : by_pn_;
  Person*& slot = index[jid.user];
  if (slot == nullptr) {
    people_.push_back(std::make_unique<Person>());
    slot = people_.back().get();
    (jid.is_lid() ? slot->lid : slot->pn) = jid.user;
  }
  return *slot;
}

void Phone::learn(const std::optional<node::Jid>& one, const std::optional<node::Jid>& other) {
  if (!one || !other) return;
  const node::Jid& pn = one->is_pn() ? *one : *other;
  const node::Jid& lid = one->is_lid() ? *one : *other;
  if (!pn.is_pn() || !lid.is_lid()) return;
  Person& who = person(lid);
  if (who.pn == pn.user) return;
  // Sessions made under the phone number move to the LID (dossier 2 section 3.4).
  keys_.move_user(pn.bare(), lid.bare());
  Person*& by_number = by_pn_[pn.user];
  if (by_number != nullptr && by_number != &who) by_number->fresh = false;
  who.pn = pn.user;
  by_number = &who;
}

node::Jid Phone::in_form(const node::Jid& jid, bool lid) {
  if (!jid.is_pn() && !jid.is_lid()) return jid;
  if (jid.is_lid() == lid) return jid;
  const Person& who = person(jid);
  const std::string& user = lid ? who.lid : who.pn;
  if (user.empty()) return jid;
  return lid ? node::Jid::lid(user, jid.device) : node::Jid::pn(user, jid.device);
}

std::string Phone::address(const node::Jid& device) {
  return signal_address(in_form(device, true));
}

node::Jid Phone::shown(const node::Jid& jid) { return in_form(jid, false); }

node::Jid Phone::my_jid(bool lid) const {
  return lid ? node::Jid::lid(account_.lid) : node::Jid::pn(account_.pn);
}

void Phone::report(const char* rule, const node::Jid& guilty, std::string text) {
  const node::Jid pn = shown(guilty);
  world_.record(rule, DeviceJid{pn.is_pn() ? pn.user : std::string(), pn.device},
                "phone " + account_.pn + ": " + std::move(text));
}

const SentMessage* Phone::sent(const std::string& id) const {
  const auto found = sent_.find(id);
  return found == sent_.end() ? nullptr : &found->second;
}

SentMessage* Phone::find_sent(const std::string& id) {
  const auto found = sent_.find(id);
  return found == sent_.end() ? nullptr : &found->second;
}

const InboxMessage* Phone::find_message(const std::string& id) const {
  const auto found =
      std::find_if(inbox_.rbegin(), inbox_.rend(), [&](const auto& one) { return one.id == id; });
  return found == inbox_.rend() ? nullptr : &*found;
}

void Phone::on_removed(uint16_t device) {
  unwelcomed_.erase(device);
  person(my_jid(true)).fresh = false;
  keys_.forget(address(my_jid(true).with_device(device)));
  for (const auto& [group, info] : groups_) keys_.rotate(group);
}

void Phone::lose_sessions() {
  for (const auto& name : keys_.forget_all()) excused_.insert(name);
}

}  // namespace wab::sandbox
