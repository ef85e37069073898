#include "session/event.h"

#include <nlohmann/json.hpp>

namespace wab::session {
namespace {

// Length-prefixed, so that no two sources share one encoding.
void put_part(Bytes& to, ByteView part) {
  put_be32(to, static_cast<uint32_t>(part.size()));
  append(to, part);
}

}  // namespace

std::string event_id(const KeyedHash& hash, const OrgId& org, const SessionId& session,
                     const EventSource& source) {
  Bytes input;
  put_part(input, org.bytes());
  put_part(input, session.bytes());
  for (const std::string* part : {&source.chat, &source.sender, &source.stanza_id, &source.kind}) {
    put_part(input, view(*part));
  }
  const auto digest = hash("event-id", input);
  return "evt_" + to_base32(ByteView(digest).first(20));
}

storage::EventRow render(const EventDraft& draft, uint64_t seq, const KeyedHash& hash,
                         const OrgId& org, const SessionId& session) {
  storage::EventRow row;
  row.session = session;
  row.seq = seq;
  row.id = event_id(hash, org, session, draft.source);
  row.type = draft.type;
  row.at = draft.occurred_at;
  row.trace = draft.trace;
  row.received = draft.received;
  const auto lane = hash("lane", view(session.text() + "/" + draft.source.chat));
  std::copy_n(lane.begin(), row.lane.size(), row.lane.begin());

  nlohmann::ordered_json body;
  body["id"] = row.id;
  body["type"] = draft.type;
  body["seq"] = seq;
  body["organization_id"] = org.text();
  body["session_id"] = session.text();
  body["occurred_at"] = to_iso8601(draft.occurred_at);
  body["data"] = nlohmann::ordered_json::parse(draft.data, nullptr, false);
  row.body = to_bytes(body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  return row;
}

}  // namespace wab::session
