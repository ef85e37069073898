// What the tests of the dispatcher stand on: a real HTTP receiver on the loopback, a store in
// memory.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <set>

#include "session/wire/tcp_stream.h"
#include "tests/support/fake_store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/run.h"
#include "webhook/dispatcher.h"
#include "webhook/guard.h"
#include "webhook/health.h"
#include "webhook/log_reader.h"
#include "webhook/signature.h"

namespace wab::webhook {

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
    DispatcherHooks hooks;
    hooks.disable = [this](storage::OrgScope, EndpointId id, std::string reason) {
      gone.push_back(id);
      reasons.push_back(std::move(reason));
    };
    hooks.owe = [](Commit&) {};
    hooks.committed = [this](const Commit& commit) {
      for (const auto& event : commit.events) operational.push_back(event.type);
    };
    dispatcher = std::make_unique<Dispatcher>(options, store, dialer, std::move(judge), *clock,
                                              random, loop.get_executor(), std::move(hooks));
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
  awaitable<void> owe(uint64_t seq, uint8_t lane, bool offer = true, UnixMillis due = 0) {
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
    DeliveryState state;
    state.due = due;
    state.format = endpoint.format;
    row.state = encode(state);
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

  awaitable<std::vector<Attempt>> logged() {
    std::function<bool(const Attempt&)> all;
    auto page = co_await read_attempts(&store, org, endpoint.id, 0, 1000, std::move(all));
    std::vector<Attempt> out;
    for (auto& [number, row] : page->rows) out.insert(out.begin(), std::move(row));
    co_return out;
  }
  awaitable<std::vector<DeadLetter>> dead() {
    auto page = co_await read_dead_letters(&store, org, endpoint.id, 0, 1000);
    std::vector<DeadLetter> out;
    for (auto& [number, row] : page->rows) out.insert(out.begin(), std::move(row));
    co_return out;
  }

  // Runs a replay to its end, when the receiver has seen `wanted` requests in all.
  awaitable<void> send_again(ReplayWish wish, size_t wanted) {
    ReplayJob job;
    job.id = ReplayId::random(random);
    job.endpoint = endpoint.id;
    job.wish = std::move(wish);
    const auto end = co_await dead_letters_end(&store, org, endpoint.id);
    job.end = *end;
    job.created_at = clock->now_ms() + 60'000;
    EXPECT_TRUE(dispatcher->replay(job));
    std::function<bool()> ready = [this, wanted] {
      return receiver.seen.size() == wanted && dispatcher->waiting() == 0 &&
             !dispatcher->replaying(endpoint.id);
    };
    co_await until(std::move(ready));
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
  std::vector<std::string> reasons, operational;
  Clock* clock = &system_clock();
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

class DispatcherClock : public DispatcherTest {
 public:
  test::ManualClock manual;
  // Moves the clock and lets everything that follows from it happen.
  awaitable<void> advance(std::chrono::milliseconds by) {
    manual.advance(by);
    dispatcher->look();
    for (int i = 0; i < 20; ++i) co_await yield_shard();
  }
  // Attempts at the receiver after `ms`, in steps of a second.
  awaitable<void> settle() {
    std::function<bool()> ready = [this] { return dispatcher->in_flight() == 0; };
    co_await until(std::move(ready));
  }
};

#define DISPATCHER_CLOCK_TEST(name, setup)                                             \
  class name : public DispatcherClock {                                                \
   public:                                                                             \
    awaitable<void> body();                                                            \
    void TestBody() override {                                                         \
      clock = &manual;                                                                 \
      setup;                                                                           \
      make();                                                                          \
      run([this] { return body(); });                                                  \
    }                                                                                  \
  };                                                                                   \
  const auto* const name##_registered =                                                \
      testing::RegisterTest("Dispatcher", #name, nullptr, nullptr, __FILE__, __LINE__, \
                            []() -> DispatcherTest* { return new name; });             \
  awaitable<void> name::body()

}  // namespace wab::webhook
