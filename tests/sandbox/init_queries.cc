// What a client asks around login and settings, answered plausibly and without depth: properties,
// block list, privacy, media hosts, mex, dirty bits, pictures, tokens (dossier 1 section 9.3,
// dossier 3 sections 3.1, 5.1 and 6).
#include <algorithm>
#include <array>

#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

using Handler = void (*)(Service&, Connection&, const node::Node&);

struct Entry {
  std::string_view xmlns;
  Handler get;
  Handler set;
};

void wrong_type(Service& service, Connection& connection, const node::Node& iq) {
  refuse(service, connection, iq, "S4", 400, iq.attr("xmlns") + " has no " + iq.attr("type"));
}

void empty_result(Service& service, Connection& connection, const node::Node& iq) {
  service.say(connection, iq_result(iq));
}

void not_found(Service& service, Connection& connection, const node::Node& iq) {
  service.say(connection, iq_error(iq, 404, "item-not-found"));
}

void not_implemented(Service& service, Connection& connection, const node::Node& iq) {
  service.say(connection, iq_error(iq, 501, "feature-not-implemented"));
}

void props(Service& service, Connection& connection, const node::Node& iq) {
  const node::Node* asked = iq.child("props");
  if (asked == nullptr) return refuse(service, connection, iq, "S4", 400, "abt without props");
  node::Node out("props");
  out.set("protocol", "1").set("ab_key", "sandbox").set("hash", "1a2b3c");
  out.set("refresh", "86400").set("refresh_id", "1");
  if (asked->attr("hash") != "1a2b3c") {
    out.add(node::Node("prop").set("config_code", "10518").set("config_value", "1"));
    out.add(node::Node("prop").set("config_code", "14303").set("config_value", "1"));
    out.add(node::Node("prop").set("config_code", "9666").set("config_value", "0"));
  }
  service.say(connection, iq_result(iq).add(std::move(out)));
}

node::Node block_list(Service& service, const Connection& connection) {
  node::Node list("list");
  list.set("dhash", "sandbox");
  for (const std::string& jid : service.blocked_[connection.device->jid.pn]) {
    if (const auto parsed = node::Jid::parse(jid)) list.add(node::Node("item").set("jid", *parsed));
  }
  return list;
}

void blocklist_get(Service& service, Connection& connection, const node::Node& iq) {
  service.say(connection, iq_result(iq).add(block_list(service, connection)));
}

void blocklist_set(Service& service, Connection& connection, const node::Node& iq) {
  const node::Node* item = iq.child("item");
  const auto jid = item == nullptr ? std::nullopt : item->jid("jid");
  const std::string action = item == nullptr ? "" : item->attr("action");
  if (!jid || jid->device != 0 || (action != "block" && action != "unblock")) {
    return refuse(service, connection, iq, "S4", 400, "malformed block list change");
  }
  auto& blocked = service.blocked_[connection.device->jid.pn];
  if (action == "block") {
    blocked.insert(jid->text());
  } else {
    blocked.erase(jid->text());
  }
  service.say(connection, iq_result(iq).add(block_list(service, connection)));
}

constexpr std::array<std::string_view, 9> kCategories = {"last",    "online",   "profile",
                                                         "status",  "groupadd", "readreceipts",
                                                         "calladd", "messages", "defense"};

node::Node privacy_node(Service& service, const Connection& connection) {
  auto& mine = service.privacy_[connection.device->jid.pn];
  node::Node out("privacy");
  for (const std::string_view name : kCategories) {
    const auto found = mine.find(std::string(name));
    node::Node category("category");
    category.set("name", std::string(name));
    category.set("value",
                 found == mine.end() ? (name == "defense" ? "off" : "all") : found->second);
    out.add(std::move(category));
  }
  return out;
}

void privacy_get(Service& service, Connection& connection, const node::Node& iq) {
  if (iq.child("privacy") == nullptr) {
    return refuse(service, connection, iq, "S4", 400, "privacy without child");
  }
  service.say(connection, iq_result(iq).add(privacy_node(service, connection)));
}

// Trusted-contact tokens (dossier 2 section 6.10): each goes to the contact it was made for.
void tokens_set(Service& service, Connection& connection, const node::Node& iq,
                const node::Node& tokens) {
  const Device& self = *connection.device;
  for (const node::Node* token : tokens.all("token")) {
    const auto jid = token->jid("jid");
    const auto t = token->number("t");
    if (!jid || jid->device != 0 || (!jid->is_pn() && !jid->is_lid()) || !t ||
        token->attr("type") != "trusted_contact" ||
        std::abs(static_cast<int64_t>(*t) - service.now_s()) > 86'400) {
      return refuse(service, connection, iq, rule::kTokens, 400, "malformed privacy token");
    }
    const Account* peer = service.account_of(*jid);
    if (peer == nullptr || peer == self.account) continue;
    Bytes& bytes = service.tokens_[{self.account->pn, peer->pn}];
    bytes = service.random_.bytes(16);
    for (Device* device : service.devices_of(*peer)) {
      node::Node list("tokens");
      node::Node item = bytes_node("token", bytes);
      item.set("type", "trusted_contact").set("t", std::to_string(*t));
      list.add(std::move(item));
      node::Node note("notification");
      note.set("from", service.jid_in(*self.account, node::kUserServer))
          .set("type", "privacy_token");
      note.set("sender_lid", service.jid_in(*self.account, node::kLidServer));
      service.deliver(*device, std::move(note.add(std::move(list))));
    }
  }
  service.say(connection, iq_result(iq));
}

void privacy_set(Service& service, Connection& connection, const node::Node& iq) {
  if (const node::Node* tokens = iq.child("tokens")) {
    return tokens_set(service, connection, iq, *tokens);
  }
  const node::Node* privacy = iq.child("privacy");
  if (privacy == nullptr)
    return refuse(service, connection, iq, "S4", 400, "privacy without child");
  for (const node::Node* category : privacy->all("category")) {
    const std::string name = category->attr("name");
    if (std::ranges::find(kCategories, name) == kCategories.end() ||
        category->attr("value").empty()) {
      return refuse(service, connection, iq, "S4", 400, "unknown privacy category");
    }
    service.privacy_[connection.device->jid.pn][name] = category->attr("value");
  }
  service.say(connection, iq_result(iq).add(privacy_node(service, connection)));
}

void media_conn(Service& service, Connection& connection, const node::Node& iq) {
  if (iq.child("media_conn") == nullptr) {
    return refuse(service, connection, iq, "S4", 400, "w:m without media_conn");
  }
  node::Node out("media_conn");
  out.set("auth", to_base64url(service.random_.bytes(24))).set("ttl", "300");
  out.set("auth_ttl", "21600").set("max_buckets", "12").set("is_new", "1");
  node::Node host("host");
  host.set("hostname", service.settings_.media_host).set("type", "primary");
  host.add(node::Node("upload")).add(node::Node("download"));
  service.say(connection, iq_result(iq).add(std::move(out.add(std::move(host)))));
}

void mex(Service& service, Connection& connection, const node::Node& iq) {
  const node::Node* query = iq.child("query");
  if (query == nullptr || !query->number("query_id") || query->content_bytes().empty()) {
    return refuse(service, connection, iq, "S4", 400, "w:mex without query");
  }
  static constexpr std::string_view kData =
      R"({"data":{"xwa2_fetch_account_reachout_timelock":{"is_active":false,"time_enforcement_ends":"0","enforcement_type":"DEFAULT"},)"
      R"("xwa2_message_capping_info":{"total_quota":100,"used_quota":0,"capping_status":"NONE"},)"
      R"("xwa2_newsletter_subscribed":[],"xwa2_users_updates_since":[]}})";
  service.say(connection, iq_result(iq).add(bytes_node("result", view(kData))));
}

void clean(Service& service, Connection& connection, const node::Node& iq) {
  const node::Node* child = iq.child("clean");
  if (child == nullptr) return refuse(service, connection, iq, "S4", 400, "dirty without clean");
  const auto announced = connection.device->dirty.find(child->attr("type"));
  if (announced == connection.device->dirty.end()) {
    service.violation("S11", &connection, "clean of what was not dirty: " + child->attr("type"));
  } else if (child->number("timestamp").value_or(0) > announced->second) {
    service.violation("S11", &connection, "clean with a later timestamp than announced");
  } else if (child->number("timestamp").value_or(announced->second) == announced->second) {
    connection.device->dirty.erase(announced);
  }
  service.say(connection, iq_result(iq));
}

void status_get(Service& service, Connection& connection, const node::Node& iq) {
  if (iq.child("privacy") != nullptr) {
    node::Node out("privacy");
    out.add(node::Node("list").set("type", "contacts").set("default", "true"));
    return service.say(connection, iq_result(iq).add(std::move(out)));
  }
  service.say(connection, iq_result(iq));
}

void picture_set(Service& service, Connection& connection, const node::Node& iq) {
  node::Node out = iq_result(iq);
  if (iq.child("picture") != nullptr) {
    out.add(node::Node("picture").set("id", std::to_string(service.now_s())));
  }
  service.say(connection, std::move(out));
}

void bots(Service& service, Connection& connection, const node::Node& iq) {
  node::Node out("bot");
  out.add(node::Node("section").set("type", "all").set("name", "All"));
  service.say(connection, iq_result(iq).add(std::move(out)));
}

void business(Service& service, Connection& connection, const node::Node& iq) {
  service.say(connection, iq_result(iq).add(node::Node("business_profile").set("v", "244")));
}

void push_get(Service& service, Connection& connection, const node::Node& iq) {
  service.say(connection, iq_result(iq).add(node::Node("settings")));
}

constexpr Entry kTable[] = {
    {"abt", props, wrong_type},
    {"w", props, wrong_type},
    {"blocklist", blocklist_get, blocklist_set},
    {"privacy", privacy_get, privacy_set},
    {"w:m", media_conn, media_conn},
    {"w:mex", mex, wrong_type},
    {"urn:xmpp:whatsapp:dirty", wrong_type, clean},
    {"urn:xmpp:whatsapp:push", push_get, empty_result},
    {"urn:xmpp:whatsapp:account", empty_result, empty_result},
    {"status", status_get, empty_result},
    {"w:profile:picture", not_found, picture_set},
    {"disappearing_mode", empty_result, empty_result},
    {"bot", bots, wrong_type},
    {"w:biz", business, empty_result},
    {"w:biz:catalog", not_implemented, not_implemented},
    {"w:stats", empty_result, empty_result},
    {"tos", empty_result, empty_result},
    {"newsletter", not_implemented, not_implemented},
    {"w:comms:chat", not_implemented, not_implemented},
    {"fb:thrift_iq", not_implemented, not_implemented},
    {"w:qr", not_implemented, not_implemented},
    {"w:auth:key", not_implemented, not_implemented},
    {"w:web", not_implemented, not_implemented},
};

}  // namespace

bool handle_small_query(Service& service, Connection& connection, const node::Node& iq) {
  const auto found = std::ranges::find(kTable, iq.attr("xmlns"), &Entry::xmlns);
  if (found == std::end(kTable)) return false;
  (iq.attr("type") == "get" ? found->get : found->set)(service, connection, iq);
  return true;
}

}  // namespace wab::sandbox
