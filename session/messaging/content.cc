#include "session/messaging/content.h"

#include <nlohmann/json.hpp>

namespace wab::session {
namespace {

using Json = nlohmann::ordered_json;
using node::Jid;
using pb::Message;

constexpr int kMaxWrappers = 8;

// ---- Wrappers
// ------------------------------------------------------------------------------------

struct Wrapper {
  bool (Message::*has)() const;
  const pb::FutureProofMessage& (Message::*get)() const;
  bool view_once = false;
  bool ephemeral = false;
};

const Wrapper kWrappers[] = {
    {&Message::has_ephemeral_message, &Message::ephemeral_message, false, true},
    {&Message::has_view_once_message, &Message::view_once_message, true},
    {&Message::has_view_once_message_v2, &Message::view_once_message_v2, true},
    {&Message::has_view_once_message_v2_extension, &Message::view_once_message_v2_extension, true},
    {&Message::has_document_with_caption_message, &Message::document_with_caption_message},
    {&Message::has_edited_message, &Message::edited_message},
    {&Message::has_group_mentioned_message, &Message::group_mentioned_message},
    {&Message::has_bot_invoke_message, &Message::bot_invoke_message},
    {&Message::has_lottie_sticker_message, &Message::lottie_sticker_message},
    {&Message::has_associated_child_message, &Message::associated_child_message},
    {&Message::has_status_mention_message, &Message::status_mention_message},
    {&Message::has_group_status_message, &Message::group_status_message},
    {&Message::has_group_status_message_v2, &Message::group_status_message_v2},
    {&Message::has_group_status_mention_message, &Message::group_status_mention_message},
    {&Message::has_spoiler_message, &Message::spoiler_message},
    {&Message::has_question_message, &Message::question_message},
    {&Message::has_limit_sharing_message, &Message::limit_sharing_message},
    {&Message::has_bot_task_message, &Message::bot_task_message},
    {&Message::has_bot_forwarded_message, &Message::bot_forwarded_message},
    {&Message::has_event_cover_image, &Message::event_cover_image},
    {&Message::has_poll_creation_message_v4, &Message::poll_creation_message_v4},
};

// ---- Kinds
// ---------------------------------------------------------------------------------------

template <class Media>
Json media_json(const Media& media) {
  Json out;
  out["mimetype"] = media.mimetype();
  out["size"] = media.file_length();
  if (!media.file_sha256().empty()) out["sha256"] = to_hex(view(media.file_sha256()));
  return out;
}

Json text_json(const Message& m) {
  return {{"body", m.has_conversation() ? m.conversation() : m.extended_text_message().text()}};
}
Json image_json(const Message& m) {
  Json out = media_json(m.image_message());
  if (m.image_message().has_caption()) out["caption"] = m.image_message().caption();
  return out;
}
Json video_of(const pb::VideoMessage& video) {
  Json out = media_json(video);
  if (video.has_caption()) out["caption"] = video.caption();
  out["seconds"] = video.seconds();
  return out;
}
Json video_json(const Message& m) { return video_of(m.video_message()); }
Json ptv_json(const Message& m) { return video_of(m.ptv_message()); }
Json audio_json(const Message& m) {
  Json out = media_json(m.audio_message());
  out["seconds"] = m.audio_message().seconds();
  out["voice"] = m.audio_message().ptt();
  return out;
}
Json document_json(const Message& m) {
  Json out = media_json(m.document_message());
  out["file_name"] = m.document_message().file_name();
  if (m.document_message().has_caption()) out["caption"] = m.document_message().caption();
  return out;
}
Json sticker_json(const Message& m) {
  Json out = media_json(m.sticker_message());
  out["animated"] = m.sticker_message().is_animated();
  return out;
}
Json location_json(const Message& m) {
  const auto& at = m.location_message();
  Json out{{"latitude", at.degrees_latitude()}, {"longitude", at.degrees_longitude()}};
  if (at.has_name()) out["name"] = at.name();
  if (at.has_address()) out["address"] = at.address();
  return out;
}
Json contact_json(const Message& m) {
  Json out = Json::array();
  if (m.has_contact_message()) {
    out.push_back(
        {{"name", m.contact_message().display_name()}, {"vcard", m.contact_message().vcard()}});
  }
  for (const auto& contact : m.contacts_array_message().contacts()) {
    out.push_back({{"name", contact.display_name()}, {"vcard", contact.vcard()}});
  }
  return out;
}
Json reaction_json(const Message& m) {
  return {{"emoji", m.reaction_message().text()},
          {"message_id", m.reaction_message().key().id()},
          {"removed", m.reaction_message().text().empty()}};
}
Json buttons_reply_json(const Message& m) {
  return {{"id", m.buttons_response_message().selected_button_id()},
          {"text", m.buttons_response_message().selected_display_text()}};
}
Json list_reply_json(const Message& m) {
  return {{"id", m.list_response_message().single_select_reply().selected_row_id()},
          {"title", m.list_response_message().title()}};
}
Json template_reply_json(const Message& m) {
  return {{"id", m.template_button_reply_message().selected_id()},
          {"text", m.template_button_reply_message().selected_display_text()}};
}

struct KindRow {
  const char* kind;
  bool (*matches)(const Message&);
  Json (*json)(const Message&);
  const char* event = "message";
};

const KindRow kKinds[] = {
    {"text", [](const Message& m) { return m.has_conversation() || m.has_extended_text_message(); },
     text_json},
    {"image", [](const Message& m) { return m.has_image_message(); }, image_json},
    {"video", [](const Message& m) { return m.has_video_message(); }, video_json},
    {"video_note", [](const Message& m) { return m.has_ptv_message(); }, ptv_json},
    {"audio", [](const Message& m) { return m.has_audio_message(); }, audio_json},
    {"document", [](const Message& m) { return m.has_document_message(); }, document_json},
    {"sticker", [](const Message& m) { return m.has_sticker_message(); }, sticker_json},
    {"location", [](const Message& m) { return m.has_location_message(); }, location_json},
    {"contacts",
     [](const Message& m) { return m.has_contact_message() || m.has_contacts_array_message(); },
     contact_json},
    {"reaction", [](const Message& m) { return m.has_reaction_message(); }, reaction_json,
     "message.reaction"},
    {"button_reply", [](const Message& m) { return m.has_buttons_response_message(); },
     buttons_reply_json},
    {"list_reply", [](const Message& m) { return m.has_list_response_message(); }, list_reply_json},
    {"template_reply", [](const Message& m) { return m.has_template_button_reply_message(); },
     template_reply_json},
};

const pb::ContextInfo* context_of(const Message& m) {
  if (m.has_extended_text_message()) return &m.extended_text_message().context_info();
  if (m.has_image_message()) return &m.image_message().context_info();
  if (m.has_video_message()) return &m.video_message().context_info();
  if (m.has_audio_message()) return &m.audio_message().context_info();
  if (m.has_document_message()) return &m.document_message().context_info();
  if (m.has_sticker_message()) return &m.sticker_message().context_info();
  if (m.has_location_message()) return &m.location_message().context_info();
  if (m.has_contact_message()) return &m.contact_message().context_info();
  if (m.has_buttons_response_message()) return &m.buttons_response_message().context_info();
  if (m.has_list_response_message()) return &m.list_response_message().context_info();
  return nullptr;
}

void put_context(const Message& m, Json& data) {
  const auto* context = context_of(m);
  if (context == nullptr) return;
  if (context->has_stanza_id()) {
    data["reply_to"] = {{"message_id", context->stanza_id()}, {"sender", context->participant()}};
  }
  for (const auto& jid : context->mentioned_jid()) data["mentions"].push_back(jid);
  if (context->is_forwarded()) data["forwarded"] = true;
  if (context->has_external_ad_reply()) {
    const auto& ad = context->external_ad_reply();
    data["referral"] = {{"source_type", ad.source_type()},
                        {"source_id", ad.source_id()},
                        {"source_url", ad.source_url()},
                        {"headline", ad.title()},
                        {"body", ad.body()},
                        {"ctwa_clid", ad.ctwa_clid()}};
  }
}

const KindRow* find_kind(const Message& m) {
  for (const auto& row : kKinds) {
    if (row.matches(m)) return &row;
  }
  return nullptr;
}

std::optional<EventContent> describe_protocol(const Message& m, Json& data) {
  const auto& protocol = m.protocol_message();
  if (!protocol.has_type()) return std::nullopt;
  if (protocol.type() == pb::ProtocolMessage::REVOKE) {
    data["kind"] = "revoked";
    data["revoked"] = {{"message_id", protocol.key().id()}};
    return EventContent{"message.revoked", "revoked"};
  }
  if (protocol.type() == pb::ProtocolMessage::MESSAGE_EDIT) {
    const auto inner = unwrap(protocol.edited_message()).message;
    const auto* row = find_kind(inner);
    data["kind"] = row ? row->kind : "unknown";
    data["edited"] = {{"message_id", protocol.key().id()}};
    if (row) data[row->kind] = row->json(inner);
    return EventContent{"message.edited", row ? row->kind : "unknown"};
  }
  return std::nullopt;  // traffic between an account's own devices
}

}  // namespace

Unwrapped unwrap(const Message& message) {
  Unwrapped out;
  out.message = message;
  for (int depth = 0; depth < kMaxWrappers; ++depth) {
    Message inner;
    bool found = false;
    if (out.message.has_device_sent_message()) {
      out.destination = out.message.device_sent_message().destination_jid();
      inner = out.message.device_sent_message().message();
      found = true;
    }
    for (const auto& wrapper : kWrappers) {
      if (found || !(out.message.*wrapper.has)()) continue;
      inner = (out.message.*wrapper.get)().message();
      out.view_once = out.view_once || wrapper.view_once;
      out.ephemeral = out.ephemeral || wrapper.ephemeral;
      found = true;
    }
    if (!found) break;
    if (!inner.has_message_context_info() && out.message.has_message_context_info()) {
      *inner.mutable_message_context_info() = out.message.message_context_info();
    }
    out.message = std::move(inner);
  }
  return out;
}

std::optional<EventContent> describe(const Unwrapped& content, const MessageInfo& info,
                                     Json& data) {
  const Message& m = content.message;
  (void)info;
  if (m.has_protocol_message()) return describe_protocol(m, data);
  if (content.view_once) data["view_once"] = true;
  if (const auto* row = find_kind(m)) {
    data["kind"] = row->kind;
    put_context(m, data);
    data[row->kind] = row->json(m);
    return EventContent{row->event, row->kind};
  }
  data["kind"] = "unknown";
  data["unknown"] = {{"protobuf", to_base64(view(m.SerializeAsString()))}};
  return EventContent{"message", "unknown"};
}

Message make_text(const TextContent& text, ByteView message_secret32) {
  Message out;
  const bool rich = !text.reply_to.empty() || !text.mentions.empty();
  if (!rich) {
    out.set_conversation(text.body);
  } else {
    auto& extended = *out.mutable_extended_text_message();
    extended.set_text(text.body);
    auto& context = *extended.mutable_context_info();
    if (!text.reply_to.empty()) {
      context.set_stanza_id(text.reply_to);
      context.set_participant(text.reply_to_sender.bare().text());
      context.mutable_quoted_message()->set_conversation("");
    }
    for (const auto& jid : text.mentions) context.add_mentioned_jid(jid.bare().text());
  }
  out.mutable_message_context_info()->set_message_secret(to_string(message_secret32));
  return out;
}

Message make_device_sent(const Message& message, const Jid& destination) {
  Message out;
  auto& sent = *out.mutable_device_sent_message();
  sent.set_destination_jid(destination.text());
  *sent.mutable_message() = message;
  if (message.has_message_context_info()) {
    *out.mutable_message_context_info() = message.message_context_info();
  }
  return out;
}

std::string stanza_type(const Message& message) {
  if (message.has_reaction_message() || message.has_enc_reaction_message()) return "reaction";
  return "text";
}

}  // namespace wab::session
