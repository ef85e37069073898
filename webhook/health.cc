#include "webhook/health.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "webhook/pack.h"

namespace wab::webhook {

constexpr uint8_t kVersion = 2;  // 1 had no last_failed

Health::Change Health::ended(bool good, uint32_t attempts, bool breaker, UnixMillis now) {
  Change out;
  if (good) {
    out.row = failing_since != 0 || told;
    out.recovered = told;
    failing_since = 0;
    told = false;
    return out;
  }
  const bool known = last_failed <= now + kKeepEvery && now - last_failed <= kUnknownAfter;
  if (failing_since == 0 || !known) {
    failing_since = std::max<UnixMillis>(now, 1);
    last_failed = failing_since;
    out.row = true;
  } else if (now - last_failed >= kKeepEvery) {
    last_failed = now;
    out.row = true;
  }
  if (!told && (breaker || attempts >= kTellAfter)) {
    told = out.failing = out.row = true;
  }
  out.give_up = now - failing_since >= kGiveUpAfter;
  return out;
}

Bytes encode(const Health& health) {
  Bytes out{kVersion, static_cast<uint8_t>(health.told ? 1 : 0)};
  put_be64(out, static_cast<uint64_t>(health.failing_since));
  put_be64(out, health.events);
  put_be64(out, static_cast<uint64_t>(health.last_failed));
  return out;
}

std::optional<Health> decode_health(ByteView stored) {
  Unpack in(stored);
  const uint8_t version = in.u8();
  if (version == 0 || version > kVersion) return std::nullopt;
  Health out;
  out.told = in.u8() == 1;
  out.failing_since = in.i64();
  out.events = in.u64();
  out.last_failed = version >= 2 ? in.i64() : out.failing_since;
  if (!in.done()) return std::nullopt;
  return out;
}

storage::EventRow operational_event(storage::Store& store, const storage::OrgScope& org,
                                    const ByteArray<16>& about, std::string_view type, uint64_t seq,
                                    UnixMillis at, std::string_view data) {
  storage::EventRow row;
  row.session = SessionId(about);
  row.seq = seq;
  row.type = std::string(type);
  row.at = at;
  std::copy_n(about.begin(), row.lane.size(), row.lane.begin());
  Bytes source;
  append(source, about);
  put_text(source, type);
  put_be64(source, seq);
  const auto digest = store.keyed_hash(org, "event-id", source);
  row.id = "evt_" + to_base32(ByteView(digest).first(20));
  nlohmann::ordered_json body;
  body["id"] = row.id;
  body["type"] = row.type;
  body["seq"] = seq;
  body["organization_id"] = org.org().text();
  body["session_id"] = nullptr;
  body["occurred_at"] = to_iso8601(at);
  body["data"] = nlohmann::ordered_json::parse(data, nullptr, false);
  row.body = to_bytes(body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  return row;
}

}  // namespace wab::webhook
