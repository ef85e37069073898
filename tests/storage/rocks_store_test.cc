#include "storage/rocks_store.h"

#include <thread>

#include "tests/storage/store_fixture.h"

namespace wab::storage::tests {
namespace {

class Rocks : public StoreTest {};

TEST_F(Rocks, RowsComeBackAndSurviveReopening) {
  open();
  Commit commit(scope);
  commit.put = {row(Kind::identity, "", "keys"), row(Kind::signal_session, "a.0", "ratchet"),
                row(Kind::prekey, "7", "")};
  commit.put_org = {row(Kind::endpoint, "whk", "https://receiver.example")};
  const auto done = caller(store->commit(std::move(commit)));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->first_position, 0u);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(value(scope, Kind::identity, ""), "keys");
    EXPECT_EQ(value(scope, Kind::signal_session, "a.0"), "ratchet");
    EXPECT_EQ(value(scope, Kind::prekey, "7"), "");
    EXPECT_EQ(value(scope, Kind::prekey, "8"), std::nullopt);
    EXPECT_EQ(value(scope.org_scope(), Kind::endpoint, "whk"), "https://receiver.example");
    EXPECT_EQ(value(scope, Kind::endpoint, "whk"), std::nullopt);
    reopen();
  }
  EXPECT_EQ(log.errors(), 0u) << log.all();
}

TEST_F(Rocks, LoadAnswersInTheOrderOfTheKeys) {
  open();
  Commit commit(scope);
  commit.put = {row(Kind::prekey, "1", "one"), row(Kind::prekey, "3", "three")};
  ASSERT_TRUE(caller(store->commit(std::move(commit))));
  const auto loaded = caller(
      store->load(scope, {Key{Kind::prekey, "3"}, Key{Kind::prekey, "2"}, Key{Kind::prekey, "1"}}));
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*(*loaded)[0], to_bytes("three"));
  EXPECT_EQ((*loaded)[1], std::nullopt);
  EXPECT_EQ(*(*loaded)[2], to_bytes("one"));
}

TEST_F(Rocks, LaterValueWinsAndEraseRemoves) {
  open();
  ASSERT_TRUE(put(scope, Kind::head, "", "1"));
  ASSERT_TRUE(put(scope, Kind::head, "", "2"));
  EXPECT_EQ(value(scope, Kind::head, ""), "2");
  Commit commit(scope);
  commit.erase = {Key{Kind::head, ""}};
  ASSERT_TRUE(caller(store->commit(std::move(commit))));
  EXPECT_EQ(value(scope, Kind::head, ""), std::nullopt);
}

TEST_F(Rocks, AnotherScopeSeesNothing) {
  open();
  ASSERT_TRUE(put(scope, Kind::identity, "", "secret"));
  EXPECT_EQ(value(Scope(issuer.organization(org), other_session), Kind::identity, ""),
            std::nullopt);
  EXPECT_EQ(value(Scope(issuer.organization(other_org), session), Kind::identity, ""),
            std::nullopt);
  EXPECT_EQ(value(issuer.deployment(), Kind::identity, ""), std::nullopt);
}

TEST_F(Rocks, DeploymentRowsLiveBesideOrganizations) {
  open();
  ASSERT_TRUE(put(issuer.deployment(), Kind::user, "ana@example.org", "hash"));
  reopen();
  EXPECT_EQ(value(issuer.deployment(), Kind::user, "ana@example.org"), "hash");
  EXPECT_EQ(value(issuer.organization(org), Kind::user, "ana@example.org"), std::nullopt);
}

TEST_F(Rocks, ScanPagesThroughOneKindOnly) {
  open();
  Commit commit(scope);
  for (int i = 0; i < 25; ++i) {
    commit.put.push_back(row(Kind::prekey, std::to_string(i), "v" + std::to_string(i)));
  }
  commit.put.push_back(row(Kind::signal_session, "x", "y"));
  ASSERT_TRUE(caller(store->commit(std::move(commit))));
  ASSERT_TRUE(put(Scope(issuer.organization(org), other_session), Kind::prekey, "99", "theirs"));
  std::set<std::string> names;
  std::string after;
  std::vector<size_t> pages;
  do {
    const auto page = caller(store->scan(scope, Kind::prekey, after, 10));
    ASSERT_TRUE(page);
    pages.push_back(page->rows.size());
    for (const Row& found : page->rows) {
      EXPECT_EQ("v" + found.key.name, to_string(found.value));
      EXPECT_TRUE(names.insert(found.key.name).second);
    }
    after = page->next;
  } while (!after.empty());
  EXPECT_EQ(names.size(), 25u);
  EXPECT_EQ(pages, (std::vector<size_t>{10, 10, 5}));
  const auto nothing = caller(store->scan(scope, Kind::group, "", 10));
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(nothing->rows.empty());
  EXPECT_FALSE(caller(store->scan(scope, Kind::prekey, "no cursor", 10)));
}

TEST_F(Rocks, ScanThatEndsWithThePageHasNoCursor) {
  open();
  Commit commit(scope);
  for (int i = 0; i < 10; ++i) commit.put.push_back(row(Kind::prekey, std::to_string(i), ""));
  ASSERT_TRUE(caller(store->commit(std::move(commit))));
  const auto page = caller(store->scan(scope, Kind::prekey, "", 10));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->rows.size(), 10u);
  EXPECT_EQ(page->next, "");
}

TEST_F(Rocks, MarksHoldUntilTheyExpire) {
  open();
  Commit commit(scope);
  commit.marks = {Mark{"chat/1", 1000}, Mark{"chat/2", 2000}};
  ASSERT_TRUE(caller(store->commit(std::move(commit))));
  reopen();
  const auto marked = caller(store->marked(scope, {"chat/1", "chat/2", "chat/3"}, 1000));
  ASSERT_TRUE(marked);
  EXPECT_EQ(*marked, (std::vector<bool>{false, true, false}));
  const auto elsewhere = caller(
      store->marked(Scope(issuer.organization(org), other_session), {"chat/1", "chat/2"}, 0));
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(*elsewhere, (std::vector<bool>{false, false}));
}

TEST_F(Rocks, EventsOfAnOrganizationAreNumberedWithoutGaps) {
  open();
  const Scope second(issuer.organization(org), other_session);
  Commit first_commit(scope);
  first_commit.events = {event(session, 1, "a1"), event(session, 2, "a2")};
  Commit second_commit(second);
  second_commit.events = {event(other_session, 1, "b1")};
  auto done = caller(store->commit(std::move(first_commit)));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->first_position, 1u);
  done = caller(store->commit(std::move(second_commit)));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->first_position, 3u);
  reopen();
  Commit third_commit(scope);
  third_commit.events = {event(session, 3, "a3")};
  done = caller(store->commit(std::move(third_commit)));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->first_position, 4u);

  const auto log_of_org = caller(store->events_after(scope.org_scope(), 1, 10));
  ASSERT_TRUE(log_of_org);
  ASSERT_EQ(log_of_org->size(), 3u);
  EXPECT_EQ((*log_of_org)[0].body, to_bytes("a2"));
  EXPECT_EQ((*log_of_org)[0].id, "evt_2");
  EXPECT_EQ((*log_of_org)[0].type, "message");
  EXPECT_EQ((*log_of_org)[0].lane, be64(2));
  EXPECT_EQ((*log_of_org)[0].at, 1'700'000'000'002);
  EXPECT_EQ((*log_of_org)[1].body, to_bytes("b1"));
  EXPECT_EQ((*log_of_org)[1].session, other_session);
  EXPECT_EQ((*log_of_org)[1].position, 3u);
  EXPECT_EQ((*log_of_org)[2].seq, 3u);
  const auto page = caller(store->events_after(scope.org_scope(), 0, 2));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->size(), 2u);
  const auto foreign = caller(store->events_after(issuer.organization(other_org), 0, 10));
  ASSERT_TRUE(foreign);
  EXPECT_TRUE(foreign->empty());
}

TEST_F(Rocks, OneEventBySequence) {
  open();
  Commit commit(scope);
  commit.events = {event(session, 17, "body")};
  ASSERT_TRUE(caller(store->commit(std::move(commit))));
  auto found = caller(store->event(scope, 17));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->body, to_bytes("body"));
  EXPECT_EQ((*found)->position, 1u);
  found = caller(store->event(scope, 18));
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
}

TEST_F(Rocks, DeliveriesAreOwedUntilDelivered) {
  open();
  const EndpointId endpoint = EndpointId::random(system_random());
  const EndpointId quiet = EndpointId::random(system_random());
  Commit commit(scope);
  for (uint64_t seq = 1; seq <= 5; ++seq) {
    commit.deliveries.push_back(DeliveryRow{endpoint, session, seq, be64(seq), to_bytes("due")});
  }
  ASSERT_TRUE(caller(store->commit(std::move(commit))));
  Commit outcome(scope.org_scope());
  outcome.delivered = {DeliveryKey{endpoint, session, 2}};
  outcome.deliveries = {DeliveryRow{endpoint, session, 3, be64(3), to_bytes("retry")}};
  ASSERT_TRUE(caller(store->commit(std::move(outcome))));
  reopen();
  const auto all = caller(store->deliveries(scope.org_scope(), endpoint, std::nullopt, 10));
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 4u);
  EXPECT_EQ((*all)[0].seq, 1u);
  EXPECT_EQ((*all)[1].seq, 3u);
  EXPECT_EQ((*all)[1].state, to_bytes("retry"));
  EXPECT_EQ((*all)[1].lane, be64(3));
  const auto later =
      caller(store->deliveries(scope.org_scope(), endpoint, DeliveryKey{endpoint, session, 3}, 1));
  ASSERT_TRUE(later);
  ASSERT_EQ(later->size(), 1u);
  EXPECT_EQ((*later)[0].seq, 4u);
  const auto owed = caller(store->owed(scope.org_scope()));
  ASSERT_TRUE(owed);
  EXPECT_EQ(*owed, (std::map<EndpointId, uint64_t>{{endpoint, all->size()}}));
  const auto none = caller(store->deliveries(scope.org_scope(), quiet, std::nullopt, 10));
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST_F(Rocks, CommitsOfOneScopeLandInTheOrderTheyWereIssued) {
  open();
  // The first ones find the organization's keys neither in memory nor on disk.
  constexpr uint64_t kCommits = 300;
  uint64_t done = 0;
  std::vector<uint64_t> first_positions;
  for (uint64_t i = 1; i <= kCommits; ++i) {
    Commit commit(scope);
    commit.put = {row(Kind::head, "", std::to_string(i))};
    commit.events = {event(session, i, "e" + std::to_string(i))};
    caller.start(store->commit(std::move(commit)), [&](Result<Committed> result) {
      ASSERT_TRUE(result);
      first_positions.push_back(result->first_position);
      ++done;
    });
  }
  ASSERT_TRUE(caller.run_until([&] { return done == kCommits; }));
  for (uint64_t i = 0; i < kCommits; ++i) EXPECT_EQ(first_positions[i], i + 1);
  EXPECT_EQ(value(scope, Kind::head, ""), std::to_string(kCommits));
  const auto events = caller(store->events_after(scope.org_scope(), 0, 1000));
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), kCommits);
  for (uint64_t i = 0; i < kCommits; ++i) EXPECT_EQ((*events)[i].seq, i + 1);
  EXPECT_LT(store->stats().groups, kCommits) << "commits were not merged";
  EXPECT_LE(store->stats().largest_group, 64u);
}

TEST_F(Rocks, ManyThreadsCommitToManySessions) {
  open();
  constexpr int kThreads = 4, kCommits = 60;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Caller own;
      const OrgScope org_scope = issuer.organization(t % 2 == 0 ? org : other_org);
      const SessionId mine(*to_array<16>(Bytes(16, static_cast<uint8_t>(t + 1))));
      const Scope my_scope(org_scope, mine);
      for (int i = 1; i <= kCommits; ++i) {
        Commit commit(my_scope);
        commit.put = {row(Kind::head, "", std::to_string(i))};
        commit.events = {event(mine, static_cast<uint64_t>(i), "x")};
        if (!own(store->commit(std::move(commit)))) ++wrong;
        const auto read = own(store->load(my_scope, {Key{Kind::head, ""}}));
        if (!read || !(*read)[0] || *(*read)[0] != to_bytes(std::to_string(i))) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  for (const OrgId& each : {org, other_org}) {
    const auto events = caller(store->events_after(issuer.organization(each), 0, 1000));
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), static_cast<size_t>(kThreads / 2 * kCommits));
    std::map<SessionId, uint64_t> last;
    for (size_t i = 0; i < events->size(); ++i) {
      EXPECT_EQ((*events)[i].position, i + 1);
      EXPECT_EQ((*events)[i].seq, ++last[(*events)[i].session]);
    }
  }
}

TEST_F(Rocks, EvictedKeysAreFoundAgain) {
  RocksOptions small = options();
  small.cached_organizations = 2;
  open(std::move(small));
  std::vector<OrgId> orgs;
  for (int i = 0; i < 8; ++i) orgs.push_back(OrgId::random(system_random()));
  for (int round = 0; round < 2; ++round) {
    for (const OrgId& each : orgs) {
      ASSERT_TRUE(put(Scope(issuer.organization(each), session), Kind::head, "", each.text()));
    }
  }
  for (const OrgId& each : orgs) {
    EXPECT_EQ(value(Scope(issuer.organization(each), session), Kind::head, ""), each.text());
  }
}

TEST_F(Rocks, EraseAllOfASessionLeavesTheOthers) {
  open();
  const EndpointId endpoint = EndpointId::random(system_random());
  for (const SessionId& each : {session, other_session}) {
    Commit commit(Scope(issuer.organization(org), each));
    commit.put = {row(Kind::identity, "", "id")};
    commit.marks = {Mark{"m", 100}};
    commit.events = {event(each, 1, "e")};
    commit.deliveries = {DeliveryRow{endpoint, each, 1, {}, to_bytes("due")}};
    ASSERT_TRUE(caller(store->commit(std::move(commit))));
  }
  ASSERT_TRUE(caller(store->erase_all(scope)));
  reopen();
  EXPECT_EQ(value(scope, Kind::identity, ""), std::nullopt);
  EXPECT_EQ((*caller(store->marked(scope, {"m"}, 0)))[0], false);
  EXPECT_FALSE(*caller(store->event(scope, 1)));
  const auto owed = caller(store->deliveries(scope.org_scope(), endpoint, std::nullopt, 10));
  ASSERT_TRUE(owed);
  ASSERT_EQ(owed->size(), 1u);
  EXPECT_EQ((*owed)[0].session, other_session);
  const auto events = caller(store->events_after(scope.org_scope(), 0, 10));
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ((*events)[0].position, 2u);
  EXPECT_EQ(value(Scope(issuer.organization(org), other_session), Kind::identity, ""), "id");
}

TEST_F(Rocks, PositionsAreNotGivenTwiceAfterAnErase) {
  open();
  Commit commit(scope);
  commit.events = {event(session, 1, "e"), event(session, 2, "e")};
  ASSERT_TRUE(caller(store->commit(std::move(commit))));
  ASSERT_TRUE(caller(store->erase_all(scope)));
  reopen();
  Commit next(Scope(issuer.organization(org), other_session));
  next.events = {event(other_session, 1, "e")};
  const auto done = caller(store->commit(std::move(next)));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->first_position, 3u);
}

TEST_F(Rocks, EraseAllOfAnOrganizationTakesItsKeysFirst) {
  open();
  ASSERT_TRUE(put(scope, Kind::identity, "", "id"));
  ASSERT_TRUE(put(Scope(issuer.organization(other_org), session), Kind::identity, "", "stays"));
  const std::string half = data() + "/keystore/" + org.text();
  ASSERT_TRUE(file_exists(half));
  ASSERT_TRUE(caller(store->erase_all(scope.org_scope())));
  EXPECT_FALSE(file_exists(half));
  const auto late = put(scope, Kind::identity, "", "late");
  ASSERT_FALSE(late);
  EXPECT_TRUE(late.error().is(StoreError::fenced));
  ASSERT_TRUE(caller(store->erase_all(scope.org_scope()))) << "may be repeated";
  reopen();
  EXPECT_EQ(value(scope, Kind::identity, ""), std::nullopt);
  EXPECT_EQ(value(Scope(issuer.organization(other_org), session), Kind::identity, ""), "stays");
  EXPECT_FALSE(caller(store->erase_all(issuer.deployment())));
}

TEST_F(Rocks, WithoutItsHalfKeyNothingOfAnOrganizationOpens) {
  open();
  ASSERT_TRUE(put(scope, Kind::identity, "", "id"));
  store.reset();
  ASSERT_TRUE(destroy_file(data() + "/keystore/" + org.text()));
  open();
  const auto read = caller(store->load(scope, {Key{Kind::identity, ""}}));
  ASSERT_FALSE(read);
  EXPECT_TRUE(read.error().is(StoreError::unsealed));
  const auto written = put(scope, Kind::identity, "", "new");
  ASSERT_FALSE(written) << "a new key must not be made beside the old one";
  EXPECT_TRUE(written.error().is(StoreError::quarantined));
}

TEST_F(Rocks, KeyedHashIsStableAndApart) {
  open();
  const OrgScope mine = issuer.organization(org), theirs = issuer.organization(other_org);
  const auto hash = store->keyed_hash(mine, "event", view("x"));
  EXPECT_NE(hash, store->keyed_hash(mine, "lane", view("x")));
  EXPECT_NE(hash, store->keyed_hash(mine, "event", view("y")));
  EXPECT_NE(hash, store->keyed_hash(theirs, "event", view("x")));
  reopen();
  EXPECT_EQ(hash, store->keyed_hash(mine, "event", view("x")));
}

}  // namespace
}  // namespace wab::storage::tests
