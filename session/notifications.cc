#include "session/notifications.h"

#include "session/messaging/devices.h"
#include "session/messaging/groups.h"
#include "session/messaging/lid_map.h"
#include "session/messaging/receipts.h"

namespace wab::session {

using node::Jid;
using node::Node;

const Notifications::Row Notifications::kRows[] = {
    {"encrypt", &Notifications::on_encrypt},
    {"devices", &Notifications::on_devices},
    {"w:gp2", &Notifications::on_group},
    {"account_sync", &Notifications::on_account_sync},
};

awaitable<Result<void>> Notifications::on_notification(Node stanza) {
  const std::weak_ptr<Connection> where = engine_.conn;
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  const std::string type = stanza.attr("type");
  for (const auto& row : kRows) {
    if (type == row.type) {
      CO_TRY_VOID(co_await (this->*row.handler)(change, stanza));
      break;
    }
  }
  if (const auto ack = make_ack(stanza, engine_.own())) {
    change.then([where, ack = *ack] { Engine::send_on(where, ack); });
  }
  engine_.overlay.apply(std::move(change));
  co_return ok();
}

awaitable<Result<void>> Notifications::on_encrypt(Change& change, const Node& stanza) {
  if (stanza.child("count") != nullptr) {
    engine_.start(prekeys_.top_up(), "session.prekeys");
  } else if (stanza.child("digest") != nullptr) {
    engine_.start(prekeys_.verify_digest(), "session.prekeys");
  } else if (stanza.child("identity") != nullptr) {
    // Sessions stay: archived states still read what is under way. The device list may be stale.
    if (const auto from = stanza.jid("from"); from && from->device == 0) {
      Devices::forget(change, *from);
    }
  }
  co_return ok();
}

awaitable<Result<void>> Notifications::on_devices(Change& change, const Node& stanza) {
  for (const char* attr : {"from", "lid"}) {
    if (const auto jid = stanza.jid(attr)) {
      Devices::forget(change, *jid);
      const Jid bare = jid->bare();
      CO_TRY(auto other, co_await other_name(change, bare));
      if (other) Devices::forget(change, *other);
    }
  }
  co_return ok();
}

awaitable<Result<void>> Notifications::on_group(Change& change, const Node& stanza) {
  if (const auto group = stanza.jid("from"); group && group->is_group()) {
    // Asked again before the next send; a member who left makes the sender key rotate there.
    Groups::forget(change, *group);
  }
  co_return ok();
}

awaitable<Result<void>> Notifications::on_account_sync(Change& change, const Node& stanza) {
  if (stanza.child("devices") != nullptr) {
    Devices::forget(change, engine_.own().pn);
    if (!engine_.own().lid.empty()) Devices::forget(change, engine_.own().lid);
  }
  co_return ok();
}

}  // namespace wab::session
