#include "webhook/attempt.h"

#include "webhook/pack.h"

namespace wab::webhook {
namespace {

constexpr uint8_t kVersion = 2;  // 1 had no format

}  // namespace

std::string_view trigger_word(Trigger trigger) {
  switch (trigger) {
    case Trigger::scheduled:
      return "scheduled";
    case Trigger::manual:
      return "manual";
    case Trigger::replay:
      return "replay";
  }
  return "scheduled";
}

Bytes encode(const Attempt& a) {
  Bytes out{kVersion, static_cast<uint8_t>(a.trigger), static_cast<uint8_t>(a.reused ? 1 : 0)};
  put_text(out, a.event_id);
  put_text(out, a.event_type);
  append(out, a.session.bytes());
  put_be64(out, a.seq);
  put_be64(out, static_cast<uint64_t>(a.at));
  put_be32(out, a.attempt);
  put_be32(out, static_cast<uint32_t>(a.status));
  put_text(out, a.verdict);
  put_text(out, a.address);
  for (const int64_t one : {a.timings.dns, a.timings.connect, a.timings.tls, a.timings.first_byte,
                            a.timings.total, a.next_attempt}) {
    put_be64(out, static_cast<uint64_t>(one));
  }
  put_text(out, text(a.answer));
  put_be64(out, a.answer_bytes);
  put_be64(out, a.previous);
  put_format(out, a.format);
  return out;
}

std::optional<Attempt> decode_attempt(ByteView stored) {
  Unpack in(stored);
  const uint8_t version = in.u8();
  if (version < 1 || version > kVersion) return std::nullopt;
  Attempt out;
  const uint8_t trigger = in.u8();
  if (trigger < 1 || trigger > 3) return std::nullopt;
  out.trigger = static_cast<Trigger>(trigger);
  out.reused = in.u8() == 1;
  out.event_id = in.str();
  out.event_type = in.str();
  out.session = SessionId(in.array<16>());
  out.seq = in.u64();
  out.at = in.i64();
  out.attempt = in.u32();
  out.status = static_cast<int>(in.u32());
  out.verdict = in.str();
  out.address = in.str();
  for (int64_t* one : {&out.timings.dns, &out.timings.connect, &out.timings.tls,
                       &out.timings.first_byte, &out.timings.total, &out.next_attempt}) {
    *one = in.i64();
  }
  out.answer = to_bytes(view(in.str()));
  out.answer_bytes = in.u64();
  out.previous = in.u64();
  if (version >= 2) out.format = take_format(in);
  if (!in.done()) return std::nullopt;
  return out;
}

Bytes encode(const DeadLetter& d) {
  Bytes out{kVersion};
  put_text(out, d.event_id);
  put_text(out, d.event_type);
  append(out, d.session.bytes());
  put_be64(out, d.seq);
  append(out, d.lane);
  put_be64(out, static_cast<uint64_t>(d.at));
  put_be32(out, d.attempts);
  put_be32(out, static_cast<uint32_t>(d.status));
  put_text(out, d.verdict);
  put_be64(out, d.last_attempt);
  put_format(out, d.format);
  return out;
}

std::optional<DeadLetter> decode_dead_letter(ByteView stored) {
  Unpack in(stored);
  const uint8_t version = in.u8();
  if (version < 1 || version > kVersion) return std::nullopt;
  DeadLetter out;
  out.event_id = in.str();
  out.event_type = in.str();
  out.session = SessionId(in.array<16>());
  out.seq = in.u64();
  out.lane = in.array<8>();
  out.at = in.i64();
  out.attempts = in.u32();
  out.status = static_cast<int>(in.u32());
  out.verdict = in.str();
  out.last_attempt = in.u64();
  if (version >= 2) out.format = take_format(in);
  if (!in.done()) return std::nullopt;
  return out;
}

std::string attempt_of_event_name(std::string_view event_id, const EndpointId& endpoint) {
  return std::string(event_id) + "/" + endpoint.text();
}

}  // namespace wab::webhook
