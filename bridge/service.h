// The whole service: builds its parts in order, runs, stops them in reverse.
//
//   config, root key, store -> shards and pools -> deliveries -> sessions -> routes -> listeners
//
// Readiness is told only after every session is open; /v1 answers from the start.
#pragma once

#include <memory>
#include <string>

#include "bridge/config.h"

namespace wab::bridge {

// Exit codes of contract section 1.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

struct ServeWish {
  std::string config_path;  // for becoming sealed: the new image reads it again
  bool sealed = false;      // wait for `unseal` before anything else (sealed.h)
};
// Runs until SIGTERM or SIGINT, or until it is sealed: then this process begins anew. Problems are
// one line on stderr.
int serve(const Config& config, const ServeWish& wish);

}  // namespace wab::bridge
