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
                                 std::shared_ptr<Stopping> stopping, LiveConnections& live);

// The client's address: the peer's, or the last one in X-Forwarded-For that a trusted proxy saw.
// Pure.
std::string client_address(const Config& config, std::string_view peer,
                           std::string_view forwarded_for);

}  // namespace wab::bridge
