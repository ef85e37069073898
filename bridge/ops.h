// /healthz, /readyz and /metrics on their own listener, never on the public one. Over TLS and for
// proven clients only, if the configuration says so.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <tl/expected.hpp>

#include "bridge/certificates.h"
#include "bridge/config.h"
#include "session/wire/tcp_stream.h"
#include "storage/base/shards.h"

namespace wab::bridge {

class Ops {
 public:
  // What the three addresses say. "" is well; else why not, in one line. On shard 0 of `shards`,
  // which is a loop of their own: they answer when the others do not.
  struct Answers {
    std::function<std::string()> healthy;
    std::function<awaitable<std::string>()> ready;
    std::function<awaitable<void>()> before_metrics;  // reads what is only read when asked for
  };
  Ops(Shards& shards, const Config& config, Answers answers);
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
  Answers answers_;
  std::unique_ptr<wire::Acceptor> acceptor_;
  bool stopping_ = false;
  std::set<wire::ByteStream*> open_;
  Certificates certificates_;
  Event stop_;
  Gate gate_;
};

}  // namespace wab::bridge
