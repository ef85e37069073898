#include "bridge/backlog.h"

#include <gtest/gtest.h>

#include "storage/base/clock.h"

namespace wab::bridge {
namespace {

TEST(Backlog, IsFullFromTheLimitUntilNineTenths) {
  Backlog::Account account(100);
  account.add(99);
  EXPECT_FALSE(account.full());
  account.add(1);
  EXPECT_TRUE(account.full());
  account.add(-10);
  EXPECT_TRUE(account.full()) << "ninety is still full: no flapping around the limit";
  account.add(-1);
  EXPECT_FALSE(account.full());
  EXPECT_EQ(account.owed(), 89u);
}

TEST(Backlog, SaysOnceThatItIsAlmostFull) {
  Backlog::Account account(100);
  EXPECT_FALSE(account.add(79));
  EXPECT_TRUE(account.add(1));
  EXPECT_FALSE(account.add(5));
  account.add(-10);  // 75: not far enough down to say it again
  EXPECT_FALSE(account.add(10));
  account.add(-20);
  EXPECT_TRUE(account.add(20));
}

TEST(Backlog, KeepsOrganizationsApart) {
  Backlog backlog(10);
  const auto one = OrgId::random(system_random()), other = OrgId::random(system_random());
  backlog.of(one)->add(10);
  EXPECT_TRUE(backlog.of(one)->full());
  EXPECT_FALSE(backlog.of(other)->full());
  EXPECT_EQ(backlog.owed(), 10u);
  EXPECT_EQ(backlog.full(), 1u);
  backlog.forget(one);
  EXPECT_FALSE(backlog.of(one)->full());
}

}  // namespace
}  // namespace wab::bridge
