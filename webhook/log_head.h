// A numbered log of one endpoint in the store: which numbers are in use and how old they are. Pure.
//
// Rows of the log are named "ENDPOINT/NUMBER", so that any page of it is read by name and the
// oldest are erased without a scan. The head is written with every 32nd row: after a crash the end
// is found by asking for the names behind it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/ids.h"

namespace wab::webhook {

struct LogHead {
  static constexpr uint64_t kPersistEvery = 32;
  static constexpr int64_t kKeepDays = 30;
  static constexpr uint64_t kMost = 1'000'000;  // rows per endpoint, whatever their age

  uint64_t first = 1;                              // the oldest number that may exist
  uint64_t next = 1;                               // the number of the next row
  std::vector<std::pair<int64_t, uint64_t>> days;  // day since 1970, its first number

  uint64_t append(UnixMillis now);  // the row's number
  // Numbers [first, result) are over their time; at most `step` of them. The caller erases them
  // and sets first to the result in the same commit.
  uint64_t expired(UnixMillis now, uint64_t step) const;
  bool overfull() const { return next - first > kMost + kMost / 64; }
  void drop_before(uint64_t number);
};

Bytes encode(const LogHead& head);
std::optional<LogHead> decode_log_head(ByteView stored);
std::string log_name(const EndpointId& endpoint, uint64_t number);

}  // namespace wab::webhook
