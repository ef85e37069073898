// Message content: one table row per kind, from protobuf to the event's data and from the API to
// protobuf (dossier 2 section 10).
//
// Pure. What no row knows arrives as kind "unknown" with the raw protobuf in base64, never lost.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "session/messaging/message_info.h"
#include "session/proto/message.pb.h"
#include "storage/base/result.h"

namespace wab::session {

// The inner message of all wrappers (ephemeral, view once, device-sent, edited ...), following them
// at most 8 deep. `destination` is set by a device-sent wrapper: the chat of our own message.
struct Unwrapped {
  pb::Message message;
  std::string destination;
  bool view_once = false;
  bool ephemeral = false;
};
Unwrapped unwrap(const pb::Message& message);

struct EventContent {
  std::string type;  // "message", "message.edited", "message.revoked", "message.reaction"
  std::string kind;  // "text", "image", ...: data.kind of a message
};

// Fills `data` with kind and the kind's own object, reply_to, mentions and referral. Answers the
// event's type. Messages that make no event (protocol traffic of our own account) answer nothing.
std::optional<EventContent> describe(const Unwrapped& content, const MessageInfo& info,
                                     nlohmann::ordered_json& data);

// Text as WhatsApp clients send it: `conversation` when plain, extendedTextMessage with quote,
// mentions.
struct TextContent {
  std::string body;
  std::string reply_to;       // stanza id
  node::Jid reply_to_sender;  // author of that message, bare
  std::vector<node::Jid> mentions;
};
pb::Message make_text(const TextContent& text, ByteView message_secret32);

// Copy for our own other devices.
pb::Message make_device_sent(const pb::Message& message, const node::Jid& destination);

// Stanza `type` of a message (dossier 2 section 6.4).
std::string stanza_type(const pb::Message& message);

}  // namespace wab::session
