// What waits for a device, and how it is handed over after login (dossier 1 section 9.5).
#include <algorithm>

#include "tests/sandbox/service.h"

namespace wab::sandbox {
namespace {

void send_item(Service& service, Connection& connection, Queued& item) {
  item.sent = true;
  item.sent_at = service.now();
  item.overdue = false;
  node::Node stanza = item.stanza;
  if (item.offline && !stanza.has("offline")) stanza.set("offline", "0");
  service.say(connection, std::move(stanza));
}

void finish(Service& service, Connection& connection) {
  connection.backlog_done = true;
  connection.batch_left = 0;
  node::Node ib("ib");
  ib.set("from", node::Jid::server_jid());
  ib.add(node::Node("offline").set("count", std::to_string(connection.backlog_total)));
  service.say(connection, std::move(ib));
  for (Queued& item : connection.device->queue) {
    if (!item.sent) send_item(service, connection, item);
  }
}

}  // namespace

bool is_kept(const node::Node& stanza) {
  return stanza.tag == "message" || stanza.tag == "receipt" || stanza.tag == "notification" ||
         stanza.tag == "call";
}

void begin_backlog(Service& service, Connection& connection) {
  if (connection.preview_sent || connection.device == nullptr) return;
  connection.preview_sent = true;
  Device& device = *connection.device;
  std::map<std::string, int> counts;
  for (Queued& item : device.queue) {
    item.offline = true;
    ++counts[item.stanza.tag];
  }
  connection.backlog_total = device.queue.size();
  if (connection.backlog_total == 0) return finish(service, connection);
  node::Node preview("offline_preview");
  preview.set("count", std::to_string(connection.backlog_total));
  preview.set("message", std::to_string(counts["message"]));
  preview.set("receipt", std::to_string(counts["receipt"]));
  preview.set("notification", std::to_string(counts["notification"]));
  preview.set("appdata", "0").set("call", std::to_string(counts["call"]));
  node::Node ib("ib");
  ib.set("from", node::Jid::server_jid());
  service.say(connection, std::move(ib.add(std::move(preview))));
}

void release_backlog(Service& service, Connection& connection) {
  const bool phone = connection.id == 0;
  size_t waiting = 0;
  for (Queued& item : connection.device->queue) {
    if (item.sent) continue;
    if (!phone && (!item.offline || connection.batch_left == 0)) {
      waiting += item.offline ? 1 : 0;
      continue;
    }
    if (!phone) --connection.batch_left;
    send_item(service, connection, item);
  }
  if (!phone && !connection.backlog_done && waiting == 0) finish(service, connection);
}

void handle_offline_batch(Service& service, Connection& connection, const node::Node& batch) {
  const uint64_t count = batch.number("count").value_or(0);
  if (count < 1 || count > 1000) {
    return service.violation("S12", &connection, "offline_batch count is " + batch.attr("count"));
  }
  // After the end marker a request is late, not wrong: the marker may have crossed it.
  if (connection.backlog_done) {
    if (!connection.preview_sent || connection.backlog_total == 0) {
      service.violation("S12", &connection, "offline_batch without a preview");
    }
    return;
  }
  if (!connection.preview_sent) {
    return service.violation("S12", &connection, "offline_batch without a preview");
  }
  if (connection.batch_left > 0) {
    service.violation("S12", &connection, "offline_batch while one is outstanding");
  }
  connection.batch_left = count;
  release_backlog(service, connection);
}

}  // namespace wab::sandbox
