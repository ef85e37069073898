// What happens between <success> and "open", and after it (dossier 1 section 9).
#pragma once

#include "session/engine.h"
#include "session/messaging/send.h"
#include "session/prekeys.h"

namespace wab::session {

class Login {
 public:
  Login(Engine& engine, PreKeys& prekeys, Sender& sender)
      : engine_(engine), prekeys_(prekeys), sender_(sender) {}

  // <success>: takes over the clock and the LID, counts the login. Call from the reader.
  awaitable<Result<void>> on_success(const node::Node& success);
  // Questions in their order until the session is active. False: the login failed, reconnect.
  awaitable<bool> activate(std::shared_ptr<Connection> connection);
  // What may fail without harm, afterwards.
  awaitable<void> settle(std::shared_ptr<Connection> connection);

  // <ib> children: routing info, the offline queue's preview and end, dirty marks.
  awaitable<Result<void>> on_ib(const node::Node& ib);
  // A stanza of the offline queue was taken: asks for the next batch in time.
  void on_offline_stanza();
  bool offline_done() const { return offline_done_; }

 private:
  awaitable<void> ask_batches(std::shared_ptr<Connection> connection);
  void send_unified_session();

  Engine& engine_;
  PreKeys& prekeys_;
  Sender& sender_;
  uint64_t offline_total_ = 0;
  uint64_t offline_seen_ = 0;
  bool offline_done_ = false;
  bool batch_scheduled_ = false;
};

}  // namespace wab::session
