// /healthz, /readyz and /metrics on their own listener, never on the public one.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <tl/expected.hpp>

#include "session/wire/tcp_stream.h"
#include "storage/base/shards.h"

namespace wab::bridge {

class Ops {
 public:
  // `ready` answers "" when the service is ready, else why it is not. Called on shard 0.
  Ops(Shards& shards, std::string listen, std::function<std::string()> ready);
  ~Ops();
  tl::expected<void, std::string> open();
  uint16_t port() const;
  void start();
  awaitable<void> close();

 private:
  awaitable<void> accept_loop();
  awaitable<void> serve(std::unique_ptr<wire::TcpStream> stream);

  Shards& shards_;
  std::string listen_;
  std::function<std::string()> ready_;
  std::unique_ptr<wire::Acceptor> acceptor_;
  bool stopping_ = false;
  std::set<wire::TcpStream*> open_;
  Gate gate_;
};

}  // namespace wab::bridge
