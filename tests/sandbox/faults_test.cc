#include "tests/sandbox/faults.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace wab::sandbox {
namespace {

const DeviceJid kCompanion{"15550100001", 1};
const DeviceJid kPhone{"15550100001", 0};

node::Node stanza(const char* tag, const char* type = "") {
  node::Node out(tag);
  out.set("type", type);
  return out;
}

TEST(Faults, NothingGoesWrongWithoutRules) {
  Faults faults;
  const Fate fate = faults.on_stanza(Direction::to_server, kCompanion, stanza("message"));
  EXPECT_FALSE(fate.drop || fate.hold || fate.cut || fate.end_with);
  EXPECT_EQ(fate.copies, 1);
  EXPECT_FALSE(faults.on_bytes(Direction::to_server, kCompanion, 100));
  EXPECT_FALSE(faults.on_login(kCompanion));
  EXPECT_EQ(faults.on_handshake(), HandshakeFault::none);
  EXPECT_FALSE(faults.black_hole());
}

TEST(Faults, SelectorsNarrowARule) {
  FaultRule rule;
  rule.account = kCompanion.pn;
  rule.direction = Direction::to_device;
  rule.tag = "receipt";
  rule.type = "read";
  rule.child = "list";
  rule.drop = true;
  Faults faults;
  faults.add(rule);
  node::Node match = stanza("receipt", "read");
  match.add(node::Node("list"));
  const auto drops = [&](Direction direction, const DeviceJid& device, const node::Node& what) {
    return faults.on_stanza(direction, device, what).drop;
  };
  EXPECT_TRUE(drops(Direction::to_device, kCompanion, match));
  EXPECT_FALSE(drops(Direction::to_server, kCompanion, match));
  EXPECT_FALSE(drops(Direction::to_device, kPhone, match));
  EXPECT_FALSE(drops(Direction::to_device, {"15550100002", 1}, match));
  EXPECT_FALSE(drops(Direction::to_device, kCompanion, stanza("receipt", "read")));
  EXPECT_FALSE(drops(Direction::to_device, kCompanion, stanza("message", "read")));
}

TEST(Faults, AfterAndCountBoundARule) {
  FaultRule rule;
  rule.cut = true;
  rule.after = 2;
  rule.count = 3;
  Faults faults;
  faults.add(rule);
  std::string fired;
  for (int i = 0; i < 8; ++i) {
    fired += faults.on_stanza(Direction::to_server, kCompanion, stanza("iq")).cut ? '1' : '0';
  }
  EXPECT_EQ(fired, "00111000");
  EXPECT_EQ(faults.list().at(0).fired, 3u);
  faults.clear();
  EXPECT_TRUE(faults.list().empty());
}

TEST(Faults, ProbabilityIsRepeatableBySeed) {
  const auto run = [](uint64_t seed) {
    FaultRule rule;
    rule.drop = true;
    rule.probability = 0.25;
    rule.seed = seed;
    Faults faults;
    faults.add(rule);
    std::string out;
    for (int i = 0; i < 400; ++i) {
      out += faults.on_stanza(Direction::to_server, kCompanion, stanza("iq")).drop ? '1' : '0';
    }
    return out;
  };
  const std::string one = run(5);
  EXPECT_EQ(one, run(5));
  EXPECT_NE(one, run(6));
  const auto hits = std::count(one.begin(), one.end(), '1');
  EXPECT_GT(hits, 60);
  EXPECT_LT(hits, 140);
}

TEST(Faults, RulesAddUp) {
  FaultRule slow, twice;
  slow.delay = std::chrono::milliseconds(50);
  twice.copies = 3;
  Faults faults;
  faults.add(slow);
  faults.add(slow);
  faults.add(twice);
  const Fate fate = faults.on_stanza(Direction::to_server, kCompanion, stanza("iq"));
  EXPECT_EQ(fate.delay.count(), 100);
  EXPECT_EQ(fate.copies, 3);
}

TEST(Faults, TheCutComesAtTheByte) {
  FaultRule rule;
  rule.account = kCompanion.pn;
  rule.cut_after_bytes = 150;
  rule.count = 1;
  Faults faults;
  faults.add(rule);
  EXPECT_FALSE(faults.on_bytes(Direction::to_device, {}, 1'000));
  EXPECT_FALSE(faults.on_bytes(Direction::to_device, kCompanion, 100));
  EXPECT_EQ(faults.on_bytes(Direction::to_server, kCompanion, 100), 50u);
  EXPECT_FALSE(faults.on_bytes(Direction::to_server, kCompanion, 1'000));
}

TEST(Faults, LoginAndHandshakeHaveTheirOwnRules) {
  FaultRule refuse, forge;
  refuse.failure = failure_node(503);
  refuse.count = 1;
  forge.handshake = *handshake_fault("expired");
  forge.count = 1;
  Faults faults;
  faults.add(refuse);
  faults.add(forge);
  EXPECT_FALSE(faults.on_stanza(Direction::to_server, kCompanion, stanza("iq")).drop);
  EXPECT_EQ(faults.on_login(kCompanion)->attr("reason"), "503");
  EXPECT_FALSE(faults.on_login(kCompanion));
  EXPECT_EQ(faults.on_handshake(), HandshakeFault::expired);
  EXPECT_EQ(faults.on_handshake(), HandshakeFault::none);
  EXPECT_FALSE(handshake_fault("nonsense"));
}

}  // namespace
}  // namespace wab::sandbox
