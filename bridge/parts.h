// The parts that the service and the offline commands share: pools, store, people.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "bridge/config.h"
#include "storage/base/blocking.h"
#include "storage/base/shards.h"
#include "storage/rocks_store.h"

namespace wab::bridge {

// The store of a configuration. The error is one sentence with what to do.
struct StoreWish {
  bool keep_root_key = false;                      // to rotate it
  std::shared_ptr<const LockedSecret> given = {};  // instead of reading the root key's source
};
tl::expected<std::unique_ptr<storage::RocksStore>, std::string> open_store(const Config& config,
                                                                           BlockingPool& disk,
                                                                           StoreWish wish = {});

// Runs one coroutine to its end on a shard of its own: for commands that need no service.
int run_to_end(Shards& shards, std::function<awaitable<int>()> work);

}  // namespace wab::bridge
