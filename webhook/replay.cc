#include "webhook/replay.h"

#include <nlohmann/json.hpp>

#include "webhook/pack.h"

namespace wab::webhook {
namespace {

constexpr uint8_t kVersion = 1;

}  // namespace

Bytes encode(const ReplayJob& job) {
  Bytes out{kVersion, static_cast<uint8_t>(job.state),
            static_cast<uint8_t>(job.wish.failed ? 1 : 0)};
  append(out, job.id.bytes());
  append(out, job.endpoint.bytes());
  put_text(out, job.wish.event_id);
  put_text(out, job.wish.chat);
  for (const UnixMillis at : {job.wish.since, job.wish.until, job.created_at, job.updated_at}) {
    put_be64(out, static_cast<uint64_t>(at));
  }
  for (const uint64_t number : {job.cursor, job.end, job.examined, job.queued}) {
    put_be64(out, number);
  }
  return out;
}

std::optional<ReplayJob> decode_replay_job(ByteView stored) {
  Unpack in(stored);
  if (in.u8() != kVersion) return std::nullopt;
  ReplayJob out;
  const uint8_t state = in.u8();
  if (state < 1 || state > 3) return std::nullopt;
  out.state = static_cast<ReplayJob::State>(state);
  out.wish.failed = in.u8() == 1;
  out.id = ReplayId(in.array<16>());
  out.endpoint = EndpointId(in.array<16>());
  out.wish.event_id = in.str();
  out.wish.chat = in.str();
  for (UnixMillis* at : {&out.wish.since, &out.wish.until, &out.created_at, &out.updated_at}) {
    *at = in.i64();
  }
  for (uint64_t* number : {&out.cursor, &out.end, &out.examined, &out.queued}) *number = in.u64();
  if (!in.done()) return std::nullopt;
  return out;
}

std::string_view state_word(ReplayJob::State state) {
  switch (state) {
    case ReplayJob::State::running:
      return "running";
    case ReplayJob::State::done:
      return "done";
    case ReplayJob::State::failed:
      return "failed";
  }
  return "failed";
}

bool selects(const ReplayWish& wish, UnixMillis at, ByteView body) {
  if (at < wish.since || (wish.until != 0 && at >= wish.until)) return false;
  if (wish.chat.empty()) return true;
  const auto event = nlohmann::json::parse(text(body), nullptr, false);
  const auto data = event.is_object() ? event.find("data") : event.end();
  if (data == event.end() || !data->is_object()) return false;
  const auto chat = data->find("chat");
  if (chat == data->end() || !chat->is_object()) return false;
  const auto id = chat->find("id");
  return id != chat->end() && id->is_string() && id->get_ref<const std::string&>() == wish.chat;
}

}  // namespace wab::webhook
