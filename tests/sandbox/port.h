// The seam between the sandbox's server and whatever is a device to it.
//
// A device is either a connected client (connection.h) or a virtual phone (phone.h) that lives in
// this process. Both speak stanzas through the same two directions, so that a phone gets no
// shortcut: what it sends is judged by the same rules as what a client sends.
#pragma once

#include <memory>
#include <string>

#include "session/node/node.h"
#include "session/signal/curve.h"

namespace wab::sandbox {

// Server to device. Called on the sandbox's one thread; must not throw and must not re-enter the
// server from inside the call (queue and post instead).
class Port {
 public:
  virtual ~Port() = default;
  virtual void deliver(const node::Node& stanza) = 0;
  // The server ends the stream after what it has delivered so far. A phone has nothing to do.
  virtual void end() {}
};

// A virtual WhatsApp account. The identity key is the phone's Signal identity and the account key
// that signs companions.
struct Account {
  std::string pn;   // digits, "15550100001"
  std::string lid;  // digits
  std::string push_name;
  signal::KeyPair identity;
  uint32_t registration_id = 0;
  uint32_t next_device = 1;
  uint32_t next_key_index = 1;
  bool lid_migrated = true;
};

}  // namespace wab::sandbox
