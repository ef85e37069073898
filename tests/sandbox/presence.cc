// What is passed on and forgotten: presence, chat state, calls, and the client's <ib>.
#include <algorithm>

#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

void tell_watchers(Service& service, const Device& self, bool available) {
  for (const auto& [jid, device] : service.devices_) {
    if (device->removed || device->connection == nullptr || device->account == self.account)
      continue;
    for (const std::string& watched : device->watched) {
      const auto as = node::Jid::parse(watched);
      if (!as || service.account_of(*as) != self.account) continue;
      node::Node out("presence");
      out.set("from", *as);
      if (!available) {
        out.set("type", "unavailable").set("last", std::to_string(service.now_s()));
      }
      service.deliver(*device, std::move(out));
    }
  }
}

}  // namespace

void lose_presence(Service& service, Device& device) { tell_watchers(service, device, false); }

void handle_presence(Service& service, Connection& connection, const node::Node& stanza) {
  Device& self = *connection.device;
  const std::string type = stanza.attr("type");
  if (type == "subscribe" || type == "unsubscribe") {
    const auto to = stanza.jid("to");
    if (!to || to->device != 0 || to->user.empty()) {
      return service.violation(rule::kChatState, &connection, "presence " + type + " without user");
    }
    if (type == "unsubscribe") {
      self.watched.erase(to->text());
      return;
    }
    self.watched.insert(to->text());
    const Account* account = service.account_of(*to);
    if (account == nullptr || account == self.account) return;
    const auto devices = service.devices_of(*account);
    const bool online = std::ranges::any_of(devices, [](const Device* d) { return d->available; });
    node::Node out("presence");
    out.set("from", *to);
    if (!online) out.set("type", "unavailable").set("last", std::to_string(service.now_s()));
    return service.say(connection, std::move(out));
  }
  const std::string name = stanza.attr("name");
  // Baileys says <presence/> with nothing in it whenever its credentials change: means nothing.
  if (type.empty() && name.empty()) return;
  if (name.empty() || name.find('@') != std::string::npos) {
    service.violation("S10", &connection, "presence without a proper name");
  }
  // A change of name alone comes without a type.
  if (!type.empty() && type != "available" && type != "unavailable") {
    return service.violation("S10", &connection, "presence type is '" + type + "'");
  }
  self.push_name = name;
  if (type.empty() || self.available == (type == "available")) return;
  self.available = type == "available";
  tell_watchers(service, self, self.available);
}

void handle_chatstate(Service& service, Connection& connection, const node::Node& stanza) {
  const auto& children = stanza.children();
  const auto to = stanza.jid("to");
  if (!to || to->device != 0 || children.size() != 1 ||
      (children[0].tag != "composing" && children[0].tag != "paused") ||
      (children[0].has("media") && children[0].attr("media") != "audio")) {
    return service.violation(rule::kChatState, &connection, "malformed chat state");
  }
  Device& self = *connection.device;
  if (const Group* group = service.groups_.find(*to)) {
    if (group->member(*self.account) == nullptr) return;
    for (const Member& member : group->members) {
      if (member.account == self.account) continue;
      for (Device* device : service.devices_of(*member.account)) {
        node::Node out = stanza;
        out.attrs.clear();
        out.set("from", *to).set("participant", service.jid_in(self, group->server()).bare());
        service.deliver(*device, std::move(out));
      }
    }
    return;
  }
  const Account* account = service.account_of(*to);
  if (account == nullptr || account == self.account) return;
  for (Device* device : service.devices_of(*account)) {
    node::Node out = stanza;
    out.attrs.clear();
    out.set("from", service.jid_in(*self.account, to->server));
    service.deliver(*device, std::move(out));
  }
}

void handle_call(Service& service, Connection& connection, const node::Node& stanza) {
  const auto to = stanza.jid("to");
  const auto& children = stanza.children();
  if (!to || stanza.attr("id").empty() || children.size() != 1) {
    return service.violation(rule::kChatState, &connection, "malformed call");
  }
  const node::Node& action = children[0];
  if (action.tag == "reject" && (action.attr("count") != "0" || action.attr("call-id").empty() ||
                                 !action.has("call-creator"))) {
    service.violation(rule::kChatState, &connection, "malformed call reject");
  }
  node::Node ack("ack");
  ack.set("class", "call").set("id", stanza.attr("id")).set("from", *to).set("type", action.tag);
  service.say(connection, std::move(ack));
  Device& self = *connection.device;
  const Account* account = service.account_of(*to);
  if (account == nullptr || account == self.account) return;
  for (Device* device : service.devices_of(*account)) {
    if (to->device != 0 && device->jid.device != to->device) continue;
    node::Node out = stanza;
    out.attrs.clear();
    out.set("from", service.jid_in(self, to->server)).set("id", stanza.attr("id"));
    out.set("t", std::to_string(service.now_s())).set("notify", self.push_name);
    service.deliver(*device, std::move(out));
  }
}

void handle_ib(Service& service, Connection& connection, const node::Node& stanza) {
  for (const node::Node& child : stanza.children()) {
    if (child.tag == "unified_session") {
      const auto id = child.number("id");
      if (!id || *id >= 604'800'000) {
        service.violation("S10", &connection, "unified_session id is " + child.attr("id"));
      }
    } else if (child.tag == "offline_batch") {
      handle_offline_batch(service, connection, child);
    }
  }
}

}  // namespace wab::sandbox
