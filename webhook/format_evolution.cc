// Evolution API: {"event": "messages.upsert", "instance", "data", "date_time", "sender", ...} with
// Baileys' shape of a message. It knows no signature: ours are on the request all the same.
#include "webhook/format.h"
#include "webhook/format_json.h"

namespace wab::webhook {
namespace {

Json key_of(const Json& data, const std::string& id) {
  const Json& chat = at(data, "chat");
  Json out;
  out["remoteJid"] = str(chat, "id");
  out["fromMe"] = flag(data, "from_me");
  out["id"] = id;
  if (str(chat, "kind") == "group") {
    const Json& sender = at(data, "sender");
    const std::string pn = str(sender, "pn"), lid = str(sender, "lid");
    out["participant"] = pn.empty() ? lid + "@lid" : pn + "@s.whatsapp.net";
  }
  return out;
}

std::pair<std::string, Json> message_of(const Json& data) {
  const std::string kind = str(data, "kind");
  const Json& content = at(data, kind.c_str());
  if (kind == "text") return {"conversation", {{"conversation", str(content, "body")}}};
  if (kind == "reaction") {
    return {"reactionMessage",
            {{"reactionMessage",
              {{"key", {{"id", str(content, "message_id")}}}, {"text", str(content, "emoji")}}}}};
  }
  if (kind == "location") {
    return {"locationMessage",
            {{"locationMessage",
              {{"degreesLatitude", at(content, "latitude")},
               {"degreesLongitude", at(content, "longitude")},
               {"name", str(content, "name")},
               {"address", str(content, "address")}}}}};
  }
  if (kind == "contacts" && content.is_array()) {
    Json cards = Json::array();
    for (const Json& one : content) {
      cards.push_back({{"displayName", str(one, "name")}, {"vcard", str(one, "vcard")}});
    }
    if (cards.size() == 1) return {"contactMessage", {{"contactMessage", cards[0]}}};
    const std::string many = std::to_string(cards.size()) + " contacts";
    return {"contactsArrayMessage",
            {{"contactsArrayMessage", {{"displayName", many}, {"contacts", cards}}}}};
  }
  if (kind == "button_reply") {
    return {"buttonsResponseMessage",
            {{"buttonsResponseMessage",
              {{"selectedButtonId", str(content, "id")},
               {"selectedDisplayText", str(content, "text")}}}}};
  }
  const char* type = kind == "image"        ? "imageMessage"
                     : kind == "video"      ? "videoMessage"
                     : kind == "video_note" ? "ptvMessage"
                     : kind == "audio"      ? "audioMessage"
                     : kind == "document"   ? "documentMessage"
                     : kind == "sticker"    ? "stickerMessage"
                                            : "unknown";
  Json inner = content.is_object() ? content : Json{{"value", content}};
  Json out;
  out[type] = std::move(inner);
  return {type, std::move(out)};
}

const char* ack_word(const std::string& status) {
  if (status == "sent") return "SERVER_ACK";
  if (status == "delivered") return "DELIVERY_ACK";
  if (status == "read") return "READ";
  if (status == "played") return "PLAYED";
  if (status == "failed") return "ERROR";
  return "PENDING";
}

const char* connection_word(const std::string& status) {
  if (status == "WORKING" || status == "DEGRADED") return "open";
  if (status == "STOPPED" || status == "FAILED") return "close";
  return "connecting";
}

}  // namespace

Bytes format_evolution(const storage::EventRow& event) {
  const Json native = parsed(event);
  const Json& data = at(native, "data");
  const std::string instance = str(native, "session_id");
  std::string name = event.type;
  Json out_data;
  if (event.type == "message" || event.type == "message.reaction") {
    name = "messages.upsert";
    auto [type, message] = message_of(data);
    out_data["key"] = key_of(data, str(data, "message_id"));
    out_data["pushName"] = str(at(data, "sender"), "push_name");
    out_data["status"] = flag(data, "from_me") ? "SERVER_ACK" : "DELIVERY_ACK";
    out_data["message"] = std::move(message);
    out_data["messageType"] = type;
    out_data["messageTimestamp"] = seconds_of(str(data, "timestamp"));
    out_data["instanceId"] = instance;
    out_data["source"] = "unknown";
  } else if (event.type == "message.edited") {
    name = "messages.edited";
    auto [type, message] = message_of(data);
    out_data["key"] = key_of(data, str(at(data, "edited"), "message_id"));
    out_data["editedMessage"] = std::move(message);
    out_data["messageType"] = type;
  } else if (event.type == "message.revoked") {
    name = "messages.delete";
    out_data = key_of(data, str(at(data, "revoked"), "message_id"));
    out_data["status"] = "DELETED";
  } else if (event.type == "message.ack") {
    name = "messages.update";
    out_data = key_of(data, str(data, "message_id"));
    out_data["fromMe"] = true;  // an acknowledgement is about a message of our own
    out_data["keyId"] = str(data, "message_id");
    out_data["status"] = ack_word(str(data, "status"));
    out_data["instanceId"] = instance;
  } else if (event.type == "session.status") {
    name = "connection.update";
    out_data["instance"] = instance;
    out_data["state"] = connection_word(str(data, "status"));
    // A number there: Baileys' reason, of which we know "open" and "closed".
    out_data["statusReason"] =
        str(data, "status") == "STOPPED" || str(data, "status") == "FAILED" ? 428 : 200;
    out_data["reason"] = str(at(data, "reason"), "code");
  } else {
    out_data = data;
  }
  Json out;
  out["event"] = name;
  out["instance"] = instance;
  out["data"] = std::move(out_data);
  out["date_time"] = str(native, "occurred_at");
  out["event_id"] = event.id;
  return printed(out);
}

}  // namespace wab::webhook
