// A full outbox: what WhatsApp pushes stays there until there is room again.
//
// Owned by the session's actor, its shard. From the first pushed stanza that finds the outbox full
// until the release, none is looked at: an acknowledged one in between would overtake the others.
// Answers, pings and acknowledgements of our own sends go on. WhatsApp sends again on the next
// connection what was not acknowledged (dossier 2 section 13.2), so the release ends this one when
// anything was left.
#pragma once

#include "session/context.h"
#include "session/node/node.h"

namespace wab::session {

// Stanzas that WhatsApp keeps until they are acknowledged and that make events. Pure.
bool is_pushed(const node::Node& stanza);

class Hold {
 public:
  explicit Hold(SessionContext& context) : context_(context) {}
  // Whether this stanza is to be left alone. `began` is set when it is the first.
  bool takes(const node::Node& stanza, bool& began);
  bool on() const { return on_; }
  // Returns when the outbox has room again, or when `over` says that nobody waits any more.
  awaitable<void> wait_for_room(std::function<bool()> over);
  void release() { on_ = false; }

 private:
  SessionContext& context_;
  bool on_ = false;
};

}  // namespace wab::session
