#include "storage/base/lru.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace wab {
namespace {

TEST(Lru, ForgetsTheLeastRecentlyUsedByWeight) {
  Lru<std::string, int> map(100);
  map.put("a", 1, 40);
  map.put("b", 2, 40);
  ASSERT_NE(map.find("a"), nullptr);  // now b is the oldest
  map.put("c", 3, 40);
  EXPECT_EQ(map.find("b"), nullptr);
  EXPECT_NE(map.find("a"), nullptr);
  EXPECT_NE(map.find("c"), nullptr);
  EXPECT_EQ(map.weight(), 80u);
  EXPECT_EQ(map.evicted(), 1u);
}

TEST(Lru, ReplacingCountsTheNewWeight) {
  Lru<int, std::unique_ptr<int>> map(100);
  map.put(1, std::make_unique<int>(1), 90);
  map.put(1, std::make_unique<int>(2), 10);
  EXPECT_EQ(map.weight(), 10u);
  EXPECT_EQ(map.size(), 1u);
  EXPECT_EQ(**map.find(1), 2);
}

TEST(Lru, AnEntryHeavierThanTheLimitStaysUntilTheNextPut) {
  Lru<int, int> map(10);
  map.put(1, 1, 50);
  EXPECT_NE(map.find(1), nullptr);
  map.put(2, 2, 1);
  EXPECT_EQ(map.find(1), nullptr);
  EXPECT_NE(map.find(2), nullptr);
}

TEST(Lru, ErasesByKeyAndByPredicate) {
  Lru<int, int> map(100);
  for (int i = 0; i < 10; ++i) map.put(i, i, 1);
  EXPECT_TRUE(map.erase(3));
  EXPECT_FALSE(map.erase(3));
  EXPECT_EQ(map.erase_if([](int key, int) { return key % 2 == 0; }), 5u);
  EXPECT_EQ(map.size(), 4u);
  EXPECT_EQ(map.weight(), 4u);
  map.limit(2);
  EXPECT_EQ(map.size(), 2u);
  map.clear();
  EXPECT_EQ(map.weight(), 0u);
}

}  // namespace
}  // namespace wab
