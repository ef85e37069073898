// Which topic answers an iq, and the rules that hold for all of them (dossier 1 sections 12, 14.7).
#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

void handle_answer(Service& service, Connection& connection, const node::Node& iq) {
  const auto asked = connection.asked.find(iq.attr("id"));
  if (asked == connection.asked.end() || asked->second.what == "notification") {
    return service.violation("I2", &connection, "answer to nothing: " + iq.attr("id"));
  }
  connection.asked.erase(asked);
}

void handle_passive(Service& service, Connection& connection, const node::Node& iq) {
  const auto& children = iq.children();
  if (iq.attr("type") != "set" || children.size() != 1 ||
      (children[0].tag != "active" && children[0].tag != "passive")) {
    return refuse(service, connection, iq, "S3", 400, "passive needs one child active or passive");
  }
  service.say(connection, iq_result(iq));
  const bool was = connection.active;
  connection.active = children[0].tag == "active";
  if (connection.active && !was) begin_backlog(service, connection);
}

void handle_md(Service& service, Connection& connection, const node::Node& iq) {
  const node::Node* remove = iq.child("remove-companion-device");
  if (remove == nullptr || iq.attr("type") != "set") {
    return refuse(service, connection, iq, "S4", 400, "unknown md request");
  }
  Device& self = *connection.device;
  const auto jid = remove->jid("jid");
  Device* device = jid ? service.device(*jid) : nullptr;
  const bool own = device != nullptr && device->jid.device != 0 &&
                   device->account == self.account && (device == &self || self.jid.device == 0);
  if (!own)
    return refuse(service, connection, iq, "A7", 403, "not this device: " + remove->attr("jid"));
  service.say(connection, iq_result(iq));
  service.remove_device(*device);
}

}  // namespace

node::Node iq_result(const node::Node& iq) {
  node::Node out("iq");
  out.set("from", iq.jid("to").value_or(node::Jid::server_jid()));
  return std::move(out.set("type", "result").set("id", iq.attr("id")));
}

node::Node iq_error(const node::Node& iq, int code, std::string text) {
  node::Node out("iq");
  out.set("from", iq.jid("to").value_or(node::Jid::server_jid()));
  out.set("type", "error").set("id", iq.attr("id"));
  return std::move(out.add(node::Node("error").set("code", code).set("text", std::move(text))));
}

void refuse(Service& service, Connection& connection, const node::Node& iq, const char* rule,
            int code, std::string text) {
  service.violation(rule, &connection, std::move(text));
  const char* words = code == 403   ? "forbidden"
                      : code == 404 ? "item-not-found"
                      : code == 406 ? "not-acceptable"
                      : code == 409 ? "conflict"
                                    : "bad-request";
  service.say(connection, iq_error(iq, code, words));
}

void handle_iq(Service& service, Connection& connection, const node::Node& iq) {
  const std::string type = iq.attr("type");
  const std::string xmlns = iq.attr("xmlns");
  if (iq.attr("id").empty()) {
    service.violation("I1", &connection, "iq without id");
    return service.end(connection);
  }
  if (type == "result" || type == "error") return handle_answer(service, connection, iq);
  if (type != "get" && type != "set") {
    return refuse(service, connection, iq, "I1", 400, "iq type is '" + type + "'");
  }
  const auto to = iq.jid("to");
  if (!to) return refuse(service, connection, iq, "I1", 400, "iq without to");
  if (xmlns.empty()) return refuse(service, connection, iq, "I1", 400, "iq without xmlns");
  if (to->device != 0) return refuse(service, connection, iq, "I1", 400, "iq to a device");

  if (xmlns == "w:p") {
    return service.say(connection, iq_result(iq).set("t", std::to_string(service.now_s())));
  }
  if (xmlns == "passive") return handle_passive(service, connection, iq);
  if (xmlns == "encrypt") return handle_encrypt(service, connection, iq);
  if (xmlns == "usync") return handle_usync(service, connection, iq);
  if (xmlns == "md") return handle_md(service, connection, iq);
  if (xmlns == "w:g2") return handle_group_iq(service, connection, iq);
  if (xmlns == "w:sync:app:state") return handle_app_state(service, connection, iq);
  if (handle_small_query(service, connection, iq)) return;
  refuse(service, connection, iq, "S4", 400, "unknown request: " + xmlns);
}

}  // namespace wab::sandbox
