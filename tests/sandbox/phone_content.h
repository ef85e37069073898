// What virtual phones say and understand: serialized Message values (dossier 2 section 10), read
// and written field by field so that a mistake in the product's schema cannot agree with itself.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/bytes.h"
#include "storage/base/clock.h"

namespace wab::sandbox {

// The message that a reaction, an edit, a revocation or a quotation means.
struct MessageKey {
  std::string chat;  // bare jid
  bool from_me = false;
  std::string id;
  std::string participant;  // author in a group, bare jid
};

// Writing.
struct TextContent {
  std::string body;
  std::optional<MessageKey> quoted;  // participant = author
  std::string quoted_text;
  std::vector<std::string> mentions;  // bare jids
};
Bytes text_message(const TextContent& content);
Bytes reaction_message(const MessageKey& target, std::string_view emoji, UnixMillis now);
Bytes edit_message(const MessageKey& target, std::string_view body, UnixMillis now);
Bytes revoke_message(const MessageKey& target);
Bytes location_message(double latitude, double longitude, std::string_view name);
Bytes contact_message(std::string_view name, std::string_view vcard);
Bytes poll_message(std::string_view name, const std::vector<std::string>& options,
                   uint32_t selectable);
// Adds messageContextInfo.messageSecret unless there is one.
Bytes with_secret(Bytes message, ByteView secret32);
Bytes device_sent_message(std::string_view destination, ByteView message);
Bytes distribution_message(std::string_view group, ByteView axolotl);
// A copy of `message` with the sender key of a group: the resend of a group message.
Bytes with_distribution(Bytes message, std::string_view group, ByteView axolotl);

// How a message is announced on its stanza (dossier 2 section 6.4).
struct Announcement {
  std::string type = "text";
  std::string mediatype;
  std::string edit;
  bool hide = false;      // decrypt-fail="hide"
  std::string poll_type;  // <meta polltype>
};
Announcement announce(ByteView message);

// Reading.
struct Understood {
  bool well_formed = false;
  std::string kind;    // "text", "image", "reaction", "edit", "revoke", ...; "" = nothing to show
  std::string text;    // body, caption or emoji
  std::string target;  // id of the message meant by a reaction, edit, revocation or poll vote
  std::string quoted;  // id of the quoted message
  bool has_secret = false;
};
Understood understand(ByteView message);

struct DeviceSent {
  std::string destination;
  Bytes message;
};
std::optional<DeviceSent> read_device_sent(ByteView message);

struct Distribution {
  std::string group;
  Bytes axolotl;
};
std::optional<Distribution> read_distribution(ByteView message);

// ProtocolMessage of a peer message: number of its type, and the whole of it.
struct Protocol {
  uint64_t type = 0;
  Bytes bytes;
};
std::optional<Protocol> read_protocol(ByteView message);

}  // namespace wab::sandbox
