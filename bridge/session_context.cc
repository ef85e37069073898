#include "bridge/session_context.h"

#include "session/wire/websocket.h"
#include "storage/base/log.h"
#include "storage/base/metrics.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;

constexpr auto kConnectTimeout = 20s;

struct Probe {
  Gauge waiting = make_gauge("waslo_dial_waiting", "Sessions that wait for their turn to connect.");
  Gauge running = make_gauge("waslo_dial_running", "Connections under way, handshake included.");
  Histogram wait = make_histogram("waslo_dial_wait_seconds", "How long they waited.",
                                  {0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900});
  Counter good =
      make_counter("waslo_dials_total", "Connections by outcome.", {{"outcome", "connected"}});
  Counter bad =
      make_counter("waslo_dials_total", "Connections by outcome.", {{"outcome", "failed"}});
};
Probe& probe() {
  static Probe instance;
  return instance;
}

}  // namespace

DialBudget::DialBudget(double per_second, size_t at_once)
    : gap_(std::chrono::duration_cast<std::chrono::steady_clock::duration>(
          std::chrono::duration<double>(1.0 / per_second))),
      at_once_(at_once) {}

awaitable<DialBudget::Pass> DialBudget::take() {
  const SteadyTime asked = std::chrono::steady_clock::now();
  probe().waiting.add();
  while (running_ >= at_once_) co_await freed_.wait();
  ++running_;
  probe().running.add();
  Pass pass(this);
  const SteadyTime now = std::chrono::steady_clock::now();
  const SteadyTime mine = std::max(next_, now);
  next_ = mine + gap_;
  if (mine > now) co_await sleep_until(mine);
  probe().waiting.sub();
  const auto waited = std::chrono::steady_clock::now() - asked;
  probe().wait.observe(std::chrono::duration<double>(waited).count());
  co_return std::move(pass);
}

void DialBudget::release() {
  --running_;
  probe().running.sub();
  freed_.notify_one();
}

SessionContextImpl::SessionContextImpl(SessionWorld& world, storage::Scope scope,
                                       any_io_executor executor, DialBudget& budget,
                                       std::string proxy, std::function<void()> changed)
    : world_(world),
      scope_(scope),
      backlog_(world.backlog.of(scope.org())),
      executor_(std::move(executor)),
      budget_(budget),
      proxy_(std::move(proxy)),
      changed_(std::move(changed)),
      settings_(world.settings) {}

awaitable<Result<std::vector<std::optional<Bytes>>>> SessionContextImpl::load(
    std::vector<storage::Key> keys) {
  co_return co_await world_.store.load(scope_, std::move(keys));
}

awaitable<Result<storage::Store::Page>> SessionContextImpl::scan(storage::Kind kind,
                                                                 std::string after, size_t limit) {
  co_return co_await world_.store.scan(scope_, kind, std::move(after), limit);
}

awaitable<Result<std::vector<bool>>> SessionContextImpl::marked(std::vector<std::string> names) {
  const UnixSeconds now = world_.clock.now_s();
  co_return co_await world_.store.marked(scope_, std::move(names), now);
}

awaitable<Result<void>> SessionContextImpl::commit(storage::Commit commit) {
  world_.deliveries.add_rows(commit);
  const bool events = !commit.events.empty();
  storage::Commit told(scope_);
  if (events) {
    told.events = commit.events;
    told.deliveries = commit.deliveries;
  }
  const auto owed = static_cast<int64_t>(commit.deliveries.size());
  auto committed = co_await world_.store.commit(std::move(commit));
  if (!committed) co_return fail(committed.error());
  if (owed > 0) backlog_->add(owed);
  if (events) {
    world_.deliveries.offer(told);
    world_.feed.grew(scope_.org());
  }
  co_return ok();
}

ByteArray<32> SessionContextImpl::keyed_hash(std::string_view purpose, ByteView data) {
  return world_.store.keyed_hash(scope_.org_scope(), purpose, data);
}

awaitable<Result<std::unique_ptr<wire::WebSocket>>> SessionContextImpl::connect() {
  const auto deadline = std::chrono::steady_clock::now() + kConnectTimeout;
  wire::Target target;
  target.host = world_.url.host;
  target.port = world_.url.port;
  target.tls = world_.url.tls();
  wire::DialRules rules;
  const std::string& proxy = proxy_.empty() ? world_.proxy : proxy_;
  if (!proxy.empty()) {
    CO_TRY(auto parsed, wire::parse_proxy(proxy));
    rules.proxy = std::move(parsed);
    // A tenant's proxy is somebody's wish like a webhook's target; the operator's own is not.
    if (!proxy_.empty()) rules.proxy_judge = world_.tenant_proxies;
  }
  CO_TRY(auto stream, co_await world_.whatsapp.dial(std::move(target), std::move(rules), deadline));
  wire::HttpFields headers;
  headers.set("origin", "https://web.whatsapp.com");
  headers.set("cache-control", "no-cache");
  headers.set("pragma", "no-cache");
  const wire::WebSocketLimits limits;
  std::string host = world_.url.authority();
  std::string path = world_.url.target;
  co_return co_await wire::WebSocket::connect(std::move(stream), std::move(host), std::move(path),
                                              std::move(headers), limits, deadline);
}

awaitable<Result<std::unique_ptr<wire::WebSocket>>> SessionContextImpl::dial() {
  const auto pass = co_await budget_.take();
  auto connected = co_await connect();
  (connected ? probe().good : probe().bad).add();
  co_return std::move(connected);
}

awaitable<void> SessionContextImpl::compute(std::function<void()> work) {
  // A full queue is waited for: pairing is rare and a person is watching.
  for (;;) {
    std::function<void()> copy = work;
    auto done = co_await world_.compute.run(std::move(copy));
    if (done || !done.error().is(PoolError::full)) co_return;
    co_await sleep_until(std::chrono::steady_clock::now() + 20ms);
  }
}

}  // namespace wab::bridge
