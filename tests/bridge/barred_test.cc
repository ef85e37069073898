#include "bridge/barred.h"

#include <gtest/gtest.h>

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;
const SteadyTime kStart{};

std::vector<std::string> names(const Barred& barred) {
  std::vector<std::string> out;
  for (const auto& one : barred.list()) out.push_back(one.address.to_string());
  return out;
}

TEST(Barred, IsLiftedWhenTheTimeIsOver) {
  Barred barred;
  EXPECT_TRUE(barred.add("203.0.113.1", kStart));
  EXPECT_TRUE(barred.add("203.0.113.2", kStart + 4s));
  EXPECT_FALSE(barred.expire(kStart + 9s));
  EXPECT_EQ(barred.next(), kStart + 10s);
  EXPECT_TRUE(barred.expire(kStart + 10s));
  EXPECT_EQ(names(barred), std::vector<std::string>{"203.0.113.2"});
  EXPECT_TRUE(barred.expire(kStart + 14s));
  EXPECT_TRUE(barred.empty());
}

TEST(Barred, CountsAnIpv6NetworkAndAMappedAddressAsOne) {
  Barred barred;
  EXPECT_TRUE(barred.add("2001:db8:1:2:aaaa::1", kStart));
  EXPECT_FALSE(barred.add("2001:db8:1:2:bbbb::2", kStart));
  EXPECT_TRUE(barred.add("::ffff:203.0.113.1", kStart));
  EXPECT_FALSE(barred.add("203.0.113.1", kStart));
  EXPECT_FALSE(barred.add("nonsense", kStart));
  EXPECT_EQ(names(barred), (std::vector<std::string>{"2001:db8:1:2::", "203.0.113.1"}));
}

TEST(Barred, IsBounded) {
  Barred barred;
  for (size_t i = 0; i < wire::kMostDropped; ++i) {
    EXPECT_TRUE(
        barred.add("10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250), kStart));
  }
  EXPECT_FALSE(barred.add("203.0.113.1", kStart));
}

}  // namespace
}  // namespace wab::bridge
