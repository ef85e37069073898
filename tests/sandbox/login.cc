// A registered device comes back (dossier 1 sections 3.5, 9.1 and 14.2).
#include "tests/sandbox/fields.h"
#include "tests/sandbox/service.h"

namespace wab::sandbox {

node::Node failure(int reason) {
  node::Node out("failure");
  return std::move(out.set("reason", reason).set("location", "sandbox"));
}

node::Node stream_error(int code) {
  node::Node out("stream:error");
  return std::move(out.set("code", code));
}

void begin_login(Service& service, Connection& connection, const Bytes& noise_static,
                 const Fields& payload) {
  const DeviceJid jid{std::to_string(payload.number(1).value_or(0)),
                      static_cast<uint16_t>(payload.number(18).value_or(0))};
  const auto found = service.devices_.find(jid);
  if (jid.device == 0 || found == service.devices_.end()) {
    service.violation("P3", &connection, "no such device: " + jid.text());
    return service.end_with(connection, failure(401));
  }
  Device& device = *found->second;
  if (device.removed || device.noise != noise_static) {
    service.violation(
        device.removed ? "A6" : "P3", jid, connection.id,
        device.removed ? "a removed device came back" : "Noise key is not that device's");
    return service.end_with(connection, failure(401));
  }
  if (payload.number(33).value_or(0) != 1) {
    service.violation("P3", jid, connection.id, "pull is not true");
    return service.end_with(connection, failure(400));
  }
  if (const auto counter = payload.number(24)) {
    const auto value = static_cast<int64_t>(*counter);
    if (device.login_counter && value < *device.login_counter) {
      service.violation("P6", jid, connection.id, "login counter went back");
    }
    device.login_counter = value;
  }
  if (device.terminated) {
    service.violation("A6", jid, connection.id, "came back after it was told not to");
    device.terminated = false;
  }
  const UnixMillis now = service.now();
  device.opens_in_second = now - device.last_open < 1'000 ? device.opens_in_second + 1 : 0;
  device.last_open = now;
  if (device.opens_in_second > 1) {
    service.violation("A8", jid, connection.id, "more than one connection per second");
  }
  if (auto refusal = service.faults_->on_login(jid)) {
    return service.end_with(connection, std::move(*refusal));
  }
  if (Connection* old = device.connection) {
    // P7: the newer connection wins.
    node::Node last("stream:error");
    last.add(node::Node("conflict").set("type", "replaced"));
    service.end_with(*old, std::move(last));
    service.flush();
  }
  connection.device = &device;
  connection.state = Connection::State::open;
  device.connection = &connection;
  if (const std::string name = payload.text(7); !name.empty()) device.push_name = name;

  node::Node success("success");
  success.set("t", std::to_string(service.now_s()));
  success.set("lid", node::Jid::lid(device.account->lid, jid.device));
  success.set("props", "27").set("location", "sandbox");
  service.say(connection, std::move(success));
  const Bytes routing = service.random_.bytes(12);
  service.routing_infos_.insert(routing);
  node::Node edge("edge_routing");
  edge.add(bytes_node("routing_info", routing));
  node::Node ib("ib");
  service.say(connection, std::move(ib.set("from", node::Jid::server_jid()).add(std::move(edge))));
  connection.backlog_done = false;
  if (payload.number(3).value_or(0) == 0) {
    connection.active = true;
    begin_backlog(service, connection);
  }
}

}  // namespace wab::sandbox
