#include "tests/storage/store_fixture.h"

namespace wab::storage {
namespace {

using tests::event;

class RocksSurveyTest : public tests::StoreTest {
 public:
  RocksSurvey survey() {
    auto found = caller(store->survey());
    EXPECT_TRUE(found);
    return found ? *found : RocksSurvey{};
  }
  // Events with a trace, each owed to `endpoint`.
  void owe(const Scope& to, const EndpointId& endpoint, uint64_t first, uint64_t last) {
    Commit commit(to);
    for (uint64_t seq = first; seq <= last; ++seq) {
      auto one = event(to.session(), seq, "{}");
      one.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
      one.received = 5;
      commit.events.push_back(std::move(one));
      commit.deliveries.push_back(
          DeliveryRow{endpoint, to.session(), seq, be64(seq), to_bytes("due")});
    }
    ASSERT_TRUE(caller(store->commit(std::move(commit))));
  }
  void take(const Scope& from, const EndpointId& endpoint, uint64_t seq) {
    Commit commit{Scope(from.org_scope())};
    commit.delivered.push_back(DeliveryKey{endpoint, from.session(), seq});
    ASSERT_TRUE(caller(store->commit(std::move(commit))));
  }

  EndpointId endpoint = EndpointId::random(system_random());
  EndpointId other = EndpointId::random(system_random());
};

TEST_F(RocksSurveyTest, AnEmptyStoreOwesNothingAndHasFiles) {
  open();
  const auto found = survey();
  EXPECT_EQ(found.owed, 0u);
  EXPECT_EQ(found.oldest_owed, 0);
  EXPECT_GT(found.file_bytes, 1000u);
  EXPECT_GT(found.free_bytes, 0u);
}

TEST_F(RocksSurveyTest, CountsWhatIsOwedOverAllOrganizationsAndFindsTheOldest) {
  open();
  const Scope foreign(issuer.organization(other_org), other_session);
  owe(scope, endpoint, 10, 14);
  owe(foreign, other, 3, 4);
  EXPECT_EQ(survey().owed, 7u);
  EXPECT_EQ(survey().oldest_owed, 1'700'000'000'003);
  take(foreign, other, 3);
  EXPECT_EQ(survey().oldest_owed, 1'700'000'000'004);
  take(foreign, other, 4);
  EXPECT_EQ(survey().owed, 5u);
  EXPECT_EQ(survey().oldest_owed, 1'700'000'000'010);
  reopen();
  EXPECT_EQ(survey().owed, 5u) << "counted on the disk, not in memory";
  for (uint64_t seq = 10; seq <= 14; ++seq) take(scope, endpoint, seq);
  EXPECT_EQ(survey().owed, 0u);
  EXPECT_EQ(survey().oldest_owed, 0);
  EXPECT_TRUE(quarantined.empty());
}

TEST_F(RocksSurveyTest, TheTraceOfAnEventIsKeptWithItAndItsArrivalIsNot) {
  open();
  owe(scope, endpoint, 1, 1);
  reopen();
  auto back = caller(store->event(scope, 1));
  ASSERT_TRUE(back && *back);
  EXPECT_EQ((*back)->trace, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_EQ((*back)->type, "message");
  EXPECT_EQ((*back)->received, 0);
}

}  // namespace
}  // namespace wab::storage
