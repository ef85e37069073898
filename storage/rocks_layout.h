// Keys and values of each column family: pure encoding, no database.
//
//   rows        org 16 | session 16 | kind 1 | blind 16          envelope {name, value}
//   events      org 16 | session 16 | seq 8                      position 8 | mac 16 | envelope
//   {event} deliveries  org 16 | endpoint 16 | session 16 | seq 8        envelope {lane, state}
//   marks       org 16 | session 16 | blind 16                   expiry 8 | mac 16
//   positions   org 16 | position 8                              session 16 | seq 8
//               org 16 | 0                                       last position given (8)
//   keys        org 16 | version 4                               wrapped data key (key_wrap.cc)
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

struct EventPlace {
  SessionId session;
  uint64_t seq;
};
Bytes encode_place(const SessionId& session, uint64_t seq);
std::optional<EventPlace> decode_place(ByteView value);

}  // namespace wab::storage
