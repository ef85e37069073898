// Commits per second of the store, as JSON on standard output.
//
//   storage_bench [DIRECTORY] [SECONDS]
//
// Each commit is what one inbound message costs: two rows, a mark, an event, a delivery and the
// head. `writers` sessions commit one after another each, on two shards.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "storage/base/shards.h"
#include "storage/rocks_store.h"
#include "storage/root_key.h"

namespace {

using namespace wab;           // NOLINT
using namespace wab::storage;  // NOLINT

struct Run {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> commits{0}, running{0};
};

Commit message_of(const Scope& scope, const EndpointId& endpoint, uint64_t seq) {
  Commit commit(scope);
  Row head, ratchet, sent;
  head.key.kind = Kind::head;
  head.value = Bytes(40, 1);
  ratchet.key.kind = Kind::signal_session;
  ratchet.key.name = "peer.0";
  ratchet.value = Bytes(900, 2);
  commit.put.push_back(std::move(head));
  commit.put.push_back(std::move(ratchet));
  commit.marks.push_back(Mark{"chat/" + std::to_string(seq), 1});
  EventRow event;
  event.session = scope.session();
  event.seq = seq;
  event.id = "evt_" + std::to_string(seq);
  event.type = "message";
  event.body = Bytes(700, 3);
  commit.events.push_back(std::move(event));
  DeliveryRow delivery;
  delivery.endpoint = endpoint;
  delivery.session = scope.session();
  delivery.seq = seq;
  delivery.state = Bytes(16, 4);
  commit.deliveries.push_back(std::move(delivery));
  return commit;
}

awaitable<void> writer(Store& store, Scope scope, Run& run) {
  const EndpointId endpoint = EndpointId::random(system_random());
  for (uint64_t seq = 1; !run.stop; ++seq) {
    Commit commit = message_of(scope, endpoint, seq);
    auto done = co_await store.commit(std::move(commit));
    if (!done) std::abort();
    run.commits += 1;
  }
  run.running -= 1;
}

}  // namespace

int main(int argc, char** argv) {
  namespace files = std::filesystem;
  const files::path base = argc > 1 ? files::path(argv[1]) : files::temp_directory_path();
  const int seconds = argc > 2 ? std::max(1, std::atoi(argv[2])) : 3;
  const std::string home = (base / ("storage-bench-" + std::to_string(::getpid()))).string();
  std::string message, rows;
  for (const unsigned writers : {1u, 8u, 64u}) {
    files::remove_all(home);
    files::create_directories(home);
    RocksOptions options;
    options.path = home + "/data";
    options.root_key = "file:" + home + "/root.key";
    auto key = create_root_key_file(home + "/root.key", system_random(), message);
    auto opened = key ? RocksStore::open(std::move(options), message)
                      : Result<std::unique_ptr<RocksStore>>(fail(key.error()));
    if (!opened) {
      fmt::print(stderr, "{}\n", message);
      return 1;
    }
    Shards shards(2);
    shards.run();
    const ScopeIssuer issuer = (*opened)->issuer();
    const OrgScope org = issuer.organization(OrgId::random(system_random()));
    Run run;
    run.running = writers;
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < writers; ++i) {
      const Scope scope(org, SessionId::random(system_random()));
      spawn(shards.executor(i % 2), writer(**opened, scope, run), "bench");
    }
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    run.stop = true;
    while (run.running > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const double took =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const RocksStats stats = (*opened)->stats();
    rows += fmt::format(
        "{}{{\"writers\": {}, \"commits_per_second\": {:.0f}, \"commits_per_sync\": {:.1f}}}",
        rows.empty() ? "" : ", ", writers, static_cast<double>(run.commits) / took,
        static_cast<double>(stats.commits) /
            static_cast<double>(std::max<uint64_t>(1, stats.groups)));
    shards.stop();
    opened->reset();
  }
  files::remove_all(home);
  fmt::print("{{\"storage\": [{}]}}\n", rows);
  return 0;
}
