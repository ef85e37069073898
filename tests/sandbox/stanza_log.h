// The last stanzas that crossed the server, decoded, with the verdict on each: GET /admin/stanzas
// and the failing test's evidence. Bounded by number and by bytes; the oldest go first.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "tests/sandbox/world.h"

namespace wab::sandbox {

struct LoggedViolation {
  std::string rule;
  std::string text;
};

struct LoggedStanza {
  uint64_t seq = 0;  // from 1, without gaps
  UnixMillis at = 0;
  Direction direction = Direction::to_server;
  DeviceJid device;
  ConnectionId connection = 0;
  std::string tag;
  std::string xml;
  std::vector<LoggedViolation> violations;
};

class StanzaLog {
 public:
  explicit StanzaLog(size_t most = 10'000, size_t most_bytes = 32u << 20);
  // Give to World::on_stanza as [&](const StanzaEvent& e) { log.add(e); }.
  void add(const StanzaEvent& event);

  struct Query {
    std::string account;  // digits; empty: all
    uint64_t since = 0;   // stanzas with a greater seq
    size_t limit = 1'000;
    bool only_violations = false;
  };
  // Oldest first. Pointers are good until the next add().
  std::vector<const LoggedStanza*> find(const Query& query) const;
  uint64_t last_seq() const { return seq_; }
  size_t size() const { return log_.size(); }

 private:
  size_t most_, most_bytes_;
  size_t bytes_ = 0;
  uint64_t seq_ = 0;
  std::deque<LoggedStanza> log_;
};

}  // namespace wab::sandbox
