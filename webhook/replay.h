// Sending again what was sent, or given up, before: the stored job. Pure, versioned.
//
// A job walks its source (the event log, or the endpoint's dead letters) in steps; each step's
// deliveries and the job's new cursor are one commit, so a crash repeats or skips nothing.
#pragma once

#include <optional>
#include <string>

#include "storage/base/clock.h"
#include "storage/base/ids.h"

namespace wab::webhook {

struct ReplayTag {
  static constexpr const char* prefix = "rpl_";
};
using ReplayId = Id<ReplayTag>;

// One of: an event; the dead letters; a time range, a chat, or both.
struct ReplayWish {
  std::string event_id;
  bool failed = false;
  UnixMillis since = 0, until = 0;  // 0: open
  std::string chat;                 // data.chat.id
};

struct ReplayJob {
  enum class State : uint8_t { running = 1, done = 2, failed = 3 };
  static constexpr UnixMillis kKept = 30LL * 24 * 3600 * 1000;

  ReplayId id;
  EndpointId endpoint;
  ReplayWish wish;
  UnixMillis created_at = 0, updated_at = 0;
  uint64_t cursor = 0;    // position in the event log, or number of a dead letter: done up to here
  uint64_t end = 0;       // of dead letters: the first number that is not this job's
  uint64_t examined = 0;  // events looked at
  uint64_t queued = 0;    // deliveries made
  State state = State::running;
};
Bytes encode(const ReplayJob& job);
std::optional<ReplayJob> decode_replay_job(ByteView stored);
std::string_view state_word(ReplayJob::State state);

// Whether a time range and chat take in this event.
bool selects(const ReplayWish& wish, UnixMillis at, ByteView body);

}  // namespace wab::webhook
