#include "webhook/lanes.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"

namespace wab::webhook {
namespace {

Item item(uint64_t seq, uint8_t lane, UnixMillis due = 0, uint8_t session = 1) {
  Item out;
  out.session = SessionId(ByteArray<16>{session});
  out.seq = seq;
  out.lane[0] = lane;
  out.state.due = due;
  return out;
}

std::vector<uint64_t> take_all(Lanes& lanes, UnixMillis now) {
  std::vector<uint64_t> out;
  while (auto one = lanes.next(now)) {
    out.push_back(one->seq);
    lanes.done(*one);
  }
  return out;
}

TEST(Lanes, OneChatGoesInOrder) {
  Lanes lanes(Ordering::chat, 100, 64);
  for (uint64_t seq = 1; seq <= 5; ++seq) ASSERT_EQ(lanes.push(item(seq, 1)), Lanes::Push::taken);
  const auto first = lanes.next(0);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->seq, 1u);
  EXPECT_FALSE(lanes.next(0)) << "the second message of a chat overtook the first";
  lanes.done(*first);
  EXPECT_EQ(take_all(lanes, 0), (std::vector<uint64_t>{2, 3, 4, 5}));
  EXPECT_TRUE(lanes.empty());
}

TEST(Lanes, AFailingHeadBlocksItsOwnLaneOnly) {
  Lanes lanes(Ordering::chat, 100, 64);
  for (uint64_t seq = 1; seq <= 4; ++seq) lanes.push(item(seq, seq % 2 ? 1 : 2));
  const auto head = lanes.next(0);
  ASSERT_EQ(head->seq, 1u);
  lanes.later(*head, DeliveryState{1, 1000, false});
  EXPECT_EQ(take_all(lanes, 999), (std::vector<uint64_t>{2, 4}));
  EXPECT_EQ(lanes.next_due(), 1000);
  EXPECT_EQ(take_all(lanes, 1000), (std::vector<uint64_t>{1, 3}));
  EXPECT_FALSE(lanes.next_due());
}

TEST(Lanes, TheHeadKeepsWhatItsLastAttemptLeft) {
  Lanes lanes(Ordering::chat, 100, 64);
  lanes.push(item(1, 1));
  lanes.later(*lanes.next(0), DeliveryState{3, 50, false});
  EXPECT_EQ(lanes.next(50)->state.attempts, 3u);
}

TEST(Lanes, UnorderedDeliveriesDoNotWaitForEachOther) {
  Lanes lanes(Ordering::none, 100, 64);
  for (uint64_t seq = 1; seq <= 3; ++seq) lanes.push(item(seq, 1));
  lanes.later(*lanes.next(0), DeliveryState{1, 1000, false});
  EXPECT_EQ(take_all(lanes, 0), (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(take_all(lanes, 1000), (std::vector<uint64_t>{1}));
}

TEST(Lanes, AKnownDeliveryIsTakenOnce) {
  Lanes lanes(Ordering::chat, 100, 64);
  EXPECT_EQ(lanes.push(item(1, 1)), Lanes::Push::taken);
  EXPECT_EQ(lanes.push(item(1, 1)), Lanes::Push::taken);
  EXPECT_EQ(lanes.size(), 1u);
  const auto flying = lanes.next(0);
  EXPECT_EQ(lanes.push(item(1, 1)), Lanes::Push::taken);
  EXPECT_EQ(lanes.size(), 1u);
  lanes.done(*flying);
  EXPECT_TRUE(lanes.empty());
}

TEST(Lanes, AnOlderDeliveryGoesBeforeANewerOneButNotBeforeAFlyingOne) {
  Lanes lanes(Ordering::chat, 100, 64);
  lanes.push(item(5, 1));
  lanes.push(item(3, 1));
  const auto flying = lanes.next(0);
  EXPECT_EQ(flying->seq, 3u);
  lanes.push(item(1, 1));
  lanes.done(*flying);
  EXPECT_EQ(take_all(lanes, 0), (std::vector<uint64_t>{1, 5}));
}

TEST(Lanes, RefusesBeyondTheBound) {
  Lanes lanes(Ordering::chat, 2, 64);
  EXPECT_EQ(lanes.push(item(1, 1)), Lanes::Push::taken);
  EXPECT_EQ(lanes.push(item(2, 1)), Lanes::Push::taken);
  EXPECT_EQ(lanes.push(item(3, 1)), Lanes::Push::full);
  EXPECT_EQ(lanes.push(item(2, 1)), Lanes::Push::taken) << "a known one takes no room";
  lanes.done(*lanes.next(0));
  EXPECT_EQ(lanes.push(item(3, 1)), Lanes::Push::taken);
}

TEST(Lanes, OneLaneMayNotFillTheMemory) {
  Lanes lanes(Ordering::chat, 100, 3);
  for (uint64_t seq = 1; seq <= 3; ++seq) EXPECT_EQ(lanes.push(item(seq, 1)), Lanes::Push::taken);
  EXPECT_EQ(lanes.push(item(4, 1)), Lanes::Push::lane_full);
  EXPECT_EQ(lanes.push(item(5, 2)), Lanes::Push::taken) << "another chat has its own share";
  EXPECT_EQ(lanes.push(item(2, 1)), Lanes::Push::taken) << "a known one takes no room";
}

TEST(Lanes, StrictSessionsHaveOneLaneEach) {
  Lanes lanes(Ordering::session, 100, 64);
  lanes.push(item(1, 1));
  lanes.push(item(2, 2));
  lanes.push(item(1, 1, 0, 2));
  const auto first = lanes.next(0), other = lanes.next(0);
  ASSERT_TRUE(first && other);
  EXPECT_NE(first->session, other->session);
  EXPECT_FALSE(lanes.next(0)) << "chat 2 overtook chat 1 of the same session";
}

TEST(Lanes, TrimKeepsTheHeadsOfWaitingLanes) {
  Lanes lanes(Ordering::chat, 100, 64);
  for (uint64_t seq = 1; seq <= 4; ++seq) lanes.push(item(seq, 1));
  for (uint64_t seq = 5; seq <= 6; ++seq) lanes.push(item(seq, 2));
  lanes.later(*lanes.next(0), DeliveryState{1, 1000, false});
  std::vector<uint64_t> heads;
  lanes.trim(10, [&heads](const Lanes::Name&, uint64_t seq) { heads.push_back(seq); });
  EXPECT_EQ(heads, std::vector<uint64_t>{1}) << "a lane that can go now keeps what it has";
  EXPECT_EQ(lanes.size(), 3u);
  EXPECT_EQ(take_all(lanes, 10), (std::vector<uint64_t>{5, 6}));
}

// Any order of pushing, taking, finishing and failing, against a model that knows what is where.
class LanesProperty : public testing::TestWithParam<bool> {};

TEST_P(LanesProperty, KeepsOrderWindowAndEveryDelivery) {
  const bool ordered = GetParam();
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    test::SeededRandom random(seed);
    const size_t bound = 1 + random.below(20);
    Lanes lanes(ordered ? Ordering::chat : Ordering::none, bound, 64);
    std::map<uint8_t, uint64_t> last_done;  // per lane
    std::vector<Item> flying;
    size_t accepted = 0, finished = 0;
    uint64_t next_seq = 1;
    UnixMillis now = 0;
    const auto finish = [&](bool deliver) {
      const size_t at = random.below(flying.size());
      const Item one = flying[at];
      flying.erase(flying.begin() + static_cast<ptrdiff_t>(at));
      if (!deliver) {
        lanes.later(one, DeliveryState{one.state.attempts + 1,
                                       now + 1 + UnixMillis(random.below(9)), false});
        return;
      }
      lanes.done(one);
      ++finished;
      if (ordered) {
        EXPECT_LT(last_done[one.lane[0]], one.seq) << "seed " << seed;
        last_done[one.lane[0]] = one.seq;
      }
    };
    const auto take = [&] {
      auto one = lanes.next(now);
      if (!one) return false;
      EXPECT_LE(one->state.due, now) << "seed " << seed;
      for (const auto& other : flying) {
        EXPECT_FALSE(ordered && other.lane == one->lane) << "two of one lane; seed " << seed;
        EXPECT_NE(other.seq, one->seq) << "taken twice; seed " << seed;
      }
      flying.push_back(std::move(*one));
      return true;
    };
    for (int step = 0; step < 400; ++step) {
      switch (random.below(5)) {
        case 0:
        case 1: {
          const bool room = lanes.size() < bound;
          const bool pushed = lanes.push(item(next_seq, static_cast<uint8_t>(random.below(4)))) ==
                              Lanes::Push::taken;
          ASSERT_EQ(pushed, room) << "seed " << seed;
          if (pushed) ++accepted, ++next_seq;
          break;
        }
        case 2:
          take();
          break;
        case 3:
          if (!flying.empty()) finish(random.below(3) > 0);
          break;
        default:
          now += static_cast<UnixMillis>(random.below(5));
      }
      ASSERT_EQ(lanes.in_flight(), flying.size());
      ASSERT_EQ(lanes.size(), accepted - finished);
      ASSERT_LE(lanes.size(), bound);
    }
    for (int guard = 0; !lanes.empty() && guard < 10'000; ++guard) {
      while (take()) {
      }
      if (!flying.empty()) {
        finish(true);
      } else {
        const auto due = lanes.next_due();
        ASSERT_TRUE(due) << "something waits and nothing will wake it; seed " << seed;
        now = std::max(now, *due);
      }
    }
    EXPECT_EQ(finished, accepted) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, LanesProperty, testing::Bool(),
                         [](const auto& mode) { return mode.param ? "ordered" : "unordered"; });

}  // namespace
}  // namespace wab::webhook
