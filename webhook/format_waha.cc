// WAHA: {"id", "timestamp", "event", "session", "payload", ...}; chats of people end in @c.us and
// message ids are "FROMME_CHAT_ID[_PARTICIPANT]".
#include "webhook/format.h"
#include "webhook/format_json.h"

namespace wab::webhook {
namespace {

constexpr std::string_view kPerson = "@s.whatsapp.net";

std::string chat_id(const std::string& jid) {
  if (!jid.ends_with(kPerson)) return jid;
  return jid.substr(0, jid.size() - kPerson.size()) + "@c.us";
}

std::string sender_id(const Json& data) {
  const Json& sender = at(data, "sender");
  const std::string pn = str(sender, "pn"), lid = str(sender, "lid");
  if (!pn.empty()) return pn + "@c.us";
  return lid.empty() ? "" : lid + "@lid";
}

bool is_group(const Json& data) { return str(at(data, "chat"), "kind") == "group"; }

std::string message_id(const Json& data, const std::string& id) {
  std::string out = flag(data, "from_me") ? "true_" : "false_";
  out += chat_id(str(at(data, "chat"), "id")) + "_" + id;
  if (is_group(data)) out += "_" + sender_id(data);
  return out;
}

// An acknowledgement is always about a message of our own.
Json sent(const Json& data) {
  Json out = data.is_object() ? data : Json::object();
  out["from_me"] = true;
  return out;
}

Json message_payload(const Json& data) {
  const std::string chat = chat_id(str(at(data, "chat"), "id"));
  const std::string kind = str(data, "kind");
  const bool mine = flag(data, "from_me"), media = is_media(kind);
  Json out;
  out["id"] = message_id(data, str(data, "message_id"));
  out["timestamp"] = seconds_of(str(data, "timestamp"));
  out["from"] = mine ? sender_id(data) : chat;
  out["fromMe"] = mine;
  out["source"] = "app";
  out["to"] = mine ? Json(chat) : Json(nullptr);
  out["participant"] = is_group(data) ? Json(sender_id(data)) : Json(nullptr);
  out["body"] = shown_text(data);
  out["hasMedia"] = media;
  if (media) out["media"] = at(data, kind.c_str());
  if (data.contains("reply_to")) out["replyTo"] = {{"id", str(at(data, "reply_to"), "message_id")}};
  out["_data"] = data;
  return out;
}

// WAHA's numbers of an acknowledgement.
std::pair<int, const char*> ack_of(const std::string& status) {
  if (status == "sent") return {1, "SERVER"};
  if (status == "delivered") return {2, "DEVICE"};
  if (status == "read") return {3, "READ"};
  if (status == "played") return {4, "PLAYED"};
  if (status == "failed") return {-1, "ERROR"};
  return {0, "PENDING"};
}

}  // namespace

Bytes format_waha(const storage::EventRow& event) {
  const Json native = parsed(event);
  const Json& data = at(native, "data");
  std::string name = event.type;
  Json payload;
  if (event.type == "message") {
    payload = message_payload(data);
    if (flag(data, "from_me")) name = "message.any";
  } else if (event.type == "message.reaction") {
    payload = message_payload(data);
    const Json& reaction = at(data, "reaction");
    payload["reaction"] = {{"text", str(reaction, "emoji")},
                           {"messageId", message_id(data, str(reaction, "message_id"))}};
  } else if (event.type == "message.revoked") {
    payload["after"] = message_payload(data);
    payload["before"] = nullptr;
    payload["revokedMessageId"] = str(at(data, "revoked"), "message_id");
  } else if (event.type == "message.edited") {
    payload = message_payload(data);
    payload["editedMessageId"] = str(at(data, "edited"), "message_id");
  } else if (event.type == "message.ack") {
    const auto [ack, ack_name] = ack_of(str(data, "status"));
    payload["id"] = message_id(sent(data), str(data, "message_id"));
    payload["from"] = nullptr;
    payload["to"] = chat_id(str(at(data, "chat"), "id"));
    payload["fromMe"] = true;
    payload["ack"] = ack;
    payload["ackName"] = ack_name;
    payload["_data"] = data;
  } else if (event.type == "session.status") {
    payload["status"] = str(data, "status");
    payload["_data"] = data;
  } else {
    payload = data;
  }
  Json out;
  out["id"] = event.id;
  out["timestamp"] = event.at;
  out["event"] = name;
  out["session"] = str(native, "session_id");
  out["payload"] = std::move(payload);
  out["metadata"] = {{"seq", at(native, "seq")},
                     {"organization_id", str(native, "organization_id")}};
  out["engine"] = "WASLO";
  return printed(out);
}

}  // namespace wab::webhook
