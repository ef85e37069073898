#include "tests/sandbox/phone_content.h"

#include <bit>

#include "tests/sandbox/fields.h"

namespace wab::sandbox {
namespace {

// Numbers of Message (dossier 2 section 10.2).
enum : uint32_t {
  kConversation = 1,
  kSenderKey = 2,
  kImage = 3,
  kContact = 4,
  kLocation = 5,
  kExtendedText = 6,
  kDocument = 7,
  kAudio = 8,
  kVideo = 9,
  kProtocol = 12,
  kContactsArray = 13,
  kLiveLocation = 18,
  kSticker = 26,
  kGroupInvite = 28,
  kDeviceSent = 31,
  kContextInfo = 35,
  kReaction = 46,
  kPoll = 49,
  kPollUpdate = 50,
  kEncReaction = 56,
  kEdited = 58,
  kPollV2 = 60,
  kPin = 63,
  kPollV3 = 64,
  kPtv = 66,
  kEvent = 75,
};
constexpr uint64_t kRevoke = 0;
constexpr uint64_t kMessageEdit = 14;

// FutureProofMessage wrappers that are looked through (section 10.1).
constexpr uint32_t kWrappers[] = {37, 40, 53, 55, 58, 59, 62, 74, 85, 87, 92, 96, 103};

void put_text(Bytes& to, uint32_t number, std::string_view value) {
  if (!value.empty()) put_field(to, number, view(value));
}

void put_double(Bytes& to, uint32_t number, double value) {
  // Numbers used here are below 16, so that the tag is one byte; wire type 1, little endian.
  to.push_back(static_cast<uint8_t>(number << 3 | 1));
  const auto bits = std::bit_cast<uint64_t>(value);
  for (int shift = 0; shift < 64; shift += 8) to.push_back(static_cast<uint8_t>(bits >> shift));
}

Bytes key_bytes(const MessageKey& key) {
  Bytes out;
  put_text(out, 1, key.chat);
  put_field(out, 2, key.from_me ? 1 : 0);
  put_text(out, 3, key.id);
  put_text(out, 4, key.participant);
  return out;
}

Bytes wrapped(uint32_t number, const Bytes& value) {
  Bytes out;
  put_field(out, number, ByteView(value));
  return out;
}

std::string id_in_key(const Fields& fields, uint32_t number) {
  const auto key = fields.message(number);
  return key ? key->text(3) : std::string();
}

// Looks through one message for the thing that it shows.
struct Shown {
  uint32_t number = 0;
  Bytes body;  // of a message field, or the conversation's text
};

std::optional<Shown> shown(ByteView message, int depth = 0) {
  const auto fields = Fields::parse(message);
  if (!fields || depth > 6) return std::nullopt;
  for (uint32_t wrapper : kWrappers) {
    const auto outer = fields->message(wrapper);
    if (!outer) continue;
    const auto inner = outer->bytes(1);
    if (!inner) return std::nullopt;
    return shown(*inner, depth + 1);
  }
  for (const Field& field : fields->all()) {
    if (field.wire != 2 || field.number == kSenderKey || field.number == 15 ||
        field.number == kContextInfo) {
      continue;
    }
    return Shown{field.number, to_bytes(field.bytes)};
  }
  return Shown{};
}

struct Kind {
  uint32_t number;
  const char* name;
  const char* type;  // of the stanza
  const char* mediatype;
  uint32_t caption;  // field of the text
  uint32_t context;  // field of ContextInfo
};
constexpr Kind kKinds[] = {
    {kConversation, "text", "text", "", 0, 0},
    {kExtendedText, "text", "text", "", 1, 17},
    {kImage, "image", "media", "image", 3, 17},
    {kVideo, "video", "media", "video", 7, 17},
    {kPtv, "video", "media", "ptv", 7, 17},
    {kAudio, "audio", "media", "audio", 0, 17},
    {kDocument, "document", "media", "document", 20, 17},
    {kSticker, "sticker", "media", "sticker", 0, 17},
    {kLocation, "location", "media", "location", 3, 17},
    {kLiveLocation, "location", "media", "livelocation", 6, 17},
    {kContact, "contact", "media", "vcard", 1, 17},
    {kContactsArray, "contacts", "media", "contact_array", 1, 17},
    {kGroupInvite, "group_invite", "media", "url", 6, 7},
    {kReaction, "reaction", "reaction", "", 2, 0},
    {kEncReaction, "reaction", "reaction", "", 0, 0},
    {kPoll, "poll", "poll", "", 2, 5},
    {kPollV2, "poll", "poll", "", 2, 5},
    {kPollV3, "poll", "poll", "", 2, 5},
    {111, "poll", "poll", "", 2, 5},
    {119, "poll", "poll", "", 2, 5},
    {kPollUpdate, "poll_vote", "poll", "", 0, 0},
    {kEvent, "event", "event", "", 0, 0},
    {kPin, "pin", "text", "", 0, 0},
};

const Kind* kind_of(uint32_t number) {
  for (const Kind& kind : kKinds) {
    if (kind.number == number) return &kind;
  }
  return nullptr;
}

}  // namespace

Bytes text_message(const TextContent& content) {
  Bytes out;
  if (!content.quoted && content.mentions.empty()) {
    put_field(out, kConversation, view(content.body));
    return out;
  }
  Bytes context;
  if (content.quoted) {
    put_text(context, 1, content.quoted->id);
    put_text(context, 2, content.quoted->participant);
    Bytes quoted;
    put_field(quoted, kConversation, view(content.quoted_text));
    put_field(context, 3, ByteView(quoted));
  }
  for (const std::string& jid : content.mentions) put_text(context, 15, jid);
  Bytes text;
  put_field(text, 1, view(content.body));
  put_field(text, 17, ByteView(context));
  return wrapped(kExtendedText, text);
}

Bytes reaction_message(const MessageKey& target, std::string_view emoji, UnixMillis now) {
  Bytes out;
  put_field(out, 1, ByteView(key_bytes(target)));
  put_field(out, 2, view(emoji));  // present and empty: takes the reaction back
  put_field(out, 4, static_cast<uint64_t>(now));
  return wrapped(kReaction, out);
}

Bytes edit_message(const MessageKey& target, std::string_view body, UnixMillis now) {
  Bytes text;
  put_field(text, kConversation, view(body));
  Bytes protocol;
  put_field(protocol, 1, ByteView(key_bytes(target)));
  put_field(protocol, 2, kMessageEdit);
  put_field(protocol, 14, ByteView(text));
  put_field(protocol, 15, static_cast<uint64_t>(now));
  return wrapped(kEdited, wrapped(1, wrapped(kProtocol, protocol)));
}

Bytes revoke_message(const MessageKey& target) {
  Bytes protocol;
  put_field(protocol, 1, ByteView(key_bytes(target)));
  put_field(protocol, 2, kRevoke);
  return wrapped(kProtocol, protocol);
}

Bytes location_message(double latitude, double longitude, std::string_view name) {
  Bytes out;
  put_double(out, 1, latitude);
  put_double(out, 2, longitude);
  put_text(out, 3, name);
  return wrapped(kLocation, out);
}

Bytes contact_message(std::string_view name, std::string_view vcard) {
  Bytes out;
  put_text(out, 1, name);
  put_text(out, 16, vcard);
  return wrapped(kContact, out);
}

Bytes poll_message(std::string_view name, const std::vector<std::string>& options,
                   uint32_t selectable) {
  Bytes out;
  put_text(out, 2, name);
  for (const std::string& option : options) {
    Bytes entry;
    put_text(entry, 1, option);
    put_field(out, 3, ByteView(entry));
  }
  put_field(out, 4, selectable);
  return wrapped(selectable == 1 ? kPollV3 : kPoll, out);
}

Bytes with_secret(Bytes message, ByteView secret32) {
  const auto fields = Fields::parse(message);
  if (!fields || fields->has(kContextInfo)) return message;
  Bytes info;
  put_field(info, 3, secret32);
  put_field(message, kContextInfo, ByteView(info));
  return message;
}

Bytes device_sent_message(std::string_view destination, ByteView message) {
  Bytes sent;
  put_text(sent, 1, destination);
  put_field(sent, 2, message);
  Bytes out = wrapped(kDeviceSent, sent);
  const auto inner = Fields::parse(message);
  if (inner && inner->has(kContextInfo)) put_field(out, kContextInfo, *inner->bytes(kContextInfo));
  return out;
}

Bytes distribution_message(std::string_view group, ByteView axolotl) {
  Bytes out;
  put_text(out, 1, group);
  put_field(out, 2, axolotl);
  return wrapped(kSenderKey, out);
}

Bytes with_distribution(Bytes message, std::string_view group, ByteView axolotl) {
  append(message, distribution_message(group, axolotl));
  return message;
}

Announcement announce(ByteView message) {
  Announcement out;
  const auto what = shown(message);
  if (!what) return out;
  const auto body = Fields::parse(what->body);
  if (what->number == kProtocol && body) {
    const uint64_t type = body->number(2).value_or(0);
    if (type == kMessageEdit) {
      out.edit = "1";
      out.hide = true;
    } else if (type == kRevoke) {
      const auto key = body->message(1);
      out.edit = key && key->number(2).value_or(0) == 0 ? "8" : "7";
    }
    return out;
  }
  const Kind* kind = kind_of(what->number);
  if (kind == nullptr) return out;
  out.type = kind->type;
  out.mediatype = kind->mediatype;
  if (what->number == kAudio && body && body->number(6).value_or(0) != 0) out.mediatype = "ptt";
  if (what->number == kVideo && body && body->number(8).value_or(0) != 0) out.mediatype = "gif";
  if (what->number == kReaction || what->number == kEncReaction) {
    out.hide = true;
    if (what->number == kReaction && body && body->text(2).empty()) out.edit = "7";
  } else if (what->number == kPollUpdate) {
    out.hide = true;
    out.poll_type = "vote";
  } else if (what->number == kPin) {
    out.hide = true;
    out.edit = "2";
  } else if (out.type == "poll") {
    out.poll_type = "creation";
  }
  return out;
}

Understood understand(ByteView message) {
  Understood out;
  const auto fields = Fields::parse(message);
  const auto what = shown(message);
  if (!fields || !what) return out;
  out.well_formed = true;
  if (const auto info = fields->message(kContextInfo)) out.has_secret = info->copy(3).size() == 32;
  if (what->number == 0) return out;
  if (what->number == kConversation) {
    out.kind = "text";
    out.text = to_string(what->body);
    return out;
  }
  const auto body = Fields::parse(what->body);
  if (!body) {
    out.well_formed = false;
    return out;
  }
  if (what->number == kProtocol) {
    const uint64_t type = body->number(2).value_or(0);
    out.target = id_in_key(*body, 1);
    if (type == kRevoke) {
      out.kind = "revoke";
    } else if (type == kMessageEdit) {
      out.kind = "edit";
      if (const auto edited = body->bytes(14)) out.text = understand(*edited).text;
    } else {
      out.kind = "protocol";
      out.text = std::to_string(type);
    }
    return out;
  }
  const Kind* kind = kind_of(what->number);
  if (kind == nullptr) {
    out.kind = "unknown";
    return out;
  }
  out.kind = kind->name;
  if (kind->caption != 0) out.text = body->text(kind->caption);
  if (kind->context != 0) {
    if (const auto context = body->message(kind->context)) out.quoted = context->text(1);
  }
  if (what->number == kReaction || what->number == kPollUpdate) out.target = id_in_key(*body, 1);
  return out;
}

std::optional<DeviceSent> read_device_sent(ByteView message) {
  const auto fields = Fields::parse(message);
  if (!fields) return std::nullopt;
  const auto sent = fields->message(kDeviceSent);
  if (!sent || !sent->bytes(2)) return std::nullopt;
  return DeviceSent{sent->text(1), sent->copy(2)};
}

std::optional<Distribution> read_distribution(ByteView message) {
  const auto fields = Fields::parse(message);
  if (!fields) return std::nullopt;
  const auto found = fields->message(kSenderKey);
  if (!found || !found->bytes(2)) return std::nullopt;
  return Distribution{found->text(1), found->copy(2)};
}

std::optional<Protocol> read_protocol(ByteView message) {
  const auto fields = Fields::parse(message);
  if (!fields) return std::nullopt;
  const auto found = fields->message(kProtocol);
  if (!found) return std::nullopt;
  return Protocol{found->number(2).value_or(0), fields->copy(kProtocol)};
}

}  // namespace wab::sandbox
