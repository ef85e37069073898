// The dispatcher against a real HTTP server on the loopback, and a store in memory.
#include "webhook/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "session/wire/tcp_stream.h"
#include "tests/support/fake_store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/run.h"
#include "webhook/guard.h"
#include "webhook/signature.h"

namespace wab::webhook {
namespace {

using namespace std::chrono_literals;
using storage::Commit;

constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr int kNoAnswer = 0;

// Answers every request by `status`, which is asked with the request; keeps what it saw.
class Receiver {
 public:
  Receiver(boost::asio::io_context& loop, Event& happened)
      : loop_(loop), happened_(happened), acceptor_(*wire::Acceptor::listen(loop, local())) {}

  void start() { spawn(loop_.get_executor(), accept(), "test.accept"); }
  void stop() {
    acceptor_->close();
    released_.set();
  }
  void release() { released_.set(); }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_->port()) + "/hook";
  }
  std::vector<std::string> ids() const {
    std::vector<std::string> out;
    for (const auto& request : seen) out.emplace_back(request.headers.get("webhook-id"));
    return out;
  }

  std::vector<wire::HttpRequest> seen;
  std::function<int(const wire::HttpRequest&)> status = [](const auto&) { return 200; };
  wire::HttpFields extra;

 private:
  static wire::Endpoint local() { return {boost::asio::ip::make_address("127.0.0.1"), 0}; }
  awaitable<void> accept() {
    for (;;) {
      auto stream = co_await acceptor_->accept();
      if (!stream) co_return;
      std::unique_ptr<wire::ByteStream> one = std::move(*stream);
      spawn(loop_.get_executor(), serve(std::move(one)), "test.serve");
    }
  }
  awaitable<void> serve(std::unique_ptr<wire::ByteStream> stream) {
    wire::HttpServerConnection connection(std::move(stream));
    do {
      auto request = co_await connection.read_request(test::soon(), test::soon());
      if (!request || !*request) co_return;
      seen.push_back(std::move(**request));
      const int code = status(seen.back());
      happened_.notify_all();
      if (code == kNoAnswer) co_await released_.wait();
      wire::HttpResponse response;
      response.status = code == kNoAnswer ? 200 : code;
      response.headers = extra;
      auto written = co_await connection.write_response(std::move(response), test::soon());
      if (!written) co_return;
    } while (connection.keep_alive());
  }

  boost::asio::io_context& loop_;
  Event& happened_;
  std::unique_ptr<wire::Acceptor> acceptor_;
  Signal released_;
};

class DispatcherTest : public testing::Test {
 public:
  DispatcherTest() {
    endpoint.id = EndpointId::random(random);
    endpoint.url = receiver.url();
    endpoint.secrets = {kSecret};
    options.schedule = {};
    store.on_commit = [this](const Commit& commit) {
      recorded.push_back(commit);
      happened.notify_all();
    };
    receiver.start();
  }

  void make() {
    wire::AddressJudge judge = [this](const auto& address) { return guard.allows(address); };
    dispatcher = std::make_unique<Dispatcher>(
        options, store, dialer, std::move(judge), system_clock(), random, loop.get_executor(),
        [this](storage::OrgScope, EndpointId id) { gone.push_back(id); });
    dispatcher->set_endpoint(org, endpoint);
  }
  void run(std::function<awaitable<void>()> body) {
    test::run_on(loop, std::move(body));
    if (!dispatcher) return;
    std::function<awaitable<void>()> close = [this] {
      receiver.stop();
      return dispatcher->close(test::soon());
    };
    test::run_on(loop, std::move(close));
  }

  // An event in chat `lane`, committed as the session's commit does it; offered unless told.
  awaitable<void> owe(uint64_t seq, uint8_t lane, bool offer = true) {
    storage::EventRow event;
    event.session = session;
    event.seq = seq;
    event.id = "evt_" + std::to_string(seq);
    event.type = "message";
    event.lane[0] = lane;
    event.at = system_clock().now_ms();
    event.body = to_bytes(view("{\"seq\":" + std::to_string(seq) + "}"));
    storage::DeliveryRow row;
    row.endpoint = endpoint.id;
    row.session = session;
    row.seq = seq;
    row.lane = event.lane;
    row.state = encode(DeliveryState{});
    Commit commit{storage::Scope(org, session)};
    commit.events.push_back(event);
    commit.deliveries.push_back(row);
    (void)co_await store.commit(std::move(commit));
    recorded.clear();
    if (offer) dispatcher->offer(endpoint.id, row, event);
  }
  awaitable<void> until(std::function<bool()> condition) {
    const auto deadline = test::soon();
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      co_await happened.wait_until(deadline);
    }
    EXPECT_TRUE(condition());
  }
  awaitable<std::vector<storage::DeliveryRow>> owed() {
    auto rows = co_await store.deliveries(org, endpoint.id, std::nullopt, 1000);
    co_return *rows;
  }

  boost::asio::io_context loop{1};
  Event happened;
  BlockingPool pool{"lookup", 1, 16};
  wire::Dialer dialer{pool, *wire::TlsContext::client()};
  test::SeededRandom random;
  storage::ScopeIssuer issuer = wab::test::any_issuer();
  storage::OrgScope org = issuer.organization(OrgId::random(random));
  SessionId session = SessionId::random(random);
  test::FakeStore store;
  std::vector<Commit> recorded;
  Receiver receiver{loop, happened};
  Guard guard{{*Network::parse("127.0.0.0/8")}};
  Endpoint endpoint;
  DispatcherOptions options;
  std::vector<EndpointId> gone;
  std::unique_ptr<Dispatcher> dispatcher;
};

// A test whose body is a coroutine on the loop; `options`, `guard` and `endpoint` are set in
// `setup`.
#define DISPATCHER_TEST(name, setup)                                                   \
  class name : public DispatcherTest {                                                 \
   public:                                                                             \
    awaitable<void> body();                                                            \
    void TestBody() override {                                                         \
      setup;                                                                           \
      make();                                                                          \
      run([this] { return body(); });                                                  \
    }                                                                                  \
  };                                                                                   \
  const auto* const name##_registered =                                                \
      testing::RegisterTest("Dispatcher", #name, nullptr, nullptr, __FILE__, __LINE__, \
                            []() -> DispatcherTest* { return new name; });             \
  awaitable<void> name::body()

DISPATCHER_TEST(SuccessErasesTheDeliveryInOneCommit,
                (endpoint.headers = {{"x-tenant", "seven"}, {"webhook-id", "forged"}})) {
  co_await owe(1, 1);
  {
    std::function<bool()> ready = [this] { return !recorded.empty(); };
    co_await until(std::move(ready));
  }
  EXPECT_EQ(recorded.size(), 1u);
  EXPECT_EQ(recorded[0].delivered.size(), 1u);
  EXPECT_TRUE(recorded[0].deliveries.empty() && recorded[0].put.empty());
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
  EXPECT_EQ(left.size(), 2u);
  for (const auto& row : left) EXPECT_TRUE(decode_state(row.state).exhausted);
}

DISPATCHER_TEST(GoneEndsTheEndpointAndKeepsWhatItIsOwed, (options.schedule = {1ms, 1ms, 1ms})) {
  receiver.status = [](const auto&) { return 410; };
  co_await owe(1, 1);
  co_await owe(2, 1);
  {
    std::function<bool()> ready = [this] { return !recorded.empty(); };
    co_await until(std::move(ready));
  }
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
                (options.in_memory = 4, options.schedule = {1h})) {
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

DISPATCHER_TEST(APrivateTargetIsNotDialled, (guard = Guard({}))) {
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
                (receiver.extra.set("location", receiver.url() + "/elsewhere"))) {
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

DISPATCHER_TEST(AReceiverThatNeverAnswersIsBounded, (options.timeout = 40ms)) {
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

DISPATCHER_TEST(NoMoreThanTheWindowIsUnderWay, (options.window = 3, endpoint.ordered = false)) {
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
    std::function<bool()> ready = [this] { return recorded.size() == 10; };
    co_await until(std::move(ready));
  }
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
