#include "tests/sandbox/service.h"

#include <algorithm>

namespace wab::sandbox {
namespace {

constexpr size_t kMaxQueue = 20'000;
constexpr size_t kMaxViolations = 10'000;

std::string party(const Connection& connection) {
  if (connection.device != nullptr) return connection.device->jid.text();
  return "#" + std::to_string(connection.id);
}

DeviceJid device_jid(const Connection& connection) {
  return connection.device != nullptr ? connection.device->jid : DeviceJid{};
}

}  // namespace

std::string Connection::name() const { return party(*this); }

Service::Service(Clock& clock, Random& random, Settings settings)
    : clock_(clock), random_(random), settings_(std::move(settings)) {}

std::string Service::next_id() { return "srv." + std::to_string(next_id_++); }

void Service::violation(const char* rule, const Connection* connection, std::string text) {
  violation(rule, connection == nullptr ? DeviceJid{} : device_jid(*connection),
            connection == nullptr ? 0 : connection->id, std::move(text));
}

void Service::violation(const char* rule, const DeviceJid& device, ConnectionId connection,
                        std::string text) {
  Violation found{rule, device, connection, std::move(text), now()};
  if (violations_.size() < kMaxViolations) violations_.push_back(found);
  if (judging_) {
    current_.push_back(std::move(found));
  } else if (observer_) {
    const std::vector<Violation> one{found};
    const node::Node nothing("connection");
    observer_({found.at, Direction::to_server, device, connection, &nothing, &one});
  }
}

void Service::say(Connection& connection, node::Node stanza) {
  if (connection.state == Connection::State::ended) return;
  outbox_.push_back(
      {connection.id, device_jid(connection), connection.id == 0, std::move(stanza), false, 0});
}

void Service::end(Connection& connection) {
  if (connection.state == Connection::State::ended) return;
  outbox_.push_back(
      {connection.id, device_jid(connection), connection.id == 0, std::nullopt, true, 0});
}

void Service::end_with(Connection& connection, node::Node last) {
  say(connection, std::move(last));
  end(connection);
}

Connection* Service::target(const Outgoing& out) {
  if (!out.is_phone) return connection(out.id);
  const auto found = phones_.find(out.phone);
  return found == phones_.end() ? nullptr : found->second.get();
}

Connection* Service::source(const Incoming& in) {
  if (!in.is_phone) return connection(in.id);
  const auto found = phones_.find(in.phone);
  return found == phones_.end() ? nullptr : found->second.get();
}

void Service::observe(Direction direction, const Connection& connection, const node::Node& stanza,
                      const std::vector<Violation>& violations) {
  if (!observer_) return;
  StanzaEvent event{now(), direction, device_jid(connection), connection.id, &stanza, &violations};
  observer_(event);
}

void Service::put_out(Outgoing out) {
  Connection* connection = target(out);
  if (connection == nullptr || connection->state == Connection::State::ended) return;
  if (!out.stanza) {
    connection->port->end();
    if (!out.is_phone) drop(*connection);
    return;
  }
  int copies = 1;
  if (!out.judged) {
    out.judged = true;
    Fate fate = faults_->on_stanza(Direction::to_device, device_jid(*connection), *out.stanza);
    if (fate.end_with) {
      outbox_.push_front({out.id, out.phone, out.is_phone, std::nullopt, true, 0});
      outbox_.push_front({out.id, out.phone, out.is_phone, std::move(fate.end_with), true, 0});
      return;
    }
    if (fate.cut) {
      outbox_.push_front({out.id, out.phone, out.is_phone, std::nullopt, true, 0});
      return;
    }
    if (fate.instead) out.stanza = std::move(fate.instead);
    if (fate.drop) return;
    const std::string who = party(*connection);
    if (fate.hold && !held_out_.contains(who)) {
      held_out_.emplace(who, std::move(out));
      return;
    }
    const auto held = held_out_.find(who);
    if (held != held_out_.end()) {
      outbox_.push_front(std::move(held->second));
      held_out_.erase(held);
    }
    if (fate.delay.count() > 0) {
      out.due = now() + fate.delay.count();
      late_out_.push_back(std::move(out));
      return;
    }
    copies = std::clamp(fate.copies, 1, 100);
  }
  static const std::vector<Violation> kNone;
  for (int i = 0; i < copies; ++i) {
    observe(Direction::to_device, *connection, *out.stanza, kNone);
    connection->port->deliver(*out.stanza);
  }
}

void Service::flush() {
  if (flushing_ || judging_) return;
  flushing_ = true;
  while (!outbox_.empty()) {
    Outgoing out = std::move(outbox_.front());
    outbox_.pop_front();
    put_out(std::move(out));
  }
  graveyard_.clear();
  flushing_ = false;
}

void Service::arrive(Connection& connection, node::Node stanza) {
  Fate fate = faults_->on_stanza(Direction::to_server, device_jid(connection), stanza);
  if (fate.end_with) return end_with(connection, std::move(*fate.end_with));
  if (fate.cut) return end(connection);
  if (fate.instead) stanza = std::move(*fate.instead);
  if (fate.drop) return;
  Incoming in{connection.id, device_jid(connection), connection.id == 0, std::move(stanza), 0};
  const std::string who = party(connection);
  if (fate.hold && !held_in_.contains(who)) {
    held_in_.emplace(who, std::move(in));
    return;
  }
  if (fate.delay.count() > 0) {
    in.due = now() + fate.delay.count();
    late_in_.push_back(std::move(in));
  } else {
    for (int i = 0; i < std::clamp(fate.copies, 1, 100); ++i) take_in(connection, in.stanza);
  }
  const auto held = held_in_.find(who);
  if (held != held_in_.end()) {
    Incoming earlier = std::move(held->second);
    held_in_.erase(held);
    if (Connection* from = source(earlier)) take_in(*from, std::move(earlier.stanza));
  }
}

void Service::take_in(Connection& connection, node::Node stanza) {
  if (connection.state == Connection::State::ended) return;
  judging_ = true;
  current_.clear();
  handle(connection, stanza);
  judging_ = false;
  observe(Direction::to_server, connection, stanza, current_);
  current_.clear();
  flush();
}

void Service::handle(Connection& connection, const node::Node& stanza) {
  const std::string empty = empty_attribute(stanza);
  if (!empty.empty()) violation("B4", &connection, "empty attribute " + empty);
  const std::string untyped = jid_sent_as_text(stanza);
  if (!untyped.empty()) {
    violation("B3", &connection, "JID sent as text in " + untyped);
    if (stanza.tag == "message") {
      node::Node nack("ack");
      nack.set("class", "message").set("id", stanza.attr("id"));
      if (const auto to = stanza.jid("to")) nack.set("from", *to);
      return say(connection, nack.set("t", std::to_string(now_s())).set("error", 479));
    }
    if (stanza.tag == "iq") return say(connection, iq_error(stanza, 479, "smax-invalid"));
    return say(connection, node::Node("error").set("code", 479));
  }
  if (connection.state == Connection::State::registering) {
    return handle_unpaired(*this, connection, stanza);
  }
  if (connection.state != Connection::State::open) return;
  if (stanza.tag == "iq") return handle_iq(*this, connection, stanza);
  if (stanza.tag == "message") return handle_message(*this, connection, stanza);
  if (stanza.tag == "receipt") return handle_receipt(*this, connection, stanza);
  if (stanza.tag == "ack") return handle_ack(*this, connection, stanza);
  if (stanza.tag == "presence") return handle_presence(*this, connection, stanza);
  if (stanza.tag == "chatstate") return handle_chatstate(*this, connection, stanza);
  if (stanza.tag == "call") return handle_call(*this, connection, stanza);
  if (stanza.tag == "ib") return handle_ib(*this, connection, stanza);
  violation(rule::kMessageShape, &connection, "no such stanza: <" + stanza.tag + ">");
  node::Node nack("ack");
  nack.set("class", stanza.tag).set("id", stanza.attr("id")).set("error", 400);
  if (const auto to = stanza.jid("to")) nack.set("from", *to);
  say(connection, std::move(nack));
}

void Service::deliver(Device& device, node::Node stanza) {
  Connection* connection = device.connection;
  const bool live =
      connection != nullptr && connection->state == Connection::State::open && connection->active;
  if (!is_kept(stanza)) {
    if (const node::Node* dirty = stanza.child("dirty")) {  // S11
      device.dirty[dirty->attr("type")] = dirty->number("timestamp").value_or(0);
    }
    if (live) say(*connection, std::move(stanza));
    return;
  }
  if (!stanza.has("id")) stanza.set("id", next_id());
  if (!stanza.has("t")) stanza.set("t", std::to_string(now_s()));
  if (device.queue.size() >= kMaxQueue) device.queue.pop_front();
  Queued& item = device.queue.emplace_back();
  item.stanza = std::move(stanza);
  if (!live || !connection->backlog_done) return;
  item.sent = true;
  item.sent_at = now();
  say(*connection, item.stanza);
}

void Service::tick() {
  const UnixMillis at = now();
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
  std::erase_if(late_out_, [&](Outgoing& item) {
    if (item.due > at) return false;
    out.push_back(std::move(item));
    return true;
  });
  std::erase_if(late_in_, [&](Incoming& item) {
    if (item.due > at) return false;
    in.push_back(std::move(item));
    return true;
  });
  for (Outgoing& item : out) outbox_.push_back(std::move(item));
  for (Incoming& item : in) {
    if (Connection* from = source(item)) take_in(*from, std::move(item.stanza));
  }
  std::vector<Connection*> all;
  for (const auto& [id, held] : connections_) all.push_back(held.get());
  for (Connection* one : all) {
    if (one->state == Connection::State::ended) continue;
    if (one->state != Connection::State::opening &&
        at - one->last_frame > settings_.keepalive.count() * 1000) {
      violation("A2", one, "no frame for too long");
      end(*one);
      continue;
    }
    tick_registration(*this, *one);
    tick_acks(*this, *one);
  }
  flush();
}

Account& Service::create_account(const std::string& pn, const std::string& push_name) {
  std::string digits = pn;
  if (const auto known = accounts_.find(digits); known != accounts_.end()) return *known->second;
  while (digits.empty() || accounts_.contains(digits)) {
    digits = std::to_string(15'550'100'000ULL + next_number_++);
  }
  auto account = std::make_unique<Account>();
  account->pn = digits;
  uint64_t lid = 100'000'000'000'000ULL + (accounts_.size() + 1) * 7'919'000'003ULL;
  while (by_lid_.contains(std::to_string(lid))) ++lid;
  account->lid = std::to_string(lid);
  account->push_name = push_name.empty()
                           ? "User " + digits.substr(digits.size() > 4 ? digits.size() - 4 : 0)
                           : push_name;
  account->identity = signal::KeyPair::generate(random_);
  account->registration_id = 1 + static_cast<uint32_t>(random_.below(16'380));
  Account& made = *account;
  accounts_.emplace(digits, std::move(account));
  by_lid_.emplace(made.lid, &made);
  by_push_name_.emplace(made.push_name, &made);
  if (hooks_ != nullptr) hooks_->on_account(made);
  return made;
}

Account* Service::account_of(const node::Jid& jid) {
  if (jid.server == node::kUserServer || jid.server == "c.us" ||
      jid.server == node::kHostedServer) {
    const auto found = accounts_.find(jid.user);
    return found == accounts_.end() ? nullptr : found->second.get();
  }
  if (jid.server == node::kLidServer || jid.server == node::kHostedLidServer) {
    const auto found = by_lid_.find(jid.user);
    return found == by_lid_.end() ? nullptr : found->second;
  }
  return nullptr;
}

Device* Service::device(const DeviceJid& jid) {
  const auto found = devices_.find(jid);
  return found == devices_.end() || found->second->removed ? nullptr : found->second.get();
}

Device* Service::device(const node::Jid& jid) {
  const Account* account = account_of(jid);
  return account == nullptr ? nullptr : device(DeviceJid{account->pn, jid.device});
}

std::vector<Device*> Service::devices_of(const Account& account) {
  std::vector<Device*> out;
  for (auto it = devices_.lower_bound({account.pn, 0});
       it != devices_.end() && it->first.pn == account.pn; ++it) {
    if (!it->second->removed) out.push_back(it->second.get());
  }
  return out;
}

Device& Service::add_device(Account& account, uint16_t number) {
  auto& slot = devices_[{account.pn, number}];
  if (slot == nullptr) slot = std::make_unique<Device>();
  slot->jid = {account.pn, number};
  slot->account = &account;
  return *slot;
}

void Service::remove_device(Device& device) {
  if (device.removed) return;
  device.removed = true;
  device.terminated = true;
  device.queue.clear();
  paired_noise_.erase(device.noise);
  if (device.connection != nullptr) {
    node::Node last = stream_error(401);
    last.add(node::Node("conflict").set("type", "device_removed"));
    end_with(*device.connection, std::move(last));
  }
  notify_device_removed(*this, *device.account, device);
  if (hooks_ != nullptr) hooks_->on_removed(*device.account, device.jid.device);
}

Connection* Service::connection(ConnectionId id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

void Service::drop(Connection& connection) {
  connection.state = Connection::State::ended;
  if (connection.device != nullptr && connection.device->connection == &connection) {
    Device& device = *connection.device;
    device.connection = nullptr;
    for (Queued& item : device.queue) item.sent = false;
    if (device.available) {
      device.available = false;
      lose_presence(*this, device);
    }
  }
  const auto found = connections_.find(connection.id);
  if (found != connections_.end() && found->second.get() == &connection) {
    graveyard_.push_back(std::move(found->second));
    connections_.erase(found);
  }
}

node::Jid Service::jid_in(const Device& device, std::string_view server) const {
  return jid_in(*device.account, server).with_device(device.jid.device);
}

node::Jid Service::jid_in(const Account& account, std::string_view server) const {
  return server == node::kLidServer ? node::Jid::lid(account.lid) : node::Jid::pn(account.pn);
}

}  // namespace wab::sandbox
