#include "tests/sandbox/stanza_log.h"

#include <gtest/gtest.h>

namespace wab::sandbox {
namespace {

void add(StanzaLog& log, const std::string& pn, const std::string& id, const char* rule = nullptr) {
  node::Node stanza("iq");
  stanza.set("id", id);
  std::vector<Violation> violations;
  if (rule != nullptr) violations.push_back({rule, {pn, 1}, 1, "wrong", 5});
  log.add({5, Direction::to_server, {pn, 1}, 1, &stanza, &violations});
}

TEST(StanzaLog, FindsByAccountCursorAndVerdict) {
  StanzaLog log;
  add(log, "1", "a");
  add(log, "2", "b", "S6");
  add(log, "1", "c", "S4");
  ASSERT_EQ(log.find({}).size(), 3u);
  EXPECT_NE(log.find({})[0]->xml.find("'a'"), std::string::npos) << log.find({})[0]->xml;
  const auto mine = log.find({.account = "1"});
  ASSERT_EQ(mine.size(), 2u);
  EXPECT_EQ(mine[1]->seq, 3u);
  EXPECT_EQ(log.find({.account = "", .since = 2}).size(), 1u);
  const auto bad = log.find({.account = "1", .since = 0, .limit = 10, .only_violations = true});
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_EQ(bad[0]->violations[0].rule, "S4");
  EXPECT_EQ(log.find({.account = "", .since = 0, .limit = 2}).size(), 2u);
}

TEST(StanzaLog, ForgetsTheOldest) {
  StanzaLog log(3);
  for (int i = 0; i < 10; ++i) add(log, "1", std::to_string(i));
  EXPECT_EQ(log.size(), 3u);
  EXPECT_EQ(log.find({})[0]->seq, 8u);
  EXPECT_EQ(log.last_seq(), 10u);
  StanzaLog small(1'000, 600);
  for (int i = 0; i < 10; ++i) add(small, "1", std::to_string(i));
  EXPECT_LT(small.size(), 5u);
}

}  // namespace
}  // namespace wab::sandbox
