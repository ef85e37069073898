#include "bridge/parts.h"

#include <cstdlib>
#include <future>

#include "storage/base/log.h"

namespace wab::bridge {
namespace {

awaitable<void> carry_result(std::function<awaitable<int>()> work, std::promise<int>* result) {
  const int code = co_await work();
  result->set_value(code);
}

bool unsafe(const char* name) {
  const char* value = std::getenv(name);
  const bool on = value != nullptr && std::string_view(value) == "1";
  if (on) log_warn("storage.unsafe_for_tests", {{"switch", name}});
  return on;
}

}  // namespace

tl::expected<std::unique_ptr<storage::RocksStore>, std::string> open_store(const Config& config,
                                                                           BlockingPool& disk,
                                                                           StoreWish wish) {
  if (config.storage.engine != "rocksdb") {
    return tl::unexpected<std::string>(
        "storage.engine: only rocksdb is built in; set it to rocksdb");
  }
  if (config.storage.root_key.empty()) {
    return tl::unexpected<std::string>(
        "storage.root_key: not set; make a key with `waslo-bridge key new --out PATH` and set "
        "storage.root_key = \"file:PATH\"");
  }
  storage::RocksOptions options;
  options.path = config.storage.path;
  options.root_key = config.storage.root_key;
  options.disk = &disk;
  options.keep_root_key = wish.keep_root_key;
  options.given_root_key = std::move(wish.given);
  // Mutation switches of the crash tests: without them they could not prove that they see a loss.
  options.unsafe_no_sync_for_tests = unsafe("WASLO_UNSAFE_NO_SYNC_FOR_TESTS");
  options.unsafe_marks_first_for_tests = unsafe("WASLO_UNSAFE_MARKS_FIRST_FOR_TESTS");
  std::string message;
  auto store = storage::RocksStore::open(std::move(options), message);
  if (!store) return tl::unexpected("storage: " + message);
  return std::move(*store);
}

int run_to_end(Shards& shards, std::function<awaitable<int>()> work) {
  std::promise<int> result;
  spawn(shards.executor(0), carry_result(std::move(work), &result), "command");
  shards.run();
  const int code = result.get_future().get();
  shards.stop();
  return code;
}

}  // namespace wab::bridge
