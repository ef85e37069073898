// Keys and values of each column family: pure encoding, no database.
//
//   rows        org 16 | session 16 | kind 1 | blind 16          envelope {name, value}
//   events      org 16 | session 16 | seq 8                      position 8 | mac 16 | envelope
//   {event} deliveries  org 16 | endpoint 16 | session 16 | seq 8        envelope {lane, state}
//   marks       org 16 | session 16 | blind 16                   expiry 8 | mac 16
//   positions   org 16 | position 8                              session 16 | seq 8
//               org 16 | 0                                       the log: last 8 | bytes 8 | gaps
//   keys        org 16 | version 4                               wrapped data key (key_wrap.cc)
//               org 16 | 'w'                                     how far its rotation is (Walk)
//
// Integers are big endian, so that byte order is number order.
#pragma once

#include "storage/org_keys.h"
#include "storage/store.h"

namespace wab::storage {

inline constexpr uint16_t kValueSchema = 1;  // of the sealed plaintexts below

Bytes org_prefix(const OrgId& org);
Bytes session_prefix(const OrgId& org, const SessionId& session);
// Above every key that begins with `prefix`.
Bytes upper_bound(ByteView prefix);

Bytes kind_prefix(const Scope& scope, Kind kind);
Bytes row_key(const OrgKeys& keys, const Scope& scope, const Key& key);
Bytes mark_key(const OrgKeys& keys, const Scope& scope, std::string_view name);
Bytes event_key(const OrgId& org, const SessionId& session, uint64_t seq);
Bytes position_key(const OrgId& org, uint64_t position);
Bytes endpoint_prefix(const OrgId& org, const EndpointId& endpoint);
Bytes delivery_key(const OrgId& org, const DeliveryKey& key);
Bytes wrapped_key_key(const OrgId& org, uint32_t version);
Bytes walk_key(const OrgId& org);

// Plaintexts. Decoders answer nothing for bytes that no encoder made.
Bytes encode_row(const Row& row);
std::optional<Row> decode_row(Kind kind, ByteView plaintext);
Bytes encode_event(const EventRow& event);
std::optional<EventRow> decode_event(ByteView plaintext);  // without session, seq, position
Bytes encode_delivery(const DeliveryRow& delivery);
bool decode_delivery(ByteView plaintext, DeliveryRow& into);

// Values that are authenticated but not sealed.
Bytes encode_mark(const OrgKeys& keys, ByteView key, UnixSeconds expires);
std::optional<UnixSeconds> decode_mark(const OrgKeys& keys, ByteView key, ByteView value);

struct PositionedEvent {
  uint64_t position;
  ByteView envelope;
};
inline constexpr size_t kPositionHeader = 24;
// The header that the committer puts in front of a sealed event.
Bytes encode_position(const OrgKeys& keys, ByteView key, uint64_t position);
std::optional<PositionedEvent> decode_position(const OrgKeys& keys, ByteView key, ByteView value);

// How far the rotation of an organization's data key is. Not authenticated: whoever changes it
// makes the walk begin again or not end, and the old key is dropped only after a look at every
// record.
struct Walk {
  enum class Phase : uint8_t { seal = 1, verify = 2, clean = 3 };
  Phase phase = Phase::seal;
  uint32_t target = 0;  // the version that everything is to be sealed under
  uint8_t column = static_cast<uint8_t>(Column::rows);
  uint64_t sealed = 0, unreadable = 0;  // records so far
  Bytes after;                          // the last key of `column` that is done
};
Bytes encode_walk(const Walk& walk);
std::optional<Walk> decode_walk(ByteView value);

// Whose record it is, of a key in rows, events or deliveries; nothing for a key of another size.
std::optional<SessionId> session_of(Column column, ByteView key);
// Where its envelope begins in the value.
size_t envelope_at(Column column);

struct EventPlace {
  SessionId session;
  uint64_t seq;
};
// Where a log stands. Before layout 2 only the last position was there; that form reads, too.
Bytes encode_log(const LogBounds& log);
std::optional<LogBounds> decode_log(ByteView value);

Bytes encode_place(const SessionId& session, uint64_t seq);
std::optional<EventPlace> decode_place(ByteView value);

}  // namespace wab::storage
