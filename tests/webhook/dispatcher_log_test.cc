// What attempts leave behind, sending again, and how an endpoint is treated that does not work.
#include "tests/webhook/dispatcher_bench.h"

namespace wab::webhook {
namespace {

DISPATCHER_TEST(EveryAttemptOnTheWireLeavesARow, (options.schedule = {2ms, 2ms})) {
  receiver.status = [this](const auto&) { return receiver.seen.size() < 3 ? 500 : 200; };
  receiver.extra.set("x-page", "1");
  co_await owe(1, 1);
  {
    std::function<bool()> ready = [this] { return dispatcher->waiting() == 0; };
    co_await until(std::move(ready));
  }
  const auto rows = co_await logged();
  EXPECT_EQ(rows.size(), 3u);
  if (rows.size() != 3) co_return;
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rows[i].event_id, "evt_1");
    EXPECT_EQ(rows[i].attempt, i + 1);
    EXPECT_EQ(rows[i].status, i < 2 ? 500 : 200);
    EXPECT_EQ(rows[i].trigger, Trigger::scheduled);
    EXPECT_EQ(rows[i].previous, i);
    EXPECT_TRUE(rows[i].address.starts_with("127.0.0.1:"));
    EXPECT_GE(rows[i].timings.first_byte, 0);
    EXPECT_GE(rows[i].timings.total, rows[i].timings.first_byte);
    EXPECT_EQ(rows[i].timings.dns, -1) << "a literal needs no lookup";
  }
  EXPECT_GE(rows[0].timings.connect, 0);
  EXPECT_TRUE(rows[1].reused);
  EXPECT_GT(rows[0].next_attempt, 0);
  EXPECT_EQ(rows[2].next_attempt, 0);
  const auto chain = co_await attempts_of_event(&store, org, endpoint.id, "evt_1");
  EXPECT_EQ(chain->size(), 3u);
  EXPECT_EQ(chain->front().second.status, 200) << "the newest first";
}

DISPATCHER_TEST(AReplaySendsTheSameIdAndBytesAndSaysSo, (options.schedule = {})) {
  receiver.status = [](const auto&) { return 500; };
  co_await owe(1, 1);
  co_await owe(2, 2);
  {
    std::function<bool()> ready = [this] { return dispatcher->waiting() == 0; };
    co_await until(std::move(ready));
  }
  auto letters = co_await dead();
  EXPECT_EQ(letters.size(), 2u);
  receiver.status = [](const auto&) { return 200; };
  ReplayJob job;
  job.id = ReplayId::random(random);
  job.endpoint = endpoint.id;
  job.wish.failed = true;
  const auto end = co_await dead_letters_end(&store, org, endpoint.id);
  job.end = *end;
  job.created_at = clock->now_ms();
  EXPECT_TRUE(dispatcher->replay(job));
  {
    std::function<bool()> ready = [this] {
      return receiver.seen.size() == 4 && dispatcher->waiting() == 0;
    };
    co_await until(std::move(ready));
  }
  for (size_t i = 0; i < 2; ++i) {
    const auto id = receiver.seen[i].headers.get("webhook-id");
    for (size_t j = 2; j < 4; ++j) {
      if (receiver.seen[j].headers.get("webhook-id") != id) continue;
      EXPECT_EQ(receiver.seen[j].body, receiver.seen[i].body);
      EXPECT_EQ(receiver.seen[j].headers.get("webhook-replay"), "1");
    }
    EXPECT_FALSE(receiver.seen[i].headers.contains("webhook-replay"));
  }
  letters = co_await dead();
  EXPECT_TRUE(letters.empty()) << "what was sent again is no dead letter any more";
  const auto rows = co_await logged();
  EXPECT_EQ(rows.back().trigger, Trigger::replay);
}

// The endpoint is changed to another format between two attempts, and again before everything is
// sent once more in each way that there is: whoever knows an id knows its bytes.
DISPATCHER_TEST(ABodyIsTheSameAtEveryAttemptWhateverTheFormatBecomes, (options.schedule = {2ms})) {
  receiver.status = [this](const auto&) {
    if (receiver.seen.size() == 1) {
      endpoint.format = BodyFormat::cloud;
      dispatcher->set_endpoint(org, endpoint);
    }
    return 500;
  };
  co_await owe(1, 1);
  co_await owe(2, 1);
  {
    std::function<bool()> ready = [this] { return dispatcher->waiting() == 0; };
    co_await until(std::move(ready));
  }
  EXPECT_EQ(receiver.seen.size(), 4u);
  endpoint.format = BodyFormat::evolution;
  dispatcher->set_endpoint(org, endpoint);
  receiver.status = [](const auto&) { return 200; };
  ReplayWish failed, event, range;
  failed.failed = true;
  event.event_id = "evt_1";
  range.since = 1;
  co_await send_again(failed, 6);
  co_await send_again(event, 7);
  co_await send_again(range, 9);
  std::map<std::string, std::set<Bytes>> bodies;
  for (const auto& one : receiver.seen) {
    bodies[std::string(one.headers.get("webhook-id"))].insert(one.body);
  }
  EXPECT_EQ(bodies.size(), 2u);
  for (const auto& [id, known] : bodies) EXPECT_EQ(known.size(), 1u) << id;
  EXPECT_EQ(bodies["evt_1"].begin()->front(), '{');
  EXPECT_EQ(text(*bodies["evt_1"].begin()), R"({"seq":1})") << "native, as when it happened";
  EXPECT_TRUE(receiver.seen.back().headers.contains("webhook-replay"));
}

// The rules became stricter while a delivery waited.
DISPATCHER_TEST(ATargetThatIsNotAllowedAnyMoreIsNotDialled, (options.target = TargetRules())) {
  co_await owe(1, 1);
  {
    std::function<bool()> ready = [this] { return dispatcher->waiting() == 0; };
    co_await until(std::move(ready));
  }
  EXPECT_TRUE(receiver.seen.empty());
  const auto rows = co_await logged();
  EXPECT_EQ(rows.size(), 1u);
  if (rows.size() != 1) co_return;
  EXPECT_EQ(rows[0].verdict, "target_not_allowed");
  EXPECT_EQ(rows[0].address, "");
  const auto letters = co_await dead();
  EXPECT_EQ(letters.size(), 1u);
}

class DispatcherReplay : public DispatcherTest {
 public:
  awaitable<void> before() {
    for (uint64_t seq = 1; seq <= 250; ++seq)
      co_await owe(seq, static_cast<uint8_t>(seq % 5), false);
    // Delivered long ago.
    Commit commit{storage::Scope(org)};
    for (uint64_t seq = 1; seq <= 250; ++seq) {
      commit.delivered.push_back({endpoint.id, session, seq});
    }
    // A job that had come to position 120 when the process was killed.
    ReplayJob job;
    job.id = ReplayId::random(random);
    job.endpoint = endpoint.id;
    job.wish.since = 1;
    job.cursor = 120;
    job.queued = job.examined = 120;
    job.created_at = system_clock().now_ms() + 60'000;
    id = job.id;
    storage::Row row;
    row.key.kind = storage::Kind::replay_job;
    row.key.name = job.id.text();
    row.value = encode(job);
    commit.put.push_back(std::move(row));
    (void)co_await store.commit(std::move(commit));
    recorded.clear();
  }
  awaitable<void> after() {
    {
      std::function<bool()> ready = [this] { return !receiver.seen.empty(); };
      co_await until(std::move(ready));
    }
    EXPECT_TRUE(dispatcher->replaying(endpoint.id));
    ReplayJob other;
    other.id = ReplayId::random(random);
    other.endpoint = endpoint.id;
    EXPECT_FALSE(dispatcher->replay(other)) << "one at a time";
    {
      std::function<bool()> ready = [this] {
        return receiver.seen.size() == 130 && dispatcher->waiting() == 0 &&
               !dispatcher->replaying(endpoint.id);
      };
      co_await until(std::move(ready));
    }
    std::set<std::string> ids;
    for (const auto& one : receiver.ids()) EXPECT_TRUE(ids.insert(one).second) << one << " twice";
    EXPECT_EQ(ids.count("evt_120"), 0u);
    EXPECT_EQ(ids.count("evt_121"), 1u);
    std::vector<storage::Key> keys(1);
    keys[0].kind = storage::Kind::replay_job;
    keys[0].name = id.text();
    const auto stored = co_await store.load(org, std::move(keys));
    const auto job = decode_replay_job(*(*stored)[0]);
    EXPECT_EQ(job->state, ReplayJob::State::done);
    EXPECT_EQ(job->queued, 250u);
  }
  ReplayId id;
};
TEST_F(DispatcherReplay, GoesOnAfterACrashWhereItWas) {
  run([this] { return before(); });
  make();
  run([this] { return after(); });
}

DISPATCHER_TEST(ATestGoesOutAtOnceAndIsLoggedAsManual, (options.schedule = {})) {
  receiver.status = [](const auto&) { return 418; };
  const auto shown = co_await dispatcher->test(endpoint.id);
  EXPECT_TRUE(shown.has_value());
  if (!shown) co_return;
  EXPECT_EQ(shown->status, 418);
  EXPECT_EQ(shown->event_type, "webhook.test");
  EXPECT_EQ(shown->trigger, Trigger::manual);
  EXPECT_GE(shown->timings.total, 0);
  EXPECT_EQ(receiver.seen.size(), 1u);
  const auto& request = receiver.seen[0];
  const auto at = std::stoll(std::string(request.headers.get("webhook-timestamp")));
  EXPECT_TRUE(verify_signature(request.headers.get("webhook-signature"),
                               request.headers.get("webhook-id"), at, request.body, kSecret));
  EXPECT_EQ(operational.size(), 0u) << "a test is nobody's failure";
  const auto rows = co_await logged();
  EXPECT_EQ(rows.size(), 1u);
  EXPECT_EQ(dispatcher->waiting(), 0u);
}

DISPATCHER_TEST(AChatThatOwesThousandsDoesNotStarveTheEndpoint,
                (options.in_memory = 200, options.per_lane = 16, options.schedule = {1h})) {
  receiver.status = [](const wire::HttpRequest& request) {
    return request.headers.get("webhook-id") == "evt_1" ? 500 : 200;
  };
  for (uint64_t seq = 1; seq <= 1000; ++seq) co_await owe(seq, 1);
  co_await owe(1001, 2);
  {
    std::function<bool()> ready = [this] { return receiver.seen.size() >= 2; };
    co_await until(std::move(ready));
  }
  const auto ids = receiver.ids();
  EXPECT_EQ(ids, (std::vector<std::string>{"evt_1", "evt_1001"}));
  EXPECT_LE(dispatcher->waiting(), 20u);
}

DISPATCHER_CLOCK_TEST(AnOpenBreakerBurnsNoAttempts,
                      (endpoint.ordering = Ordering::none, options.schedule = default_schedule())) {
  receiver.status = [](const auto&) { return 500; };
  for (uint64_t seq = 1; seq <= 30; ++seq) co_await owe(seq, 1);
  {
    std::function<bool()> ready = [this] { return receiver.seen.size() >= 10; };
    co_await until(std::move(ready));
  }
  co_await settle();
  const size_t opened = receiver.seen.size();
  EXPECT_GE(opened, 10u);
  EXPECT_LT(opened, 20u) << "the breaker did not open";
  co_await advance(29s);
  EXPECT_EQ(receiver.seen.size(), opened) << "open means open";
  co_await advance(2s);
  {
    std::function<bool()> ready = [this, opened] { return receiver.seen.size() > opened; };
    co_await until(std::move(ready));
  }
  co_await settle();
  EXPECT_EQ(receiver.seen.size(), opened + 1) << "one probe";
  const auto rows = co_await owed();
  EXPECT_EQ(rows.size(), 30u);
  uint32_t most = 0;
  for (const auto& row : rows) most = std::max(most, decode_state(row.state).attempts);
  EXPECT_EQ(most, 1u) << "the probe was held against its delivery";
  EXPECT_EQ(operational, std::vector<std::string>{"webhook.failing"});
  // It works again: everything goes out.
  receiver.status = [](const auto&) { return 200; };
  for (int i = 0; i < 20 && dispatcher->waiting() > 0; ++i) {
    co_await advance(61s);
    co_await settle();
  }
  EXPECT_EQ(dispatcher->waiting(), 0u);
  EXPECT_EQ(operational.back(), "webhook.recovered");
}

DISPATCHER_CLOCK_TEST(FiveDaysWithoutASuccessDisableTheEndpoint, (void)0) {
  receiver.status = [](const auto&) { return 500; };
  for (int day = 0; day <= 6 && gone.empty(); ++day) {
    co_await owe(static_cast<uint64_t>(day) + 1, static_cast<uint8_t>(day));
    {
      const size_t before = receiver.seen.size();
      std::function<bool()> ready = [this, before] { return receiver.seen.size() > before; };
      co_await until(std::move(ready));
    }
    co_await settle();
    EXPECT_EQ(gone.empty(), day < 5) << "day " << day;
    co_await advance(24h);
    co_await settle();
  }
  EXPECT_EQ(reasons, std::vector<std::string>{"failing"});
  EXPECT_EQ(operational.back(), "webhook.disabled");
}

DISPATCHER_CLOCK_TEST(AnOverloadedServerIsLeftAloneAsLongAsItAsks,
                      (endpoint.ordering = Ordering::none, options.schedule = default_schedule())) {
  receiver.status = [](const auto&) { return 429; };
  receiver.extra.set("retry-after", "20");
  for (uint64_t seq = 1; seq <= 5; ++seq) co_await owe(seq, 1);
  {
    std::function<bool()> ready = [this] { return !receiver.seen.empty(); };
    co_await until(std::move(ready));
  }
  co_await settle();
  EXPECT_EQ(receiver.seen.size(), 1u) << "the others do not try their luck";
  co_await advance(19s);
  EXPECT_EQ(receiver.seen.size(), 1u);
  receiver.status = [](const auto&) { return 200; };
  co_await advance(2s);
  {
    std::function<bool()> ready = [this] { return receiver.seen.size() >= 5; };
    co_await until(std::move(ready));
  }
}

DISPATCHER_CLOCK_TEST(TheRateOfAnEndpointIsKept,
                      (endpoint.ordering = Ordering::none, endpoint.rate_limit = 2)) {
  for (uint64_t seq = 1; seq <= 20; ++seq) co_await owe(seq, 1);
  {
    std::function<bool()> ready = [this] { return receiver.seen.size() >= 2; };
    co_await until(std::move(ready));
  }
  co_await settle();
  EXPECT_EQ(receiver.seen.size(), 2u);
  for (int second = 1; second <= 4; ++second) {
    co_await advance(1001ms);
    const size_t wanted = 2 + 2 * static_cast<size_t>(second);
    std::function<bool()> ready = [this, wanted] { return receiver.seen.size() >= wanted; };
    co_await until(std::move(ready));
    co_await settle();
    EXPECT_EQ(receiver.seen.size(), wanted);
  }
}

// A healthy tenant among 99 whose servers take the request and never answer.
class DispatcherFairness : public DispatcherClock {
 public:
  static constexpr int kEvents = 100;

  // Steps of 10 ms on the manual clock from an event's commit to its arrival, worst first.
  awaitable<void> measure(std::vector<int>* delays) {
    for (int i = 1; i <= kEvents; ++i) {
      const std::string id = "evt_" + std::to_string(i);
      co_await owe(static_cast<uint64_t>(i), static_cast<uint8_t>(i));
      int steps = 1;
      for (; steps < 1000; ++steps) {
        manual.advance(10ms);
        dispatcher->look();
        const auto patience = test::in_ms(200);
        std::function<bool()> arrived = [this, id] { return healthy.contains(id); };
        while (!arrived() && std::chrono::steady_clock::now() < patience) {
          const bool more = co_await happened.wait_until(patience);
          if (!more) break;
        }
        if (arrived()) break;
      }
      delays->push_back(steps);
      co_await settle_healthy();
    }
    std::sort(delays->rbegin(), delays->rend());
  }
  awaitable<void> settle_healthy() {
    std::function<bool()> ready = [this] {
      return dispatcher->in_flight() <= hanging && dispatcher->waiting() <= owed_elsewhere;
    };
    co_await until(std::move(ready));
  }
  awaitable<void> add_dead() {
    for (int i = 0; i < 99; ++i) {
      const auto other = issuer.organization(OrgId::random(random));
      Endpoint dead = endpoint;
      dead.id = EndpointId::random(random);
      dead.url = receiver.url() + "/dead";
      const auto dead_session = SessionId::random(random);
      Commit commit{storage::Scope(other)};
      for (uint64_t seq = 1; seq <= 20; ++seq) {
        storage::EventRow event;
        event.session = dead_session;
        event.seq = seq;
        event.id = "evt_dead";
        event.type = "message";
        event.lane[0] = static_cast<uint8_t>(seq);
        event.body = to_bytes(view("{}"));
        storage::DeliveryRow row{dead.id, dead_session, seq, event.lane, encode(DeliveryState{})};
        commit.events.push_back(std::move(event));
        commit.deliveries.push_back(std::move(row));
      }
      (void)co_await store.commit(std::move(commit));
      dispatcher->set_endpoint(other, dead);
    }
    hanging = 99;
    owed_elsewhere = 99 * 20;
    // All of them are tried; those that hang leave the places of the fast.
    for (int i = 0; i < 10; ++i) co_await advance(1100ms);
    std::function<bool()> ready = [this] { return dispatcher->in_flight() == 99; };
    co_await until(std::move(ready));
  }
  awaitable<void> both() {
    receiver.status = [this](const wire::HttpRequest& request) {
      if (request.target != "/hook") return kNoAnswer;
      healthy.insert(std::string(request.headers.get("webhook-id")));
      return 200;
    };
    std::vector<int> alone, among;
    std::vector<int>* into = &alone;
    co_await measure(into);
    healthy.clear();
    session = SessionId::random(random);
    co_await add_dead();
    into = &among;
    co_await measure(into);
    EXPECT_EQ(alone.size(), among.size());
    if (alone.size() < 2 || alone.size() != among.size()) co_return;
    EXPECT_LE(among[1], alone[1] * 2) << "p99 of the healthy tenant, in steps of 10 ms";
    EXPECT_EQ(dispatcher->in_flight(), 99u) << "one attempt of each that hangs";
  }
  std::set<std::string> healthy;
  size_t hanging = 0, owed_elsewhere = 0;
};
TEST_F(DispatcherFairness, NinetyNineThatHangAtMostDoubleTheDelayOfAHealthyOne) {
  clock = &manual;
  options.max_in_flight = 64;
  make();
  run([this] { return both(); });
}

}  // namespace
}  // namespace wab::webhook
