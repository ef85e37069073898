// One HTTP connection: read a request, route it, answer, again; streams and upgrades until they
// end.
//
// A coroutine on the shard that accepted the connection. Everything it waits for has a deadline;
// what the framing policy refuses is answered and closed.
#pragma once

#include <memory>
#include <set>

#include "bridge/app.h"
#include "session/wire/stream.h"

namespace wab::bridge {

// How long a connection may take for what, and how often it may ask (design section 5.5).
struct Patience {
  using Time = std::chrono::milliseconds;
  Time handshake{5'000};  // of TLS
  Time idle{30'000};      // between requests
  Time head{10'000};      // a request's head, from its first byte
  Time body_grace{5'000};
  uint64_t body_bytes_per_second = 1024;  // after the grace
  Time body{1'100'000};                   // in any case
  Time write{30'000};                     // an answer, or a piece of a stream
  Time linger{1'000};                     // for the rest of what was refused
  Time over_limit{100};                   // before a 429: a flood waits for itself
  int requests = 1000;
};

// Shared with the listener: set when the service stops.
struct Stopping {
  std::atomic<bool> flag{false};
};

// The open connections of one shard, so that those between two requests can be closed when the
// service stops while the others finish.
class LiveConnections {
 public:
  struct One {
    One(LiveConnections& all, wire::ByteStream* raw) : home(all), stream(raw) {
      home.all_.insert(this);
    }
    ~One() { home.all_.erase(this); }
    One(const One&) = delete;
    LiveConnections& home;
    wire::ByteStream* stream;
    bool idle = true;
  };
  void close_idle() {
    for (One* one : all_) {
      if (one->idle) one->stream->close();
    }
  }

 private:
  std::set<One*> all_;
};

awaitable<void> serve_connection(App& app, std::unique_ptr<wire::ByteStream> stream, bool secure,
                                 std::shared_ptr<Stopping> stopping, LiveConnections& live,
                                 Patience patience);

// The client's address: the peer's, or the last one in X-Forwarded-For that a trusted proxy saw.
// Pure.
std::string client_address(const Config& config, std::string_view peer,
                           std::string_view forwarded_for);

}  // namespace wab::bridge
