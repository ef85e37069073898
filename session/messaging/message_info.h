// Who wrote to whom: the attributes of a message or receipt stanza, made unambiguous (dossier 2
// sections 8.1 and 3.3). Pure.
#pragma once

#include <optional>
#include <string>

#include "session/node/node.h"
#include "storage/base/clock.h"

namespace wab::session {

struct OwnIdentity {
  node::Jid pn;   // with device
  node::Jid lid;  // with device; empty when unknown
  bool is_me(const node::Jid& jid) const {
    return jid.same_user(pn.bare()) || (!lid.empty() && jid.same_user(lid.bare()));
  }
};

struct MessageInfo {
  std::string id;
  node::Jid from;                        // as on the wire, with device
  node::Jid chat;                        // bare: user, group, broadcast list, channel
  node::Jid sender;                      // device that wrote it
  std::optional<node::Jid> participant;  // as on the wire
  std::optional<node::Jid> recipient;
  // The other name of the sender, when the stanza tells it (bare).
  std::optional<node::Jid> sender_alt;
  // The other name of the chat for our own fan-outs (bare).
  std::optional<node::Jid> recipient_alt;
  bool from_me = false;
  bool is_peer = false;  // category="peer": our own account talking to us
  std::string type;
  std::string push_name;
  std::string edit;
  UnixSeconds t = 0;
  bool offline = false;  // replayed from the queue

  bool is_group() const { return chat.is_group(); }
};

// std::nullopt for stanzas that no rule of the dossier allows: no id or from, a group message
// without participant, a recipient on a stranger's stanza.
std::optional<MessageInfo> read_message_info(const node::Node& stanza, const OwnIdentity& own);

// "direct", "group", "broadcast", "status", "channel"
const char* chat_kind(const node::Jid& chat);

}  // namespace wab::session
