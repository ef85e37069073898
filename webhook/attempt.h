// One attempt on the wire, and one dead letter, as they are kept for 30 days. Pure, versioned.
#pragma once

#include <string>

#include "storage/base/clock.h"
#include "storage/store.h"
#include "webhook/endpoint.h"

namespace wab::webhook {

enum class Trigger : uint8_t { scheduled = 1, manual = 2, replay = 3 };
std::string_view trigger_word(Trigger trigger);

// Microseconds since the attempt began; -1: it did not come so far, or needed no such step.
struct Timings {
  int64_t dns = -1, connect = -1, tls = -1, first_byte = -1, total = -1;
};

struct Attempt {
  static constexpr size_t kAnswerKept = 4096;

  std::string event_id, event_type;
  SessionId session;
  uint64_t seq = 0;
  UnixMillis at = 0;
  uint32_t attempt = 0;  // of its delivery, from 1
  Trigger trigger = Trigger::scheduled;
  int status = 0;  // 0: no answer
  std::string verdict;
  std::string address;  // "203.0.113.5:443"; "" when nothing was dialled
  bool reused = false;  // over a kept connection
  Timings timings;
  UnixMillis next_attempt = 0;  // 0: none
  Bytes answer;                 // its beginning
  uint64_t answer_bytes = 0;    // as far as it was read
  uint64_t previous = 0;        // the attempt before of the same delivery, 0: none known
  std::optional<BodyFormat> format = std::nullopt;  // of the body that was sent
  bool delivered() const { return status >= 200 && status < 300; }
};
Bytes encode(const Attempt& attempt);
std::optional<Attempt> decode_attempt(ByteView stored);

struct DeadLetter {
  std::string event_id, event_type;
  SessionId session;
  uint64_t seq = 0;
  ByteArray<8> lane{};
  UnixMillis at = 0;  // when it was given up
  uint32_t attempts = 0;
  int status = 0;
  std::string verdict;  // of the last attempt
  uint64_t last_attempt = 0;
  std::optional<BodyFormat> format = std::nullopt;
};
Bytes encode(const DeadLetter& letter);
std::optional<DeadLetter> decode_dead_letter(ByteView stored);

// Where the newest attempt of an event at an endpoint stands: Kind::attempt_of_event.
std::string attempt_of_event_name(std::string_view event_id, const EndpointId& endpoint);

}  // namespace wab::webhook
