// Building the stanzas that devices receive (dossier 2 section 13.3).
#pragma once

#include "tests/sandbox/service.h"

namespace wab::sandbox {

// The copy of `message` for one device: attributes of every copy and the children that travel on.
// `enc` of that device is not in it yet.
node::Node copy_for(Service& service, const Device& self, const node::Node& message);
// Notes that `target` received `stanza`, and delivers it.
void hand_over(Service& service, const Device& self, Device& target, node::Node stanza);
// A direct copy to a recipient's or own device; `chat` is `to` as sent. enc nullptr: placeholder.
void deliver_direct(Service& service, const Device& self, const node::Node& message, Device& target,
                    const node::Jid& chat, const node::Node* enc);
// A copy in a group: pairwise enc (may be nullptr), then the group's (may be nullptr).
void deliver_group(Service& service, const Device& self, const node::Node& message, Device& target,
                   const Group& group, const node::Node* pairwise, const node::Node* skmsg);

node::Node message_ack(Service& service, const node::Node& message);

}  // namespace wab::sandbox
