// Notification type to handler: one table (dossier 3 section 7). Every notification is
// acknowledged, known or not, once what it changed is durable.
#pragma once

#include "session/engine.h"
#include "session/prekeys.h"

namespace wab::session {

class Notifications {
 public:
  Notifications(Engine& engine, PreKeys& prekeys) : engine_(engine), prekeys_(prekeys) {}
  awaitable<Result<void>> on_notification(node::Node stanza);

 private:
  struct Row {
    const char* type;
    awaitable<Result<void>> (Notifications::*handler)(Change&, const node::Node&);
  };
  static const Row kRows[];

  awaitable<Result<void>> on_encrypt(Change& change, const node::Node& stanza);
  awaitable<Result<void>> on_devices(Change& change, const node::Node& stanza);
  awaitable<Result<void>> on_group(Change& change, const node::Node& stanza);
  awaitable<Result<void>> on_account_sync(Change& change, const node::Node& stanza);

  Engine& engine_;
  PreKeys& prekeys_;
};

}  // namespace wab::session
