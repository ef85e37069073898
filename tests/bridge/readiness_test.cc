#include "bridge/readiness.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "tests/support/fake_store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/run.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;

// Forgets, or refuses, on demand.
class Moody final : public test::FakeStore {
 public:
  awaitable<Result<storage::Committed>> commit(storage::Commit commit) override {
    ++commits;
    if (refuses) co_return fail(storage::StoreError::io, "test");
    if (forgets) commit.put.clear();
    co_return co_await FakeStore::commit(std::move(commit));
  }
  awaitable<Result<std::vector<std::optional<Bytes>>>> load(
      storage::Scope scope, std::vector<storage::Key> keys) override {
    if (unsealed) co_return fail(storage::StoreError::unsealed, "test");
    co_return co_await FakeStore::load(scope, std::move(keys));
  }
  int commits = 0;
  bool refuses = false, forgets = false, unsealed = false;
};

class ReadinessTest : public testing::Test {
 public:
  std::string look() {
    std::string out;
    std::function<awaitable<void>()> work = [&] { return keep(&out); };
    test::run_on(loop, std::move(work));
    return out;
  }
  awaitable<void> keep(std::string* into) { *into = co_await readiness.look(); }

  boost::asio::io_context loop;
  Moody store;
  storage::ScopeIssuer issuer = test::any_issuer();
  test::ManualClock clock;
  test::SeededRandom random;
  std::string service;
  Readiness readiness{store, issuer.deployment(), clock, random, [this] { return service; }};
};

TEST_F(ReadinessTest, IsReadyWhenTheStoreTakesARecordAndGivesItBack) {
  EXPECT_EQ(look(), "");
  EXPECT_EQ(store.commits, 1);
}

TEST_F(ReadinessTest, TheServiceIsAskedFirstAndTheStoreNotAtAllThen) {
  service = "opening sessions";
  EXPECT_EQ(look(), "opening sessions");
  EXPECT_EQ(store.commits, 0);
}

TEST_F(ReadinessTest, TheStoreIsAskedAgainOnlyAfterAWhile) {
  EXPECT_EQ(look(), "");
  store.refuses = true;
  EXPECT_EQ(look(), "") << "remembered";
  clock.advance(Readiness::kRemembered);
  EXPECT_NE(look().find("does not take a record"), std::string::npos);
  EXPECT_EQ(store.commits, 2);
}

TEST_F(ReadinessTest, ARecordThatDoesNotOpenIsTold) {
  store.unsealed = true;
  EXPECT_NE(look().find("does not open"), std::string::npos);
}

TEST_F(ReadinessTest, AStoreThatForgetsIsNotReady) {
  store.forgets = true;
  EXPECT_NE(look().find("does not give back"), std::string::npos);
}

}  // namespace
}  // namespace wab::bridge
