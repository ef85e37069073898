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

// Runs until SIGTERM or SIGINT. Problems are one line on stderr.
int serve(const Config& config);

}  // namespace wab::bridge
