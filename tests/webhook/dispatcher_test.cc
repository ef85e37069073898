// The dispatcher against a real HTTP server on the loopback, and a store in memory.
#include "tests/webhook/dispatcher_bench.h"

namespace wab::webhook {
namespace {

DISPATCHER_TEST(SuccessErasesTheDeliveryInOneCommit,
                (endpoint.headers = {{"x-tenant", "seven"}, {"webhook-id", "forged"}})) {
  co_await owe(1, 1);
  {
    std::function<bool()> ready = [this] { return !recorded.empty(); };
    co_await until(std::move(ready));
  }
  EXPECT_EQ(recorded.size(), 1u);
  EXPECT_EQ(recorded[0].delivered.size(), 1u);
  EXPECT_TRUE(recorded[0].deliveries.empty());
  EXPECT_FALSE(recorded[0].put.empty()) << "the attempt's row belongs into the same commit";
  EXPECT_EQ(recorded[0].owner.org(), org.org());
  const auto left = co_await owed();
  EXPECT_TRUE(left.empty());
  EXPECT_EQ(dispatcher->waiting(), 0u);

  EXPECT_EQ(receiver.seen.size(), 1u);
  if (receiver.seen.empty()) co_return;
  const auto& request = receiver.seen[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/hook");
  EXPECT_EQ(text(request.body), "{\"seq\":1}");
  EXPECT_EQ(request.headers.get("content-type"), "application/json");
  EXPECT_EQ(request.headers.get("x-tenant"), "seven");
  EXPECT_EQ(request.headers.get("webhook-id"), "evt_1") << "a tenant's header replaced ours";
  const auto at = std::stoll(std::string(request.headers.get("webhook-timestamp")));
  EXPECT_TRUE(verify_signature(request.headers.get("webhook-signature"), "evt_1", at, request.body,
                               kSecret));
}

DISPATCHER_TEST(AFailureIsTriedAgainWithTheSameIdAndBytes, (options.schedule = {2ms, 2ms, 2ms})) {
  receiver.status = [this](const auto&) { return receiver.seen.size() < 3 ? 500 : 200; };
  co_await owe(1, 1);
  {
    std::function<bool()> ready = [this] { return recorded.size() == 3; };
    co_await until(std::move(ready));
  }
  EXPECT_EQ(receiver.ids(), (std::vector<std::string>{"evt_1", "evt_1", "evt_1"}));
  for (const auto& request : receiver.seen) {
    EXPECT_EQ(request.body, receiver.seen[0].body);
    const auto at = std::stoll(std::string(request.headers.get("webhook-timestamp")));
    EXPECT_TRUE(verify_signature(request.headers.get("webhook-signature"), "evt_1", at,
                                 request.body, kSecret));
  }
  for (uint32_t i = 0; i < 2; ++i) {
    EXPECT_EQ(recorded[i].deliveries.size(), 1u);
    const auto state = decode_state(recorded[i].deliveries[0].state);
    EXPECT_EQ(state.attempts, i + 1);
    EXPECT_FALSE(state.exhausted);
    EXPECT_GT(state.due, 0);
  }
  EXPECT_EQ(recorded[2].delivered.size(), 1u);
}

DISPATCHER_TEST(TheLastFailureLeavesADeadLetter, (options.schedule = {1ms})) {
  receiver.status = [](const auto&) { return 500; };
  co_await owe(1, 1);
  co_await owe(2, 1);
  {
    std::function<bool()> ready = [this] {
      return receiver.seen.size() == 4 && dispatcher->waiting() == 0;
    };
    co_await until(std::move(ready));
  }
  EXPECT_EQ(receiver.ids(), (std::vector<std::string>{"evt_1", "evt_1", "evt_2", "evt_2"}));
  const auto left = co_await owed();
  EXPECT_TRUE(left.empty());
  const auto letters = co_await dead();
  EXPECT_EQ(letters.size(), 2u);
  if (letters.size() != 2) co_return;
  EXPECT_EQ(letters[0].event_id, "evt_1");
  EXPECT_EQ(letters[0].attempts, 2u);
  EXPECT_EQ(letters[1].verdict, "server_error");
  EXPECT_EQ(operational, (std::vector<std::string>{"webhook.exhausted", "webhook.exhausted"}));
}

DISPATCHER_TEST(GoneEndsTheEndpointAndKeepsWhatItIsOwed, (options.schedule = {1ms, 1ms, 1ms})) {
  receiver.status = [](const auto&) { return 410; };
  co_await owe(1, 1);
  co_await owe(2, 1);
  {
    std::function<bool()> ready = [this] { return !recorded.empty(); };
    co_await until(std::move(ready));
  }
  for (int i = 0; i < 5; ++i) co_await yield_shard();
  EXPECT_EQ(reasons, std::vector<std::string>{"gone"});
  EXPECT_EQ(operational, std::vector<std::string>{"webhook.disabled"});
  EXPECT_EQ(gone, std::vector<EndpointId>{endpoint.id});
  const auto left = co_await owed();
  EXPECT_EQ(left.size(), 2u);
  // Enabled again: what was kept goes out.
  receiver.status = [](const auto&) { return 200; };
  const size_t before = receiver.seen.size();
  EXPECT_EQ(before, 1u);
  dispatcher->set_endpoint(org, endpoint);
  {
    std::function<bool()> ready = [this, before] { return receiver.seen.size() == before + 2; };
    co_await until(std::move(ready));
  }
  {
    std::function<bool()> ready = [this] { return dispatcher->waiting() == 0; };
    co_await until(std::move(ready));
  }
}

DISPATCHER_TEST(AChatKeepsItsOrderAndDoesNotBlockOthers, (options.schedule = {1ms, 1ms, 1ms})) {
  int failures = 2;
  receiver.status = [&failures](const wire::HttpRequest& request) {
    return request.headers.get("webhook-id") == "evt_1" && failures-- > 0 ? 500 : 200;
  };
  for (uint64_t seq = 1; seq <= 20; ++seq) co_await owe(seq, seq % 2 ? 1 : 2);
  {
    std::function<bool()> ready = [this] {
      return receiver.seen.size() == 22 && dispatcher->waiting() == 0;
    };
    co_await until(std::move(ready));
  }
  std::vector<std::string> odd, even;
  for (const auto& id : receiver.ids()) {
    (std::stoi(id.substr(4)) % 2 ? odd : even).push_back(id);
  }
  std::vector<std::string> expected_odd{"evt_1", "evt_1"}, expected_even;
  for (int seq = 1; seq <= 20; ++seq) {
    (seq % 2 ? expected_odd : expected_even).push_back("evt_" + std::to_string(seq));
  }
  EXPECT_EQ(odd, expected_odd);
  EXPECT_EQ(even, expected_even);
}

DISPATCHER_TEST(WhatDoesNotFitInMemoryIsReadAgain, (options.in_memory = 4)) {
  for (uint64_t seq = 1; seq <= 600; ++seq) co_await owe(seq, static_cast<uint8_t>(seq % 3));
  EXPECT_LE(dispatcher->waiting(), 4u);
  {
    std::function<bool()> ready = [this] {
      return recorded.size() >= 600 && dispatcher->waiting() == 0;
    };
    co_await until(std::move(ready));
  }
  const auto left = co_await owed();
  EXPECT_TRUE(left.empty());
  EXPECT_EQ(receiver.seen.size(), 600u) << "lost or sent twice";
  std::map<int, int> last;
  for (const auto& id : receiver.ids()) {
    const int seq = std::stoi(id.substr(4));
    EXPECT_GT(seq, last[seq % 3]);
    last[seq % 3] = seq;
  }
}

DISPATCHER_TEST(ABlockedChatDoesNotHoldTheOthersAfterAnOverflow,
                (options.in_memory = 4, options.per_lane = 2, options.schedule = {1h})) {
  receiver.status = [](const wire::HttpRequest& request) {
    return request.headers.get("webhook-id") == "evt_1" ? 500 : 200;
  };
  co_await owe(1, 1);
  for (uint64_t seq = 2; seq <= 40; ++seq) co_await owe(seq, 2);
  {
    std::function<bool()> ready = [this] { return receiver.seen.size() >= 40; };
    co_await until(std::move(ready));
  }
  {
    std::function<bool()> ready = [this] { return dispatcher->waiting() == 1; };
    co_await until(std::move(ready));
  }
  EXPECT_EQ(receiver.seen.size(), 40u) << "sent twice";
  const auto left = co_await owed();
  EXPECT_EQ(left.size(), 1u);
  // And what comes now is not held up either.
  co_await owe(41, 2);
  {
    std::function<bool()> ready = [this] { return receiver.seen.size() == 41; };
    co_await until(std::move(ready));
  }
}

class DispatcherRestart : public DispatcherTest {
 public:
  awaitable<void> before() {
    for (uint64_t seq = 1; seq <= 3; ++seq) co_await owe(seq, 1, false);
  }
  awaitable<void> after() {
    {
      std::function<bool()> ready = [this] { return recorded.size() == 3; };
      co_await until(std::move(ready));
    }
    EXPECT_EQ(receiver.ids(), (std::vector<std::string>{"evt_1", "evt_2", "evt_3"}));
  }
};
TEST_F(DispatcherRestart, StartsWithWhatTheStoreOwes) {
  run([this] { return before(); });
  make();
  run([this] { return after(); });
}

class DispatcherWrongClock : public DispatcherRestart {
 public:
  awaitable<void> owed_in_ten_years() {
    const UnixMillis far = system_clock().now_ms() + 10LL * 365 * 24 * 3600 * 1000;
    for (uint64_t seq = 1; seq <= 3; ++seq) co_await owe(seq, 1, false, far);
  }
};
TEST_F(DispatcherWrongClock, ATimeThatNoScheduleGivesIsNotWaitedFor) {
  run([this] { return owed_in_ten_years(); });
  make();
  run([this] { return after(); });
}

DISPATCHER_TEST(APrivateTargetIsNotDialled, (guard = Guard({}), options.schedule = {1h})) {
  co_await owe(1, 1);
  {
    std::function<bool()> ready = [this] { return !recorded.empty(); };
    co_await until(std::move(ready));
  }
  EXPECT_TRUE(receiver.seen.empty());
  const auto left = co_await owed();
  EXPECT_EQ(left.size(), 1u);
}

DISPATCHER_TEST(ARedirectIsAFailureAndNotFollowed,
                (receiver.extra.set("location", receiver.url() + "/elsewhere"),
                 options.schedule = {1h})) {
  receiver.status = [](const auto&) { return 307; };
  co_await owe(1, 1);
  {
    std::function<bool()> ready = [this] { return !recorded.empty(); };
    co_await until(std::move(ready));
  }
  EXPECT_EQ(receiver.seen.size(), 1u);
  EXPECT_EQ(receiver.seen[0].target, "/hook");
  EXPECT_TRUE(recorded[0].delivered.empty());
}

DISPATCHER_TEST(AReceiverThatNeverAnswersIsBounded,
                (options.timeout = 40ms, options.schedule = {1h})) {
  receiver.status = [](const auto&) { return kNoAnswer; };
  const auto begun = std::chrono::steady_clock::now();
  co_await owe(1, 1);
  {
    std::function<bool()> ready = [this] { return !recorded.empty(); };
    co_await until(std::move(ready));
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 40ms);
  EXPECT_TRUE(recorded[0].delivered.empty());
  EXPECT_EQ(decode_state(recorded[0].deliveries[0].state).attempts, 1u);
}

DISPATCHER_TEST(NoMoreThanTheWindowIsUnderWay,
                (options.window = 3, endpoint.ordering = Ordering::none)) {
  // The window grows with the first answers.
  for (uint64_t seq = 11; seq <= 14; ++seq) {
    co_await owe(seq, 1);
    std::function<bool()> ready = [this] { return dispatcher->waiting() == 0; };
    co_await until(std::move(ready));
  }
  receiver.seen.clear();
  receiver.status = [](const auto&) { return kNoAnswer; };
  for (uint64_t seq = 1; seq <= 10; ++seq) co_await owe(seq, 1);
  {
    std::function<bool()> ready = [this] { return receiver.seen.size() == 3; };
    co_await until(std::move(ready));
  }
  for (int i = 0; i < 20; ++i) co_await yield_shard();
  EXPECT_EQ(receiver.seen.size(), 3u);
  receiver.release();
  {
    std::function<bool()> ready = [this] { return dispatcher->waiting() == 0; };
    co_await until(std::move(ready));
  }
  EXPECT_EQ(receiver.seen.size(), 10u);
}

DISPATCHER_TEST(ARemovedEndpointLeavesNothingBehind, (options.schedule = {1ms, 1ms})) {
  receiver.status = [](const auto&) { return kNoAnswer; };
  co_await owe(1, 1);
  {
    std::function<bool()> ready = [this] { return receiver.seen.size() == 1; };
    co_await until(std::move(ready));
  }
  dispatcher->remove_endpoint(endpoint.id);
  receiver.release();
  co_await dispatcher->close(test::soon());
  EXPECT_TRUE(recorded.empty()) << "a row of a removed endpoint was written";
}

}  // namespace
}  // namespace wab::webhook
