#include "bridge/backlog.h"

#include <gtest/gtest.h>

#include "storage/base/clock.h"

namespace wab::bridge {
namespace {

TEST(Backlog, IsFullFromTheLimitUntilNineTenths) {
  Backlog::Account account(OrgId(), 100);
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

TEST(Backlog, SaysOnceThatItIsAlmostFullAndOnceThatItIsNoMore) {
  int told = 0;
  Backlog backlog(100, [&told](const OrgId&) { ++told; });
  const auto account = backlog.of(OrgId::random(system_random()));
  account->add(79);
  EXPECT_EQ(told, 0);
  account->add(1);
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(account->high());
  account->add(5);
  account->add(-15);  // 70: not far enough down to say anything
  account->add(20);
  EXPECT_EQ(told, 1);
  account->add(-21);
  EXPECT_EQ(told, 2);
  EXPECT_FALSE(account->high());
  account->add(-69);
  EXPECT_EQ(told, 2);
  account->add(200);
  EXPECT_EQ(told, 3);
}

TEST(Backlog, RemembersAcrossAStartThatItWasHigh) {
  int told = 0;
  Backlog backlog(100, [&told](const OrgId&) { ++told; });
  const auto between = backlog.of(OrgId::random(system_random()));
  between->add(75);
  between->was_high();
  EXPECT_TRUE(between->high());
  between->add(-6);
  EXPECT_EQ(told, 1);
  const auto below = backlog.of(OrgId::random(system_random()));
  below->add(69);
  below->was_high();
  EXPECT_FALSE(below->high());
  EXPECT_EQ(told, 1);
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
