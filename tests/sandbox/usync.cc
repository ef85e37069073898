// xmlns usync: who exists, which devices they have, which LID (dossier 2 sections 4 and 13.5).
#include <algorithm>
#include <array>

#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

constexpr std::array<std::string_view, 3> kModes = {"query", "full", "delta"};
constexpr std::array<std::string_view, 7> kContexts = {
    "message", "interactive", "background", "voip", "notification", "add", "delta"};
constexpr std::array<std::string_view, 12> kProtocols = {
    "devices",  "lid",         "contact", "business",          "status", "picture", "username",
    "sidelist", "text_status", "bot",     "disappearing_mode", "feature"};

template <class Set>
bool in(const Set& set, std::string_view item) {
  return std::ranges::find(set, item) != set.end();
}

// "+E.164" or "digits@c.us" to digits; empty: neither.
std::string digits_of(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
  } else if (text.ends_with("@c.us")) {
    text.remove_suffix(5);
  } else {
    return {};
  }
  const bool digits =
      !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::string(text) : std::string();
}

node::Node not_found(std::string_view protocol) {
  node::Node out{std::string(protocol)};
  return std::move(out.add(node::Node("error").set("code", 404).set("text", "item-not-found")));
}

node::Node devices_node(Service& service, const Account& account, const node::Jid& jid) {
  const auto devices = service.devices_of(account);
  std::vector<node::Jid> names;
  std::vector<uint32_t> valid;
  node::Node list("device-list");
  for (const Device* device : devices) {
    names.push_back(jid.with_device(device->jid.device));
    node::Node item("device");
    item.set("id", std::to_string(device->jid.device));
    if (device->jid.device != 0) {
      valid.push_back(device->key_index);
      item.set("key-index", std::to_string(device->key_index));
    }
    list.add(std::move(item));
  }
  list.set("hash", participant_hash(names));
  node::Node out("devices");
  out.add(std::move(list));
  node::Node index = bytes_node(
      "key-index-list", signed_key_index_list(account, valid, service.now_s(), service.random_));
  out.add(std::move(index.set("ts", std::to_string(service.now_s()))));
  return out;
}

std::string device_hash(Service& service, const Account& account, const node::Jid& jid) {
  std::vector<node::Jid> names;
  for (const Device* device : service.devices_of(account)) {
    names.push_back(jid.with_device(device->jid.device));
  }
  return participant_hash(names);
}

node::Node answer(Service& service, std::string_view protocol, const Account* account,
                  const node::Jid& jid, const std::string& contact_text) {
  if (protocol == "contact") {
    node::Node out("contact");
    out.set("type", account == nullptr ? "out" : "in");
    return std::move(out.text(contact_text));
  }
  if (account == nullptr) return not_found(protocol);
  if (protocol == "devices") return devices_node(service, *account, jid);
  if (protocol == "lid") {
    return std::move(node::Node("lid").set("val", node::Jid::lid(account->lid)));
  }
  if (protocol == "status") {
    return std::move(
        node::Node("status").set("t", std::to_string(service.now_s())).text("Hey there!"));
  }
  if (protocol == "disappearing_mode") {
    return std::move(node::Node("disappearing_mode").set("duration", "0").set("t", "0"));
  }
  return node::Node{std::string(protocol)};
}

}  // namespace

void handle_usync(Service& service, Connection& connection, const node::Node& iq) {
  const auto refused = [&](const char* rule, std::string why) {
    refuse(service, connection, iq, rule, 400, std::move(why));
  };
  const node::Node* usync = iq.child("usync");
  if (iq.attr("type") != "get" || usync == nullptr) return refused(rule::kUsync, "not a usync get");
  if (usync->attr("sid").empty()) return refused(rule::kUsync, "sid is missing");
  if (usync->attr("last") != "true" || usync->attr("index") != "0") {
    return refused(rule::kUsync, "last and index must be true and 0");
  }
  if (!in(kModes, usync->attr("mode"))) return refused(rule::kUsync, "unknown mode");
  if (!in(kContexts, usync->attr("context"))) return refused(rule::kUsync, "unknown context");
  const node::Node* query = usync->child("query");
  const node::Node* list = usync->child("list");
  if (query == nullptr || query->children().empty()) return refused(rule::kUsync, "no protocol");
  if (list == nullptr) return refused(rule::kUsync, "no list");
  bool lid_mode = false;
  for (const node::Node& protocol : query->children()) {
    if (!in(kProtocols, protocol.tag))
      return refused(rule::kUsync, "unknown protocol " + protocol.tag);
    if (protocol.tag == "devices" && protocol.attr("version") != "2") {
      return refused(rule::kUsync, "devices version is not 2");
    }
    if (protocol.tag == "contact") lid_mode = protocol.attr("addressing_mode") == "lid";
  }

  node::Node users("list");
  for (const node::Node* user : list->all("user")) {
    auto jid = user->jid("jid");
    const node::Node* contact = user->child("contact");
    const std::string contact_text = contact == nullptr ? "" : contact->content_text();
    if (jid && (jid->device != 0 || !node::domain_byte(jid->server) || jid->user.empty())) {
      return refused(rule::kUsyncUser, "user is not a bare user JID: " + jid->text());
    }
    const std::string digits = digits_of(contact_text);
    if (!jid && digits.empty()) {
      return refused(rule::kUsyncUser, "user has neither jid nor a valid contact: " + contact_text);
    }
    const Account* account = service.account_of(jid ? *jid : node::Jid::pn(digits));
    const node::Node* hint = user->child("devices");
    if (account != nullptr && jid && hint != nullptr && hint->has("device_hash") &&
        hint->attr("device_hash") == device_hash(service, *account, *jid)) {
      continue;
    }
    node::Node out("user");
    if (!jid) {
      jid = node::Jid::pn(digits);
      if (account != nullptr && lid_mode) {
        jid = node::Jid::lid(account->lid);
        out.set("pn_jid", node::Jid::pn(account->pn));
      }
    } else if (account != nullptr && jid->is_lid()) {
      out.set("pn_jid", node::Jid::pn(account->pn));
    }
    out.set("jid", *jid);
    for (const node::Node& protocol : query->children()) {
      out.add(answer(service, protocol.tag, account, *jid, contact_text));
    }
    users.add(std::move(out));
  }
  node::Node result("result");
  for (const node::Node& protocol : query->children()) result.add(node::Node(protocol.tag));
  node::Node out("usync");
  out.set("sid", usync->attr("sid")).set("mode", usync->attr("mode"));
  out.set("context", usync->attr("context")).set("index", "0").set("last", "true");
  out.add(std::move(result)).add(std::move(users));
  service.say(connection, iq_result(iq).add(std::move(out)));
}

}  // namespace wab::sandbox
