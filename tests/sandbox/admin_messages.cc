// What a virtual phone is told to say: POST /admin/accounts/{pn}/messages.
//
//   {"to": "15550100002", "text": "Hi"}                        one text; "texts": [...] for many
//   {"to", "text", "reply_to": ID, "mentions": ["15550100003"]}
//   {"to", "reaction": {"id": ID, "emoji": "👍"}}               emoji "" takes it back
//   {"to", "edit": {"id": ID, "text": "..."}}  {"to", "revoke": {"id": ID}}
//   {"to", "location": {"latitude", "longitude", "name"}}  {"to", "contact": {"name", "vcard"}}
//   {"to", "poll": {"name", "options": [...], "selectable": 1}}
//   {"to", "message": BASE64}                                  any serialized Message
#include "tests/sandbox/admin.h"
#include "tests/sandbox/admin_json.h"
#include "tests/sandbox/fields.h"

namespace wab::sandbox {
namespace {

constexpr size_t kMostTexts = 10'000;

const char* state_name(SentMessage::State state) {
  switch (state) {
    case SentMessage::State::queued:
      return "queued";
    case SentMessage::State::sent:
      return "sent";
    case SentMessage::State::acknowledged:
      return "acknowledged";
    case SentMessage::State::failed:
      return "failed";
  }
  return "";
}

// The key of a message in this chat, whoever wrote it; the participant names its author in a group.
MessageKey key_of(const Phone& phone, const Account& me, const node::Jid& chat,
                  const std::string& id) {
  MessageKey out;
  out.chat = chat.text();
  out.id = id;
  if (const InboxMessage* got = phone.find_message(id)) {
    out.from_me = got->from_me;
    if (chat.is_group()) out.participant = got->wire_sender.bare().text();
  } else {
    out.from_me = phone.sent(id) != nullptr;
    if (chat.is_group() && out.from_me) out.participant = node::Jid::lid(me.lid).text();
  }
  return out;
}

struct Said {
  std::optional<Bytes> message;
  std::string wrong;
};

Said text_from(const Json& body, Phone& phone, const node::Jid& to) {
  TextContent text;
  text.body = string_of(body, "text");
  if (const Json* mentions = member(body, "mentions");
      mentions != nullptr && mentions->is_array()) {
    for (const Json& one : *mentions) {
      const auto jid = one.is_string() ? parse_recipient(one.get<std::string>()) : std::nullopt;
      if (!jid) return {std::nullopt, "mentions: phone numbers expected"};
      text.mentions.push_back(jid->text());
    }
  }
  const std::string reply_to = string_of(body, "reply_to");
  if (!reply_to.empty()) {
    text.quoted = key_of(phone, phone.account(), to, reply_to);
    if (const InboxMessage* got = phone.find_message(reply_to)) {
      text.quoted->participant = got->wire_sender.bare().text();
      text.quoted_text = got->content.text;
    } else if (const SentMessage* sent = phone.sent(reply_to)) {
      text.quoted->participant = node::Jid::lid(phone.account().lid).text();
      text.quoted_text = understand(sent->message).text;
    } else {
      return {std::nullopt, "reply_to: this phone does not know the message"};
    }
  }
  return {text_message(text), {}};
}

Said content_from(const Json& body, Phone& phone, const node::Jid& to, UnixMillis now) {
  const Json* text = member(body, "text");
  if (text != nullptr && text->is_string()) return text_from(body, phone, to);
  if (const Json* reaction = member(body, "reaction")) {
    const auto key = key_of(phone, phone.account(), to, string_of(*reaction, "id"));
    return {reaction_message(key, string_of(*reaction, "emoji"), now), {}};
  }
  if (const Json* edit = member(body, "edit")) {
    const auto key = key_of(phone, phone.account(), to, string_of(*edit, "id"));
    return {edit_message(key, string_of(*edit, "text"), now), {}};
  }
  if (const Json* revoke = member(body, "revoke")) {
    return {revoke_message(key_of(phone, phone.account(), to, string_of(*revoke, "id"))), {}};
  }
  if (const Json* place = member(body, "location")) {
    const Json* latitude = member(*place, "latitude");
    const Json* longitude = member(*place, "longitude");
    if (latitude == nullptr || longitude == nullptr || !latitude->is_number() ||
        !longitude->is_number()) {
      return {std::nullopt, "location: latitude and longitude expected"};
    }
    return {location_message(latitude->get<double>(), longitude->get<double>(),
                             string_of(*place, "name")),
            {}};
  }
  if (const Json* contact = member(body, "contact")) {
    return {contact_message(string_of(*contact, "name"), string_of(*contact, "vcard")), {}};
  }
  if (const Json* poll = member(body, "poll")) {
    std::vector<std::string> options;
    if (const Json* list = member(*poll, "options"); list != nullptr && list->is_array()) {
      for (const Json& one : *list) {
        if (one.is_string()) options.push_back(one.get<std::string>());
      }
    }
    if (options.size() < 2 || options.size() > 12) {
      return {std::nullopt, "poll: 2 to 12 options expected"};
    }
    const auto selectable = static_cast<uint32_t>(integer_of(*poll, "selectable").value_or(1));
    return {poll_message(string_of(*poll, "name"), options, selectable), {}};
  }
  const std::string raw = string_of(body, "message");
  if (!raw.empty()) {
    const auto bytes = from_base64(raw);
    if (!bytes || !Fields::parse(*bytes)) {
      return {std::nullopt, "message: a serialized Message in base64 expected"};
    }
    return {*bytes, {}};
  }
  return {std::nullopt,
          "no content: text, texts, reaction, edit, revoke, location, contact, poll or "
          "message expected"};
}

}  // namespace

Admin::Outcome Admin::post_messages(const Call& call) {
  Phone* phone = phones_.find(call.parts[0]);
  if (phone == nullptr) return {error_response(404, "no such account")};
  const auto body = parse_json(call.request.body);
  if (!body || !body->is_object()) return {error_response(400, "a JSON object expected")};
  const auto to = parse_recipient(string_of(*body, "to"));
  if (!to) return {error_response(400, "to: a phone number or a jid expected")};
  if (const Json* texts = member(*body, "texts")) {
    if (!texts->is_array() || texts->empty() || texts->size() > kMostTexts) {
      return {error_response(400, "texts: 1 to 10000 strings expected")};
    }
    Json ids = Json::array();
    for (const Json& one : *texts) {
      if (!one.is_string()) return {error_response(400, "texts: strings expected")};
    }
    for (const Json& one : *texts) {
      ids.push_back(phone->send(*to, text_message({one.get<std::string>(), {}, {}, {}})));
    }
    return {json_response(200, Json{{"ids", std::move(ids)}})};
  }
  Said said = content_from(*body, *phone, *to, world_.now_ms());
  if (!said.message) return {error_response(400, said.wrong)};
  const std::string id = phone->send(*to, std::move(*said.message));
  return {json_response(200, Json{{"id", id}})};
}

Admin::Outcome Admin::get_message(const Call& call) {
  const Phone* phone = phones_.find(call.parts[0]);
  const SentMessage* sent = phone == nullptr ? nullptr : phone->sent(call.parts[1]);
  if (sent == nullptr) return {error_response(404, "no such message")};
  Json out = {{"id", sent->id},
              {"to", sent->to.text()},
              {"state", state_name(sent->state)},
              {"t", sent->t}};
  if (!sent->error.empty()) out["error"] = sent->error;
  return {json_response(200, out)};
}

Admin::Outcome Admin::post_receipt(const Call& call) {
  Phone* phone = phones_.find(call.parts[0]);
  if (phone == nullptr) return {error_response(404, "no such account")};
  const auto body = parse_json(call.request.body);
  if (!body || !body->is_object()) return {error_response(400, "a JSON object expected")};
  const std::string type = string_of(*body, "type").empty() ? "read" : string_of(*body, "type");
  if (type != "read" && type != "played") {
    return {error_response(400, "type: read or played expected")};
  }
  if (!phone->mark(string_of(*body, "id"), type)) {
    return {error_response(404, "this phone did not receive such a message")};
  }
  return {json_response(200, Json::object())};
}

}  // namespace wab::sandbox
