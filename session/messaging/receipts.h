// Acknowledgements and receipts: the answers that tell WhatsApp a stanza arrived (dossier 1 section
// 13, dossier 2 section 9). Pure builders; they are sent only after the stanza's effects are
// durable.
#pragma once

#include <optional>

#include "session/messaging/message_info.h"
#include "session/node/node.h"

namespace wab::session {

// <ack class=... id to .../>, by the rules of dossier 1 section 13.1. `error` is a nack code.
// std::nullopt when the stanza has no id or from and cannot be acknowledged.
std::optional<node::Node> make_ack(const node::Node& stanza, const OwnIdentity& own,
                                   std::optional<int> error = std::nullopt);

// The delivery receipt of a message that was processed, or the ack where a receipt is not allowed
// (channels; our own messages without recipient). `available` decides between delivered and
// inactive.
node::Node make_delivery(const node::Node& stanza, const MessageInfo& info, const OwnIdentity& own,
                         bool available);

// What somebody's receipt says about one of our messages.
struct ReceiptInfo {
  std::vector<std::string> ids;
  node::Jid chat;      // bare, as on the wire
  node::Jid from;      // device that sent it
  std::string status;  // "delivered", "read", "played"; "" for anything that is not a tick
  UnixSeconds t = 0;
  bool from_me = false;
};
// Understands single ids, <list> and both aggregated group forms (dossier 2 section 9.5).
std::vector<ReceiptInfo> read_receipt(const node::Node& stanza, const OwnIdentity& own);

}  // namespace wab::session
