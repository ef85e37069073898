// Meta's Cloud API: {"object": "whatsapp_business_account", "entry": [{"changes": [{"value"}]}]}.
// The phone number id is the session's id; numbers are digits. Messages from other devices of the
// business are "smb_message_echoes".
#include "webhook/format.h"
#include "webhook/format_json.h"

namespace wab::webhook {
namespace {

std::string wa_id(const Json& data) {
  const Json& sender = at(data, "sender");
  const std::string pn = str(sender, "pn");
  return pn.empty() ? str(sender, "lid") : pn;
}

Json media_of(const Json& content) {
  Json out = content.is_object() ? content : Json::object();
  if (content.contains("mimetype")) {
    out["mime_type"] = str(content, "mimetype");
    out.erase("mimetype");
  }
  if (content.contains("file_name")) {
    out["filename"] = str(content, "file_name");
    out.erase("file_name");
  }
  return out;
}

Json contacts_of(const Json& list) {
  Json out = Json::array();
  if (!list.is_array()) return out;
  for (const auto& one : list) {
    const std::string name = str(one, "name");
    out.push_back(
        {{"name", {{"formatted_name", name}, {"first_name", name}}}, {"vcard", str(one, "vcard")}});
  }
  return out;
}

Json message_of(const Json& data) {
  const std::string kind = str(data, "kind");
  const Json& content = at(data, kind.c_str());
  Json out;
  out["from"] = wa_id(data);
  out["id"] = str(data, "message_id");
  out["timestamp"] = std::to_string(seconds_of(str(data, "timestamp")));
  const Json& chat = at(data, "chat");
  if (str(chat, "kind") == "group") out["group_id"] = str(chat, "id");
  if (flag(data, "from_me")) out["to"] = user_of(str(chat, "id"));
  if (data.contains("reply_to")) {
    const Json& quoted = at(data, "reply_to");
    out["context"] = {{"from", user_of(str(quoted, "sender"))}, {"id", str(quoted, "message_id")}};
  }
  if (flag(data, "forwarded")) out["context"]["forwarded"] = true;
  if (data.contains("referral")) out["referral"] = at(data, "referral");
  if (kind == "text") {
    out["type"] = "text";
    out["text"] = {{"body", str(content, "body")}};
  } else if (kind == "reaction") {
    out["type"] = "reaction";
    out["reaction"] = {{"message_id", str(content, "message_id")},
                       {"emoji", str(content, "emoji")}};
  } else if (kind == "location") {
    out["type"] = "location";
    out["location"] = content;
  } else if (kind == "contacts") {
    out["type"] = "contacts";
    out["contacts"] = contacts_of(content);
  } else if (kind == "button_reply" || kind == "template_reply") {
    out["type"] = "button";
    out["button"] = {{"payload", str(content, "id")}, {"text", str(content, "text")}};
  } else if (kind == "list_reply") {
    out["type"] = "interactive";
    out["interactive"] = {
        {"type", "list_reply"},
        {"list_reply", {{"id", str(content, "id")}, {"title", str(content, "title")}}}};
  } else if (is_media(kind)) {
    const std::string type = kind == "video_note" ? "video" : kind;
    out["type"] = type;
    out[type] = media_of(content);
  } else {
    out["type"] = "unsupported";
    out["errors"] = Json::array({{{"code", 131051}, {"title", "Message type unknown"}}});
    out["unsupported"] = content;
  }
  return out;
}

}  // namespace

Bytes format_cloud(const storage::EventRow& event) {
  const Json native = parsed(event);
  const Json& data = at(native, "data");
  const std::string session = str(native, "session_id");
  Json value;
  value["messaging_product"] = "whatsapp";
  value["metadata"] = {{"display_phone_number", ""}, {"phone_number_id", session}};
  std::string field = "messages";
  if (event.type == "message" || event.type == "message.reaction") {
    if (flag(data, "from_me")) {
      field = "smb_message_echoes";
      value["message_echoes"] = Json::array({message_of(data)});
    } else {
      value["contacts"] =
          Json::array({{{"profile", {{"name", str(at(data, "sender"), "push_name")}}},
                        {"wa_id", wa_id(data)}}});
      value["messages"] = Json::array({message_of(data)});
    }
  } else if (event.type == "message.ack") {
    value["statuses"] = Json::array({{{"id", str(data, "message_id")},
                                      {"status", str(data, "status")},
                                      {"timestamp", std::to_string(event.at / 1000)},
                                      {"recipient_id", user_of(str(at(data, "chat"), "id"))}}});
  } else {
    field = event.type;
    value["data"] = data;
  }
  Json change;
  change["value"] = std::move(value);
  change["field"] = field;
  Json entry;
  entry["id"] = str(native, "organization_id");
  entry["time"] = event.at / 1000;
  entry["changes"] = Json::array({std::move(change)});
  Json out;
  out["object"] = "whatsapp_business_account";
  out["entry"] = Json::array({std::move(entry)});
  return printed(out);
}

}  // namespace wab::webhook
