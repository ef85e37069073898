// Accepts connections on every shard, over TLS or plain, within the limits per address.
//
// One per process; acceptors share the port (SO_REUSEPORT). Certificates are looked at every few
// seconds and a changed pair is used for new connections, without a restart.
#pragma once

#include <memory>
#include <optional>

#include "bridge/exchange.h"
#include "session/wire/tls_stream.h"
#include "storage/base/shards.h"

namespace wab::bridge {

class Listener {
 public:
  Listener(Shards& shards, App& app);
  ~Listener();
  // The error is one line for stderr.
  tl::expected<void, std::string> open();
  uint16_t port() const { return port_; }
  void start();
  // Stops accepting, ends streams, waits for running requests until the deadline.
  awaitable<void> close(SteadyTime deadline);

 private:
  struct PerShard;
  awaitable<void> accept_loop(PerShard* shard);
  awaitable<void> serve(PerShard* shard, std::unique_ptr<wire::TcpStream> stream);
  awaitable<void> reload_loop(PerShard* shard);

  Shards& shards_;
  App& app_;
  std::vector<std::unique_ptr<PerShard>> per_shard_;
  std::shared_ptr<Stopping> stopping_ = std::make_shared<Stopping>();
  std::atomic<std::shared_ptr<const wire::TlsContext>> tls_;
  uint16_t port_ = 0;
};

}  // namespace wab::bridge
