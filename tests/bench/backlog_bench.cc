// How soon a service that owes a great many events sends the first of them after a start, and in
// how much memory.
//
//   backlog_bench seed DIR N        a store that owes N events to four endpoints
//   backlog_bench drain DIR [--json FILE]
//
// Two processes, so that the second one's memory is its own. Draining opens the store, counts what
// is owed as the service does at its start, and sends for ten seconds to receivers over TLS in the
// same process.
#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "storage/base/log.h"
#include "storage/rocks_store.h"
#include "storage/root_key.h"
#include "tests/bench/receivers.h"
#include "tests/support/test_certs.h"
#include "webhook/dispatcher.h"
#include "webhook/guard.h"

namespace {

using namespace wab;           // NOLINT
using namespace wab::storage;  // NOLINT
using namespace wab::bench;    // NOLINT

constexpr size_t kEndpoints = 4, kSessions = 8, kBatch = 256, kChats = 500;
constexpr auto kDrainFor = std::chrono::seconds(10);

std::unique_ptr<RocksStore> open(const std::string& home) {
  std::string message;
  RocksOptions options;
  options.path = home + "/data";
  options.root_key = "file:" + home + "/root.key";
  auto store = RocksStore::open(std::move(options), message);
  if (!store) {
    fmt::print(stderr, "{}\n", message);
    std::exit(1);
  }
  return std::move(*store);
}

// One organization and its endpoints, the same in both processes.
struct Ids {
  size_t events = 0;
  OrgId org;
  std::vector<EndpointId> endpoints;
};

Ids read_ids(const std::string& home) {
  std::ifstream file(home + "/ids");
  Ids ids;
  std::string word;
  file >> ids.events >> word;
  ids.org = *OrgId::parse(word);
  while (file >> word) ids.endpoints.push_back(*EndpointId::parse(word));
  return ids;
}

void write_ids(const std::string& home, const Ids& ids) {
  std::ofstream file(home + "/ids");
  file << ids.events << '\n' << ids.org.text() << '\n';
  for (const EndpointId& id : ids.endpoints) file << id.text() << '\n';
}

awaitable<void> fill(RocksStore* store, OrgScope org, std::vector<EndpointId> endpoints,
                     std::atomic<size_t>* next, size_t all, std::atomic<size_t>* running) {
  const SessionId session = SessionId::random(system_random());
  for (uint64_t seq = 1;;) {
    const size_t first = next->fetch_add(kBatch);
    if (first >= all) break;
    Commit commit{Scope(org, session)};
    for (size_t i = first; i < std::min(first + kBatch, all); ++i, ++seq) {
      EventRow event;
      event.session = session;
      event.seq = seq;
      event.id = "evt_" + std::to_string(i);
      event.type = "message";
      event.lane[0] = static_cast<uint8_t>(i % kChats);
      event.lane[1] = static_cast<uint8_t>(i % kChats >> 8);
      event.at = system_clock().now_ms();
      event.body = Bytes(700, 'x');
      DeliveryRow row;
      row.endpoint = endpoints[i % endpoints.size()];
      row.session = session;
      row.seq = seq;
      row.lane = event.lane;
      commit.events.push_back(std::move(event));
      commit.deliveries.push_back(std::move(row));
    }
    auto done = co_await store->commit(std::move(commit));
    if (!done) std::abort();
  }
  *running -= 1;
}

int seed(const std::string& home, size_t all) {
  std::filesystem::create_directories(home);
  std::string message;
  if (!create_root_key_file(home + "/root.key", system_random(), message)) {
    fmt::print(stderr, "{}\n", message);
    return 1;
  }
  auto store = open(home);
  Ids ids;
  ids.events = all;
  ids.org = OrgId::random(system_random());
  for (size_t i = 0; i < kEndpoints; ++i) {
    ids.endpoints.push_back(EndpointId::random(system_random()));
  }
  write_ids(home, ids);
  Shards shards(2);
  const OrgScope org = store->issuer().organization(ids.org);
  std::atomic<size_t> next{0}, running{kSessions};
  for (size_t i = 0; i < kSessions; ++i) {
    spawn(shards.executor(i % 2), fill(store.get(), org, ids.endpoints, &next, all, &running),
          "bench.fill");
  }
  shards.run();
  while (running > 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  shards.stop();
  return 0;
}

size_t memory(const char* field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::strtoull(line.c_str() + 8, nullptr, 10) * 1024;
  }
  return 0;
}

awaitable<void> count(RocksStore* store, OrgScope org, uint64_t* owed, std::atomic<bool>* done) {
  auto found = co_await store->owed(org);
  if (found) {
    for (const auto& [endpoint, number] : *found) *owed += number;
  }
  *done = true;
}

int drain(const std::string& home, const std::string& json) {
  const Ids ids = read_ids(home);
  const test::TestCa ca;
  const auto issued = ca.issue();
  auto server = wire::TlsContext::server(issued.chain_pem, issued.key_pem);
  auto client = wire::TlsContext::client(ca.pem());
  if (!server || !client) return 1;
  const size_t empty = memory("VmRSS:");
  const auto begun = Steady::now();
  auto store = open(home);
  const OrgScope org = store->issuer().organization(ids.org);
  Shards shards(2), elsewhere(1);
  shards.run();
  uint64_t owed = 0;
  std::atomic<bool> counted{false};
  spawn(shards.executor(0), count(store.get(), org, &owed, &counted), "bench.count");
  while (!counted) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const double counting = std::chrono::duration<double>(Steady::now() - begun).count();
  Figures figures(ids.events);
  Figures* current = &figures;
  BlockingPool lookup("lookup", 1, 64);
  wire::Dialer dialer(lookup, std::move(*client));
  webhook::Guard guard({*webhook::Network::parse("127.0.0.1")});
  std::vector<std::unique_ptr<webhook::Dispatcher>> dispatchers;
  Receivers receivers(elsewhere, std::move(*server), current);
  elsewhere.run();
  for (size_t i = 0; i < shards.size(); ++i) {
    dispatchers.push_back(std::make_unique<webhook::Dispatcher>(
        webhook::DispatcherOptions{}, *store, dialer,
        [&guard](const auto& one) { return guard.allows(one); }, system_clock(), system_random(),
        shards.executor(i), webhook::DispatcherHooks{}));
  }
  for (const EndpointId& id : ids.endpoints) {
    webhook::Endpoint endpoint;
    endpoint.id = id;
    endpoint.url = "https://127.0.0.1:" + std::to_string(receivers.port()) + "/hook";
    endpoint.secrets = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
    const size_t home_shard = shards.shard_of(std::hash<EndpointId>()(id));
    auto* dispatcher = dispatchers[home_shard].get();
    boost::asio::post(shards.executor(home_shard),
                      [dispatcher, org, endpoint] { dispatcher->set_endpoint(org, endpoint); });
  }
  while (figures.seen == 0 && Steady::now() < begun + std::chrono::minutes(1)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const double first = std::chrono::duration<double>(Steady::now() - begun).count();
  const auto from = Steady::now();
  while (figures.seen < owed && Steady::now() < from + kDrainFor) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const double lasted = std::chrono::duration<double>(Steady::now() - from).count();
  // What the bench itself remembers of each event is not the service's.
  const size_t own = ids.events * 2 * sizeof(std::atomic<int64_t>);
  const size_t peak = memory("VmHWM:") - own;
  const std::string out = fmt::format(
      "{{\"bench\": \"backlog\", \"events\": {}, \"counted_after_seconds\": {:.3f}, "
      "\"first_request_after_seconds\": {:.3f}, \"rss_bytes_peak\": {}, \"rss_bytes_empty\": {}, "
      "\"drained_per_second\": {:.0f}, \"repeated\": {}}}",
      owed, counting, first, peak, empty, static_cast<double>(figures.seen) / lasted,
      figures.repeated.load());
  fmt::print("{}\n", out);
  if (!json.empty()) std::ofstream(json) << out << std::endl;
  std::fflush(stdout);
  // In the middle of its work: a kill is what the store is made for.
  std::_Exit(figures.seen > 0 && figures.repeated == 0 && first <= 2 && peak < 300'000'000 ? 0 : 1);
}

}  // namespace

int main(int argc, char** argv) {
  set_log_level(LogLevel::error);
  const std::string_view what = argc > 2 ? argv[1] : "";
  if (what == "seed" && argc == 4) return seed(argv[2], std::strtoull(argv[3], nullptr, 10));
  if (what == "drain") return drain(argv[2], argc == 5 ? argv[4] : "");
  fmt::print(stderr, "usage: backlog_bench seed DIR N | drain DIR [--json FILE]\n");
  return 2;
}
