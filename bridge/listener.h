// Accepts connections on every shard, over TLS or plain, within the limits per address.
//
// One per process; acceptors share the port (SO_REUSEPORT). Certificates may change without a
// restart (certificates.h).
#pragma once

#include <memory>
#include <optional>

#include "bridge/certificates.h"
#include "bridge/exchange.h"
#include "storage/base/shards.h"

namespace wab::bridge {

class Listener {
 public:
  Listener(Shards& shards, App& app, Patience patience = {});
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
  enum class Door { open, shut, flooded };
  Door knock(const std::string& address);
  void bar(PerShard* shard, const std::string& address);
  awaitable<void> lift_bars(PerShard* shard);

  Shards& shards_;
  App& app_;
  const Patience patience_;
  Certificates certificates_;
  std::vector<std::unique_ptr<PerShard>> per_shard_;
  std::shared_ptr<Stopping> stopping_ = std::make_shared<Stopping>();
  uint16_t port_ = 0;
};

}  // namespace wab::bridge
