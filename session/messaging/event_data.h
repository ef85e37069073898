// The parts of an event's data that all kinds of messages share: ids, chat, sender, time
// (contract section 4).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "session/engine.h"

namespace wab::session {

// message_id, from_me, chat, sender {pn, lid, push_name}, timestamp. Numbers are told where the map
// of numbers and LIDs knows them.
awaitable<Result<void>> fill_envelope(Engine& engine, Change& change, const MessageInfo& info,
                                      nlohmann::ordered_json& data);

// The chat as shown: a direct chat by its number when it is known.
awaitable<Result<node::Jid>> shown_chat(Change& change, node::Jid chat);

EventDraft undecryptable_event(Engine& engine, const MessageInfo& info, const char* code);

}  // namespace wab::session
