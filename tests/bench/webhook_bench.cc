// How fast events go from a synced commit to receivers over TLS on the loopback, and how late.
//
//   webhook_bench [--events N] [--rate N] [--json FILE]
//
// Four organizations with four endpoints each; the receivers answer 200 in the same process, on
// threads of their own. First all events as fast as they go, then some at a steady rate. The clock
// of an event begins when its commit returns and ends when its request has been read.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
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
using Steady = std::chrono::steady_clock;

constexpr size_t kOrgs = 4, kPerOrg = 4, kBatch = 16, kAhead = 4000, kChats = 64;

struct Tenant {
  OrgScope org;
  std::vector<EndpointId> endpoints;
};

struct Bench {
  Store& store;
  Shards& shards;
  std::vector<std::unique_ptr<webhook::Dispatcher>>& dispatchers;
  Figures* figures;
  std::atomic<size_t> next{0}, running{0};
  double rate = 0;  // events per second in all; 0: as fast as they go
};

// One session of one organization: every event goes to one of its endpoints.
awaitable<void> produce(Bench& bench, const Tenant& tenant, size_t shard) {
  const SessionId session = SessionId::random(system_random());
  const size_t all = bench.figures->committed.size();
  const auto begun = Steady::now();
  const size_t batch = bench.rate > 0 ? 1 : kBatch;
  for (uint64_t seq = 1;;) {
    const size_t first = bench.next.fetch_add(batch);
    if (first >= all) break;
    if (bench.rate > 0) {
      const auto at =
          begun + std::chrono::duration_cast<Steady::duration>(
                      std::chrono::duration<double>(static_cast<double>(first) / bench.rate));
      co_await sleep_until(at);
    }
    while (bench.rate == 0 && first > bench.figures->seen + kAhead) {
      co_await sleep_until(Steady::now() + std::chrono::milliseconds(1));
    }
    Commit commit{Scope(tenant.org, session)};
    for (size_t i = first; i < std::min(first + batch, all); ++i, ++seq) {
      EventRow event;
      event.session = session;
      event.seq = seq;
      event.id = "evt_" + std::to_string(i);
      event.type = "message";
      event.lane[0] = static_cast<uint8_t>(i % kChats);
      event.at = system_clock().now_ms();
      event.body = Bytes(700, 'x');
      DeliveryRow row;
      row.endpoint = tenant.endpoints[i % tenant.endpoints.size()];
      row.session = session;
      row.seq = seq;
      row.lane = event.lane;
      commit.events.push_back(std::move(event));
      commit.deliveries.push_back(std::move(row));
    }
    const std::vector<EventRow> events = commit.events;
    const std::vector<DeliveryRow> rows = commit.deliveries;
    auto done = co_await bench.store.commit(std::move(commit));
    if (!done) std::abort();
    const int64_t at = now_us();
    for (size_t i = 0; i < rows.size(); ++i) bench.figures->committed[first + i] = at;
    for (size_t i = 0; i < rows.size(); ++i) {
      const size_t home = bench.shards.shard_of(std::hash<EndpointId>()(rows[i].endpoint));
      auto* dispatcher = bench.dispatchers[home].get();
      boost::asio::post(bench.shards.executor(home),
                        [dispatcher, row = rows[i], event = events[i]] {
                          dispatcher->offer(row.endpoint, row, event);
                        });
    }
  }
  (void)shard;
  bench.running -= 1;
}

awaitable<void> close_one(webhook::Dispatcher* dispatcher, std::atomic<size_t>* open) {
  co_await dispatcher->close(Steady::now());
  *open -= 1;
}

double run(Bench& bench, const std::vector<Tenant>& tenants) {
  const size_t all = bench.figures->committed.size();
  const auto begun = Steady::now();
  bench.running = tenants.size() * 4;
  for (size_t i = 0; i < tenants.size() * 4; ++i) {
    const size_t shard = i % bench.shards.size();
    spawn(bench.shards.executor(shard), produce(bench, tenants[i % tenants.size()], shard),
          "bench");
  }
  const auto limit = begun + std::chrono::minutes(5);
  while ((bench.figures->seen < all || bench.running > 0) && Steady::now() < limit) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return std::chrono::duration<double>(Steady::now() - begun).count();
}

double late_ms(const Figures& figures, double share) {
  std::vector<int64_t> delays;
  for (size_t i = 0; i < figures.committed.size(); ++i) {
    delays.push_back(std::max<int64_t>(0, figures.arrived[i] - figures.committed[i]));
  }
  std::sort(delays.begin(), delays.end());
  const auto at = static_cast<size_t>(static_cast<double>(delays.size()) * share);
  return static_cast<double>(delays[std::min(at, delays.size() - 1)]) / 1000.0;
}

}  // namespace

int main(int argc, char** argv) {
  namespace files = std::filesystem;
  size_t events = 40'000;
  double rate = 500;
  std::string json;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--events") events = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--rate") rate = std::strtod(argv[i + 1], nullptr);
    if (name == "--json") json = argv[i + 1];
  }
  set_log_level(LogLevel::warn);
  const std::string home =
      (files::temp_directory_path() / ("webhook-bench-" + std::to_string(::getpid()))).string();
  files::create_directories(home);
  std::string message;
  RocksOptions options;
  options.path = home + "/data";
  options.root_key = "file:" + home + "/root.key";
  auto key = create_root_key_file(home + "/root.key", system_random(), message);
  auto store = key ? RocksStore::open(std::move(options), message)
                   : Result<std::unique_ptr<RocksStore>>(fail(key.error()));
  if (!store) {
    fmt::print(stderr, "{}\n", message);
    return 1;
  }
  const test::TestCa ca;
  const auto issued = ca.issue();
  Shards shards(2), elsewhere(1);
  BlockingPool lookup("lookup", 1, 64);
  Figures* current = nullptr;
  auto server = wire::TlsContext::server(issued.chain_pem, issued.key_pem);
  auto client = wire::TlsContext::client(ca.pem());
  if (!server || !client) return 1;
  wire::Dialer dialer(lookup, std::move(*client));
  webhook::Guard guard({*webhook::Network::parse("127.0.0.1")});
  std::vector<std::unique_ptr<webhook::Dispatcher>> dispatchers;
  Figures burst(events), steady(static_cast<size_t>(rate * 10));
  current = &burst;
  {
    Receivers receivers(elsewhere, std::move(*server), current);
    webhook::DispatcherOptions settings;
    settings.max_in_flight = 128;
    for (size_t i = 0; i < shards.size(); ++i) {
      dispatchers.push_back(std::make_unique<webhook::Dispatcher>(
          settings, **store, dialer, [&guard](const auto& one) { return guard.allows(one); },
          system_clock(), system_random(), shards.executor(i), webhook::DispatcherHooks{}));
    }
    const ScopeIssuer issuer = (*store)->issuer();
    std::vector<Tenant> tenants;
    for (size_t o = 0; o < kOrgs; ++o) {
      Tenant tenant{issuer.organization(OrgId::random(system_random())), {}};
      for (size_t e = 0; e < kPerOrg; ++e) {
        webhook::Endpoint endpoint;
        endpoint.id = EndpointId::random(system_random());
        endpoint.url = "https://127.0.0.1:" + std::to_string(receivers.port()) + "/hook";
        endpoint.secrets = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
        tenant.endpoints.push_back(endpoint.id);
        const size_t home_shard = shards.shard_of(std::hash<EndpointId>()(endpoint.id));
        auto* dispatcher = dispatchers[home_shard].get();
        boost::asio::post(shards.executor(home_shard), [dispatcher, org = tenant.org, endpoint] {
          dispatcher->set_endpoint(org, endpoint);
        });
      }
      tenants.push_back(std::move(tenant));
    }
    elsewhere.run();
    shards.run();
    Bench bench{**store, shards, dispatchers, &burst};
    const double seconds = run(bench, tenants);
    current = &steady;
    Bench paced{**store, shards, dispatchers, &steady};
    paced.rate = rate;
    run(paced, tenants);
    std::atomic<size_t> open{dispatchers.size()};
    for (size_t i = 0; i < dispatchers.size(); ++i) {
      spawn(shards.executor(i), close_one(dispatchers[i].get(), &open), "bench.close");
    }
    while (open > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    receivers.close();
    shards.stop();
    elsewhere.stop(std::chrono::seconds(5));
    const std::string out = fmt::format(
        "{{\"bench\": \"webhook\", \"cpus\": {}, \"events\": {}, \"delivered\": {}, "
        "\"repeated\": {}, \"seconds\": {:.3f}, \"events_per_second\": {:.0f}, "
        "\"paced_events_per_second\": {:.0f}, \"paced_delivered\": {}, \"p50_ms\": {:.3f}, "
        "\"p99_ms\": {:.3f}}}",
        std::thread::hardware_concurrency(), events, burst.seen.load(),
        burst.repeated + steady.repeated, seconds, static_cast<double>(burst.seen) / seconds, rate,
        steady.seen.load(), late_ms(steady, 0.5), late_ms(steady, 0.99));
    fmt::print("{}\n", out);
    if (!json.empty()) std::ofstream(json) << out << '\n';
    dispatchers.clear();
    store->reset();
    files::remove_all(home);
    const bool all = burst.seen == events && steady.seen == steady.arrived.size();
    return all && burst.repeated + steady.repeated == 0 ? 0 : 1;
  }
}
