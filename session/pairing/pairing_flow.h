// The unpaired connection: codes on show, the phone's answer, the identity made durable (dossier 1
// sections 6 and 7). The stanza machines are in qr.h and code.h; this file moves them.
//
// Owned by the session actor, alive while the device is not paired.
#pragma once

#include <functional>

#include "session/engine.h"
#include "session/pairing/code.h"
#include "session/pairing/qr.h"
#include "session/session.h"

namespace wab::session {

class PairingFlow {
 public:
  // What the flow tells the actor.
  struct Listener {
    std::function<void(Cause, const Reason*)> moved;  // status move
    std::function<void()> changed;                    // a new QR code is on show
  };
  PairingFlow(Engine& engine, Listener listener);

  // A stanza of the unpaired connection. True when it was ours.
  awaitable<bool> on_stanza(const node::Node& stanza);
  // Rotates codes by the clock until the connection ends or the device is paired.
  awaitable<void> rotate(std::shared_ptr<Connection> connection);
  // The connection is gone: nothing is on show any more.
  void reset();

  std::optional<QrView> qr() const;
  bool paired_now() const { return paired_now_; }  // pair-success was stored; expect 515
  bool refs_used_up() const { return used_up_; }
  awaitable<Result<PairingCodeView>> request_code(std::string phone);

 private:
  void on_pair_device(const PairDevice& offer);
  awaitable<void> on_pair_success(node::Node iq);
  awaitable<void> on_link_code(node::Node notification);
  awaitable<void> new_adv_secret();
  awaitable<SecretKey32> stretch(std::string code, Key32 salt);

  Engine& engine_;
  Listener listener_;
  RefRotation refs_;
  UnixMillis shown_until_ = 0;
  bool offered_ = false;
  bool used_up_ = false;
  bool paired_now_ = false;
  std::optional<CodePairing> code_;
  bool code_busy_ = false;
  // What a phone that entered the code right will use; the codes on show keep their own.
  std::optional<SecretKey32> code_secret_;
};

}  // namespace wab::session
