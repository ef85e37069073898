#include "storage/rocks_layout.h"

#include <algorithm>

namespace wab::storage {
namespace {

constexpr char kBeforeTrace = '\x1f';

void put_text(Bytes& to, std::string_view text) {
  put_be32(to, static_cast<uint32_t>(text.size()));
  append(to, view(text));
}

bool take(ByteView& from, size_t size, ByteView& out) {
  if (from.size() < size) return false;
  out = from.first(size);
  from = from.subspan(size);
  return true;
}

bool take_text(ByteView& from, std::string& out) {
  ByteView size, bytes;
  if (!take(from, 4, size) || !take(from, read_be32(size), bytes)) return false;
  out = to_string(bytes);
  return true;
}

}  // namespace

Bytes org_prefix(const OrgId& org) { return to_bytes(ByteView(org.bytes())); }

Bytes session_prefix(const OrgId& org, const SessionId& session) {
  return concat({org.bytes(), session.bytes()});
}

Bytes upper_bound(ByteView prefix) {
  Bytes bound = to_bytes(prefix);
  while (!bound.empty() && bound.back() == 0xff) bound.pop_back();
  if (!bound.empty()) ++bound.back();
  // Only a prefix of nothing but 0xff has no successor; ids are random, so this stands above.
  if (bound.empty()) bound.assign(64, 0xff);
  return bound;
}

Bytes kind_prefix(const Scope& scope, Kind kind) {
  Bytes key = session_prefix(scope.org(), scope.session());
  key.push_back(static_cast<uint8_t>(kind));
  return key;
}

Bytes row_key(const OrgKeys& keys, const Scope& scope, const Key& key) {
  Bytes out = kind_prefix(scope, key.kind);
  append(out, keys.blind(Column::rows, scope.session().bytes(), static_cast<uint8_t>(key.kind),
                         key.name));
  return out;
}

Bytes mark_key(const OrgKeys& keys, const Scope& scope, std::string_view name) {
  Bytes out = session_prefix(scope.org(), scope.session());
  append(out, keys.blind(Column::marks, scope.session().bytes(), 0, name));
  return out;
}

Bytes event_key(const OrgId& org, const SessionId& session, uint64_t seq) {
  return concat({org.bytes(), session.bytes(), be64(seq)});
}

Bytes position_key(const OrgId& org, uint64_t position) {
  return concat({org.bytes(), be64(position)});
}

Bytes endpoint_prefix(const OrgId& org, const EndpointId& endpoint) {
  return concat({org.bytes(), endpoint.bytes()});
}

Bytes delivery_key(const OrgId& org, const DeliveryKey& key) {
  return concat({org.bytes(), key.endpoint.bytes(), key.session.bytes(), be64(key.seq)});
}

Bytes wrapped_key_key(const OrgId& org, uint32_t version) {
  return concat({org.bytes(), be32(version)});
}

Bytes walk_key(const OrgId& org) { return concat({org.bytes(), view("w")}); }

Bytes encode_walk(const Walk& walk) {
  Bytes out;
  out.push_back(static_cast<uint8_t>(walk.phase));
  put_be32(out, walk.target);
  out.push_back(walk.column);
  put_be64(out, walk.sealed);
  put_be64(out, walk.unreadable);
  append(out, walk.after);
  return out;
}

std::optional<Walk> decode_walk(ByteView value) {
  if (value.size() < 22 || value.size() > 22 + 128) return std::nullopt;
  Walk walk;
  walk.phase = static_cast<Walk::Phase>(value[0]);
  walk.target = read_be32(value.subspan(1));
  walk.column = value[5];
  walk.sealed = read_be64(value.subspan(6));
  walk.unreadable = read_be64(value.subspan(14));
  walk.after = to_bytes(value.subspan(22));
  if (value[0] < 1 || value[0] > 3 || walk.column < 1 || walk.column > kSealedColumns) {
    return std::nullopt;
  }
  return walk;
}

std::optional<SessionId> session_of(Column column, ByteView key) {
  const size_t size = column == Column::rows ? 49 : column == Column::events ? 40 : 56;
  if (key.size() != size) return std::nullopt;
  return SessionId(*to_array<16>(key.subspan(column == Column::deliveries ? 32 : 16, 16)));
}

size_t envelope_at(Column column) { return column == Column::events ? kPositionHeader : 0; }

Bytes encode_row(const Row& row) {
  Bytes out;
  out.reserve(4 + row.key.name.size() + row.value.size());
  put_text(out, row.key.name);
  append(out, row.value);
  return out;
}

std::optional<Row> decode_row(Kind kind, ByteView plaintext) {
  Row row;
  row.key.kind = kind;
  if (!take_text(plaintext, row.key.name)) return std::nullopt;
  row.value = to_bytes(plaintext);
  return row;
}

Bytes encode_event(const EventRow& event) {
  Bytes out;
  out.reserve(24 + event.id.size() + event.type.size() + event.body.size());
  append(out, event.lane);
  put_be64(out, static_cast<uint64_t>(event.at));
  put_text(out, event.id);
  // A type holds no control character: what stands behind one is the trace.
  put_text(out, event.trace.empty() ? event.type : event.type + kBeforeTrace + event.trace);
  append(out, event.body);
  return out;
}

std::optional<EventRow> decode_event(ByteView plaintext) {
  EventRow event;
  ByteView lane, at;
  if (!take(plaintext, 8, lane) || !take(plaintext, 8, at) || !take_text(plaintext, event.id) ||
      !take_text(plaintext, event.type)) {
    return std::nullopt;
  }
  event.lane = *to_array<8>(lane);
  event.at = static_cast<UnixMillis>(read_be64(at));
  if (const auto end = event.type.find(kBeforeTrace); end != std::string::npos) {
    event.trace = event.type.substr(end + 1);
    event.type.resize(end);
  }
  event.body = to_bytes(plaintext);
  return event;
}

Bytes encode_delivery(const DeliveryRow& delivery) {
  return concat({delivery.lane, delivery.state});
}

bool decode_delivery(ByteView plaintext, DeliveryRow& into) {
  ByteView lane;
  if (!take(plaintext, 8, lane)) return false;
  into.lane = *to_array<8>(lane);
  into.state = to_bytes(plaintext);
  return true;
}

Bytes encode_mark(const OrgKeys& keys, ByteView key, UnixSeconds expires) {
  const auto value = be64(static_cast<uint64_t>(expires));
  return concat({value, keys.mac(Column::marks, key, value)});
}

std::optional<UnixSeconds> decode_mark(const OrgKeys& keys, ByteView key, ByteView value) {
  if (value.size() != 24) return std::nullopt;
  const auto mac = keys.mac(Column::marks, key, value.first(8));
  if (!equal_constant_time(mac, value.subspan(8))) return std::nullopt;
  return static_cast<UnixSeconds>(read_be64(value));
}

Bytes encode_position(const OrgKeys& keys, ByteView key, uint64_t position) {
  const auto value = be64(position);
  return concat({value, keys.mac(Column::positions, key, value)});
}

std::optional<PositionedEvent> decode_position(const OrgKeys& keys, ByteView key, ByteView value) {
  if (value.size() < kPositionHeader) return std::nullopt;
  const auto mac = keys.mac(Column::positions, key, value.first(8));
  if (!equal_constant_time(mac, value.subspan(8, 16))) return std::nullopt;
  return PositionedEvent{read_be64(value), value.subspan(kPositionHeader)};
}

Bytes encode_log(const LogBounds& log) {
  Bytes out;
  put_be64(out, log.last);
  put_be64(out, log.bytes);
  for (const LogGap& gap : log.gaps) {
    put_be64(out, gap.from);
    put_be64(out, gap.to);
  }
  return out;
}

std::optional<LogBounds> decode_log(ByteView value) {
  LogBounds out;
  if (value.size() == 8) {
    out.last = read_be64(value);
    return out;
  }
  if (value.size() < 16 || value.size() % 16 != 0) return std::nullopt;
  out.last = read_be64(value);
  out.bytes = read_be64(value.subspan(8));
  for (ByteView rest = value.subspan(16); !rest.empty(); rest = rest.subspan(16)) {
    out.gaps.push_back(LogGap{read_be64(rest), read_be64(rest.subspan(8))});
  }
  return out;
}

Bytes encode_place(const SessionId& session, uint64_t seq) {
  return concat({session.bytes(), be64(seq)});
}

std::optional<EventPlace> decode_place(ByteView value) {
  if (value.size() != 24) return std::nullopt;
  return EventPlace{SessionId(*to_array<16>(value.first(16))), read_be64(value.subspan(16))};
}

}  // namespace wab::storage
