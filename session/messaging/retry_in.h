// Somebody could not read a message of ours: encrypt it again for that device, also after a restart
// (dossier 2 section 8.6).
#pragma once

#include "session/engine.h"
#include "session/messaging/devices.h"

namespace wab::session {

class RetryIn {
 public:
  RetryIn(Engine& engine, Devices& devices) : engine_(engine), devices_(devices) {}

  // Handles <receipt type="retry">. `done` sends the ack of the receipt; it runs when the effects
  // are durable, or at once when nothing is to be done.
  awaitable<void> on_retry(node::Node receipt, std::function<void()> done);

  static constexpr uint32_t kRefuseFrom = 5;
  static constexpr int kMaxPerDevice = 10;

 private:
  awaitable<Result<void>> handle(const node::Node& receipt, std::function<void()> done);
  awaitable<Result<bool>> repair_session(Change& change, const node::Node& receipt,
                                         node::Jid requester, uint32_t count);

  Engine& engine_;
  Devices& devices_;
};

}  // namespace wab::session
