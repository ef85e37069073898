// Who owes an acknowledgement, and what clears it (dossier 1 sections 13 and 14.7, dossier 2
// section 13.2).
#include <algorithm>

#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

constexpr size_t kRemembered = 200;
constexpr UnixMillis kPingEvery = 25'000;
constexpr UnixMillis kPingAnswer = 10'000;

// A LID and a PN of one user are the same party.
bool same_user(Service& service, const node::Jid& a, const node::Jid& b) {
  if (a.same_user(b)) return true;
  const Account* left = service.account_of(a);
  return left != nullptr && left == service.account_of(b);
}

bool is_own_copy(const node::Node& stanza) {
  return stanza.tag == "message" && stanza.has("recipient");
}

struct Answer {
  std::string_view tag;
  std::string id;
  node::Jid to;
  std::optional<node::Jid> participant;
  std::string type;
};

// The queued stanza that this answers best; several may have one id (receipts of many devices).
std::deque<Queued>::iterator find_answered(Service& service, Device& device, const Answer& answer) {
  auto best = device.queue.end();
  int best_score = -1;
  for (auto it = device.queue.begin(); it != device.queue.end(); ++it) {
    const node::Node& stanza = it->stanza;
    if (!it->sent || stanza.tag != answer.tag || stanza.attr("id") != answer.id) continue;
    int score = 0;
    const auto from = stanza.jid("from");
    if (!from) continue;
    if (*from == answer.to) {
      score += 8;
    } else if (!same_user(service, *from, answer.to)) {
      continue;
    }
    const auto author = stanza.jid("participant");
    if (author && answer.participant) {
      if (!same_user(service, *author, *answer.participant)) continue;
      score += author->device == answer.participant->device ? 4 : 0;
    }
    if (stanza.attr("type") == answer.type) score += 2;
    if (score > best_score) {
      best = it;
      best_score = score;
    }
  }
  return best;
}

void clear(Device& device, std::deque<Queued>::iterator item) {
  device.acked_ids.insert(item->stanza.tag + " " + item->stanza.attr("id"));
  device.acknowledged.push_back(std::move(item->stanza));
  device.queue.erase(item);
  if (device.acknowledged.size() > kRemembered) device.acknowledged.pop_front();
}

// Acks of a connection that pairs by code: only its notification.
void handle_pairing_ack(Service& service, Connection& connection, const node::Node& ack) {
  const auto asked = connection.asked.find(ack.attr("id"));
  const auto to = ack.jid("to");
  if (asked == connection.asked.end() || asked->second.what != "notification") {
    return service.violation("C3", &connection, "ack of nothing: " + ack.attr("id"));
  }
  if (ack.attr("class") != "notification" || ack.attr("type") != "link_code_companion_reg" || !to ||
      !to->is_server()) {
    return service.violation("C1", &connection, "malformed ack of a notification");
  }
  connection.asked.erase(asked);
}

}  // namespace

bool settle(Service& service, Device& device, std::string_view tag, const std::string& id,
            const node::Jid& from, const std::optional<node::Jid>& participant) {
  const auto found = find_answered(service, device, {tag, id, from, participant, {}});
  if (found == device.queue.end()) return false;
  clear(device, found);
  return true;
}

void handle_ack(Service& service, Connection& connection, const node::Node& ack) {
  const std::string tag = ack.attr("class");
  const std::string id = ack.attr("id");
  const auto to = ack.jid("to");
  if (tag == "iq" || tag == "ib" || tag == "presence" || tag == "chatstate" || tag == "ack") {
    return service.violation("C2", &connection, "ack of <" + tag + ">");
  }
  if (connection.device == nullptr) return handle_pairing_ack(service, connection, ack);
  if (!to || id.empty()) return service.violation("C1", &connection, "ack without id or to");
  Device& device = *connection.device;
  // The ack that follows a retry receipt, which has settled the message already.
  if (tag == "message" && device.retried_ids.erase(id) > 0) return;
  const auto found =
      find_answered(service, device, {tag, id, *to, ack.jid("participant"), ack.attr("type")});
  if (found == device.queue.end()) {
    const bool again = device.acked_ids.contains(tag + " " + id);
    const char* rule = again && tag == "message" ? "C4" : "C3";
    return service.violation(rule, &connection,
                             (again ? "a second answer to " : "ack of nothing: ") + tag + " " + id);
  }
  const node::Node& stanza = found->stanza;
  if (tag == "message" && ack.has("from")) {
    const auto from = ack.jid("from");
    if (!from || service.device(*from) != &device) {
      service.violation("C5", &connection, "from in an ack is not this device");
    }
  }
  if (stanza.attr("from") != to->text()) {
    service.violation("C1", &connection,
                      "ack goes to " + to->text() + " instead of " + stanza.attr("from"));
  }
  if (stanza.has("recipient") && !ack.has("recipient")) {
    service.violation("C1", &connection, "ack lost the recipient");
  }
  const bool identity = stanza.attr("type") == "encrypt" && stanza.child("identity") != nullptr;
  if (tag != "message" && ack.attr("type") != stanza.attr("type") &&
      !(identity && !ack.has("type"))) {
    service.violation("C1", &connection, "ack of " + tag + " has type '" + ack.attr("type") + "'");
  }
  // A plain ack does not clear an own copy: only a sender receipt does.
  if (is_own_copy(stanza) && !ack.has("error") && stanza.child("enc") != nullptr) return;
  clear(device, found);
}

void tick_acks(Service& service, Connection& connection) {
  const UnixMillis at = service.now();
  for (const auto& [id, asked] : connection.asked) {
    if (asked.what != "ping" || at <= asked.deadline) continue;
    service.violation("A3", &connection, "server ping was not answered");
    return service.end(connection);
  }
  if (connection.device == nullptr || connection.state != Connection::State::open) return;
  if (service.settings_.server_pings && at - connection.last_ping > kPingEvery) {
    connection.last_ping = at;
    const std::string id = service.next_id();
    connection.asked[id] = {"ping", at, at + kPingAnswer};
    node::Node ping("iq");
    ping.set("from", node::Jid::server_jid()).set("type", "get").set("xmlns", "urn:xmpp:ping");
    service.say(connection, std::move(ping.set("id", id).add(node::Node("ping"))));
  }
  for (Queued& item : connection.device->queue) {
    if (!item.sent || item.overdue) continue;
    if (at - item.sent_at <= service.settings_.ack_deadline.count() * 1000) continue;
    item.overdue = true;
    service.violation("C1", &connection,
                      "no answer to " + item.stanza.tag + " " + item.stanza.attr("id"));
  }
}

}  // namespace wab::sandbox
