#include "session/messaging/message_info.h"

namespace wab::session {
namespace {

std::optional<node::Jid> first_of(const node::Node& stanza, std::string_view a,
                                  std::string_view b) {
  if (auto jid = stanza.jid(a)) return jid->bare();
  if (auto jid = stanza.jid(b)) return jid->bare();
  return std::nullopt;
}

}  // namespace

std::optional<MessageInfo> read_message_info(const node::Node& stanza, const OwnIdentity& own) {
  MessageInfo info;
  info.id = stanza.attr("id");
  const auto from = stanza.jid("from");
  if (info.id.empty() || !from || from->empty()) return std::nullopt;
  info.from = *from;
  info.participant = stanza.jid("participant");
  info.recipient = stanza.jid("recipient");
  info.type = stanza.attr("type");
  info.push_name = stanza.attr("notify");
  info.edit = stanza.attr("edit");
  info.is_peer = stanza.attr("category") == "peer";
  info.offline = stanza.has("offline");
  info.t = static_cast<UnixSeconds>(stanza.number("t").value_or(0));

  if (from->is_group() || from->is_broadcast()) {
    if (!info.participant) return std::nullopt;
    info.chat = *from;
    info.sender = *info.participant;
    info.from_me = own.is_me(info.sender.bare());
    // Status names both forms by the kind of the participant, groups by the addressing mode; either
    // way the attribute that is present is the other name.
    info.sender_alt = first_of(stanza, info.sender.is_lid() ? "participant_pn" : "participant_lid",
                               "participant_pn");
  } else if (from->is_newsletter()) {
    info.chat = *from;
    info.sender = *from;
  } else if (own.is_me(from->bare())) {
    info.from_me = true;
    info.sender = *from;
    info.chat = info.recipient ? info.recipient->bare() : from->bare();
    info.recipient_alt = first_of(stanza, "peer_recipient_pn", "peer_recipient_lid");
  } else {
    if (info.recipient) return std::nullopt;
    info.sender = *from;
    info.chat = from->bare();
    if (from->server == node::kHostedServer) info.chat.server = std::string(node::kUserServer);
    if (from->server == node::kHostedLidServer) info.chat.server = std::string(node::kLidServer);
    info.sender_alt = first_of(stanza, from->is_lid() ? "sender_pn" : "sender_lid", "sender_pn");
  }
  if (info.sender_alt && info.sender_alt->server == info.sender.server) info.sender_alt.reset();
  return info;
}

const char* chat_kind(const node::Jid& chat) {
  if (chat.is_group()) return "group";
  if (chat.is_broadcast()) return chat.user == "status" ? "status" : "broadcast";
  if (chat.is_newsletter()) return "channel";
  return "direct";
}

}  // namespace wab::session
