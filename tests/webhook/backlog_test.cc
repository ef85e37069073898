// The backlog against a store that is a sorted map: nothing lost, nothing twice, order per lane.
#include "webhook/backlog.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/manual_clock.h"

namespace wab::webhook {
namespace {

Item item(uint64_t seq, uint8_t lane, uint8_t session = 1) {
  Item out;
  out.session = SessionId(ByteArray<16>{session});
  out.seq = seq;
  out.lane[0] = lane;
  return out;
}

// Rows as the store keeps them: by session and number.
struct Model {
  std::map<Backlog::Place, Item> rows;

  std::vector<Item> page(std::optional<Backlog::Place> after) const {
    std::vector<Item> out;
    auto it = after ? rows.upper_bound(*after) : rows.begin();
    for (; it != rows.end() && out.size() < Backlog::kPage; ++it) out.push_back(it->second);
    return out;
  }
  void put(const Item& one) { rows.insert_or_assign({one.session, one.seq}, one); }
  void erase(const Item& one) { rows.erase({one.session, one.seq}); }
};

void read_all(Backlog& backlog, const Model& store) {
  for (int guard = 0; backlog.wants_reading() && guard < 10'000; ++guard) {
    const auto from = backlog.begin_read();
    backlog.end_read(store.page(from));
  }
}

TEST(Backlog, AChatThatOwesMoreThanTheMemoryHoldsDoesNotStarveTheOthers) {
  Model store;
  // 5,000 deliveries of one chat that is stuck, then one of another.
  for (uint64_t seq = 1; seq <= 5000; ++seq) store.put(item(seq, 1));
  store.put(item(5001, 2));
  Backlog backlog(Ordering::chat, 2000, 64);
  read_all(backlog, store);
  const auto stuck = backlog.lanes().next(0);
  ASSERT_TRUE(stuck);
  EXPECT_EQ(stuck->seq, 1u);
  backlog.lanes().later(*stuck, DeliveryState{1, 1'000'000, false});
  const auto other = backlog.lanes().next(0);
  ASSERT_TRUE(other) << "the other chat waits for the stuck one";
  EXPECT_EQ(other->seq, 5001u);
  EXPECT_LE(backlog.lanes().size(), 65u);
  // And what is committed now goes on at once.
  backlog.done(*other);
  store.put(item(5002, 2));
  backlog.offer(item(5002, 2));
  EXPECT_EQ(backlog.lanes().next(0)->seq, 5002u);
}

TEST(Backlog, TheRestOfALongChatFollowsInOrder) {
  Model store;
  for (uint64_t seq = 1; seq <= 1000; ++seq) store.put(item(seq, seq % 10 == 0 ? 2 : 1));
  Backlog backlog(Ordering::chat, 100, 8);
  std::map<uint8_t, uint64_t> last;
  size_t done = 0;
  for (int guard = 0; done < 1000 && guard < 100'000; ++guard) {
    read_all(backlog, store);
    const auto one = backlog.lanes().next(0);
    ASSERT_TRUE(one) << "nothing can go after " << done;
    EXPECT_GT(one->seq, last[one->lane[0]]);
    last[one->lane[0]] = one->seq;
    store.erase(*one);
    backlog.done(*one);
    ++done;
  }
  EXPECT_TRUE(store.rows.empty());
  read_all(backlog, store);
  EXPECT_TRUE(backlog.complete());
}

TEST(Backlog, AReplayedOlderDeliveryIsTakenAlthoughItsPlaceWasRead) {
  Model store;
  for (uint64_t seq = 50; seq <= 90; ++seq) store.put(item(seq, 1));
  Backlog backlog(Ordering::chat, 100, 8);
  read_all(backlog, store);
  store.put(item(3, 1));
  backlog.offer(item(3, 1));
  EXPECT_EQ(backlog.lanes().next(0)->seq, 3u);
}

TEST(Backlog, MakesRoomWhenEverythingInMemoryWaits) {
  Model store;
  for (uint64_t seq = 1; seq <= 40; ++seq) store.put(item(seq, static_cast<uint8_t>(seq % 4)));
  store.put(item(41, 9));
  Backlog backlog(Ordering::chat, 16, 8);
  read_all(backlog, store);
  while (auto one = backlog.lanes().next(0)) {
    backlog.lanes().later(*one, DeliveryState{1, 1000, false});
  }
  EXPECT_FALSE(backlog.wants_reading());
  EXPECT_TRUE(backlog.make_room(0));
  read_all(backlog, store);
  const auto one = backlog.lanes().next(0);
  ASSERT_TRUE(one) << "lane 9 is kept out by four that wait";
  EXPECT_EQ(one->seq, 41u);
}

// Commits, replays, failures and crashes of the reader in any order, for every ordering.
class BacklogProperty : public testing::TestWithParam<Ordering> {};

TEST_P(BacklogProperty, NothingIsLostOrTwiceAndLanesKeepTheirOrder) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    test::SeededRandom random(seed);
    Model store;
    const size_t bound = 4 + random.below(40), share = 1 + random.below(8);
    Backlog backlog(GetParam(), bound, share);
    std::map<std::pair<SessionId, uint8_t>, uint64_t> last;  // per chat
    std::map<SessionId, uint64_t> next_seq;
    std::vector<Item> flying;
    size_t put = 0, done = 0;
    UnixMillis now = 0;
    const auto commit = [&](bool told) {
      const auto session = static_cast<uint8_t>(1 + random.below(3));
      const SessionId id(ByteArray<16>{session});
      // One chat is busier than the rest.
      const auto lane = static_cast<uint8_t>(random.below(2) == 0 ? 0 : random.below(6));
      const Item one = item(++next_seq[id], lane, session);
      store.put(one);
      ++put;
      if (told) backlog.offer(one);
    };
    const auto finish = [&] {
      const size_t at = random.below(flying.size());
      const Item one = flying[at];
      flying.erase(flying.begin() + static_cast<ptrdiff_t>(at));
      if (random.below(4) == 0) {
        auto state = one.state;
        state.due = now + 1 + static_cast<UnixMillis>(random.below(20));
        Item stored = one;
        stored.state = state;
        store.put(stored);
        backlog.lanes().later(one, state);
        return;
      }
      auto& before = last[{one.session, one.lane[0]}];
      if (GetParam() != Ordering::none) {
        EXPECT_LT(before, one.seq) << "seed " << seed;
      }
      before = std::max(before, one.seq);
      EXPECT_EQ(store.rows.count({one.session, one.seq}), 1u) << "sent twice; seed " << seed;
      store.erase(one);
      backlog.done(one);
      ++done;
    };
    // Before the endpoint was known.
    for (size_t i = random.below(300); i > 0; --i) commit(false);
    std::optional<std::vector<Item>> page;  // a read under way
    const auto step = [&](bool more) {
      switch (random.below(6)) {
        case 0:
          if (more) commit(true);
          break;
        case 1:
          if (!page && backlog.wants_reading()) page = store.page(backlog.begin_read());
          break;
        case 2:
          if (page) {
            if (random.below(10) == 0) {
              backlog.fail_read();
            } else {
              backlog.end_read(std::move(*page));
            }
            page.reset();
          }
          break;
        case 3:
          if (auto one = backlog.lanes().next(now)) flying.push_back(std::move(*one));
          break;
        case 4:
          if (!flying.empty()) finish();
          break;
        default:
          now += static_cast<UnixMillis>(random.below(10));
          if (flying.empty() && !page) backlog.make_room(now);
      }
      ASSERT_LE(backlog.lanes().size(), bound) << "seed " << seed;
    };
    for (int i = 0; i < 600; ++i) step(true);
    for (int guard = 0; done < put && guard < 200'000; ++guard) step(false);
    ASSERT_EQ(done, put) << "something was never taken; seed " << seed;
    EXPECT_TRUE(store.rows.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, BacklogProperty,
                         testing::Values(Ordering::chat, Ordering::session, Ordering::none),
                         [](const auto& mode) {
                           return mode.param == Ordering::chat      ? "chat"
                                  : mode.param == Ordering::session ? "session"
                                                                    : "none";
                         });

}  // namespace
}  // namespace wab::webhook
