// The event as the outside sees it (contract section 4): one envelope, the same bytes in the log,
// on the stream and in every webhook attempt.
//
// Pure. An EventDraft is what a handler found out; `render` gives it its sequence number and its
// body. The id is a keyed function of the source alone, so that the same WhatsApp message can never
// produce two ids, whatever crashed in between.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "storage/base/clock.h"
#include "storage/store.h"

namespace wab::session {

// Where an event comes from; all parts in their wire form.
struct EventSource {
  std::string chat;
  std::string sender;
  std::string stanza_id;
  std::string kind;  // "message", "message.ack/read", ...: separates events of one stanza
};

struct EventDraft {
  std::string type;
  EventSource source;
  std::string data;  // JSON text of "data"
  UnixMillis occurred_at = 0;
  std::string trace;        // of the request that caused it
  UnixMillis received = 0;  // when its stanza arrived
};

using KeyedHash = std::function<ByteArray<32>(std::string_view purpose, ByteView data)>;

// "evt_" and 32 characters of base32 over 160 bits of hash.
std::string event_id(const KeyedHash& hash, const OrgId& org, const SessionId& session,
                     const EventSource& source);

storage::EventRow render(const EventDraft& draft, uint64_t seq, const KeyedHash& hash,
                         const OrgId& org, const SessionId& session);

}  // namespace wab::session
