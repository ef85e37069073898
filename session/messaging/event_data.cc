#include "session/messaging/event_data.h"

#include <nlohmann/json.hpp>

#include "session/messaging/lid_map.h"

namespace wab::session {

using node::Jid;

awaitable<Result<Jid>> shown_chat(Change& change, Jid chat) {
  if (!chat.is_lid()) co_return chat;
  CO_TRY(auto pn, co_await other_name(change, chat));
  co_return pn ? *pn : chat;
}

awaitable<Result<void>> fill_envelope(Engine& engine, Change& change, const MessageInfo& info,
                                      nlohmann::ordered_json& data) {
  const Jid sender = info.sender.bare();
  CO_TRY(const Jid chat, co_await shown_chat(change, info.chat));
  std::optional<Jid> other = info.sender_alt;
  if (info.from_me) {
    other = sender.is_lid() ? engine.own().pn.bare() : engine.own().lid.bare();
  } else if (!other) {
    CO_TRY(other, co_await other_name(change, sender));
  }
  data["message_id"] = info.id;
  data["kind"] = nullptr;
  data["from_me"] = info.from_me;
  data["chat"] = {{"id", chat.text()}, {"kind", chat_kind(chat)}};
  auto& from = data["sender"];
  const Jid* const names[] = {&sender, other ? &*other : nullptr};
  for (const Jid* jid : names) {
    if (jid == nullptr) continue;
    if (jid->is_pn()) from["pn"] = jid->user;
    if (jid->is_lid()) from["lid"] = jid->user;
  }
  if (!info.push_name.empty()) from["push_name"] = info.push_name;
  data["timestamp"] = to_iso8601(info.t * 1000);
  co_return ok();
}

EventDraft undecryptable_event(Engine& engine, const MessageInfo& info, const char* code) {
  nlohmann::ordered_json data;
  data["message_id"] = info.id;
  data["from_me"] = info.from_me;
  data["chat"] = {{"id", info.chat.text()}, {"kind", chat_kind(info.chat)}};
  const Jid sender = info.sender.bare();
  if (sender.is_pn()) data["sender"]["pn"] = sender.user;
  if (sender.is_lid()) data["sender"]["lid"] = sender.user;
  data["timestamp"] = to_iso8601(info.t * 1000);
  data["reason"] = code;
  EventDraft draft;
  draft.type = "message.undecryptable";
  draft.source = {info.chat.text(), sender.text(), info.id, "message.undecryptable"};
  draft.occurred_at = info.t > 0 ? info.t * 1000 : engine.server_now_ms();
  draft.data = data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return draft;
}

}  // namespace wab::session
