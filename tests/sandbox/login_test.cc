#include <gtest/gtest.h>

#include "tests/sandbox/fields.h"
#include "tests/sandbox/fixture.h"
#include "tests/sandbox/keys.h"

namespace wab::sandbox {
namespace {

class Login : public SandboxFixture, public testing::Test {
 protected:
  Companion& ana = pair("Ana");
  // Nothing of the pairing was a violation.
  void SetUp() override { ASSERT_EQ(rules(), ""); }
};

TEST_F(Login, SuccessCarriesTimeAndLid) {
  const node::Node success = ana.ear.last("success");
  EXPECT_EQ(success.number("t"), static_cast<uint64_t>(world.now_s()));
  EXPECT_EQ(success.jid("lid")->text(), ana.account->lid + ":1@lid");
}

TEST_F(Login, P3RefusesAForeignNoiseKeyAndUnknownDevices) {
  Companion thief = make_companion();
  thief.jid = ana.jid;
  connect(thief, login_payload(thief));
  EXPECT_EQ(thief.ear.last("failure").attr("reason"), "401");
  EXPECT_TRUE(violated("P3"));
  thief.jid = {"15550199999", 3};
  connect(thief, login_payload(thief));
  EXPECT_EQ(thief.ear.last("failure").attr("reason"), "401");
}

TEST_F(Login, P6NotesALoginCounterThatGoesBack) {
  Bytes payload = login_payload(ana);
  put_field(payload, 24, 5);
  connect(ana, payload);
  EXPECT_EQ(rules(), "");
  payload = login_payload(ana);
  put_field(payload, 24, 4);
  connect(ana, payload);
  EXPECT_TRUE(violated("P6"));
}

TEST_F(Login, P7ReplacesTheOlderConnection) {
  Companion again;
  again.noise = ana.noise.clone();
  again.jid = ana.jid;
  clock.at += 5'000;
  connect(again, login_payload(again));
  EXPECT_EQ(ana.ear.last("stream:error").child("conflict")->attr("type"), "replaced");
  EXPECT_TRUE(ana.ear.ended);
  EXPECT_EQ(again.ear.count("success"), 1U);
}

TEST_F(Login, S3WantsExactlyOneChild) {
  EXPECT_EQ(ask(ana, iq("set", "passive", id())).child("error")->attr("code"), "400");
  EXPECT_TRUE(violated("S3"));
}

TEST_F(Login, S4RefusesTheUnknown) {
  EXPECT_EQ(ask(ana, iq("get", "urn:nonsense", id())).child("error")->attr("code"), "400");
  EXPECT_TRUE(violated("S4"));
}

TEST_F(Login, DeclaredOptionalIsNotImplementedWithoutViolation) {
  EXPECT_EQ(ask(ana, iq("get", "newsletter", id())).child("error")->attr("code"), "501");
  EXPECT_EQ(rules(), "");
}

TEST_F(Login, S10JudgesPresenceAndSessionId) {
  say(ana, node::Node("presence").set("type", "available").set("name", "Ana"));
  node::Node ib("ib");
  ib.add(node::Node("unified_session").set("id", "494400000"));
  say(ana, ib);
  EXPECT_EQ(rules(), "");
  say(ana, node::Node("presence").set("type", "available"));
  EXPECT_TRUE(violated("S10"));
  forget();
  node::Node late("ib");
  late.add(node::Node("unified_session").set("id", "604800000"));
  say(ana, late);
  EXPECT_TRUE(violated("S10"));
}

TEST_F(Login, S11WantsCleanOnlyForWhatWasDirty) {
  node::Node request = iq("set", "urn:xmpp:whatsapp:dirty", id());
  request.add(node::Node("clean").set("type", "groups"));
  EXPECT_EQ(ask(ana, std::move(request)).attr("type"), "result");
  EXPECT_TRUE(violated("S11"));
}

TEST_F(Login, CleanOfAnnouncedDirtIsRight) {
  node::Node ib("ib");
  ib.set("from", node::Jid::server_jid());
  ib.add(node::Node("dirty").set("type", "groups").set("timestamp", "1790000000"));
  world.send(ana.jid, std::move(ib));
  EXPECT_NE(ana.ear.last("ib").child("dirty"), nullptr);
  node::Node request = iq("set", "urn:xmpp:whatsapp:dirty", id());
  request.add(node::Node("clean").set("type", "groups").set("timestamp", "1790000000"));
  ask(ana, std::move(request));
  EXPECT_EQ(rules(), "");
}

TEST_F(Login, A1AnswersPingsWithTheTime) {
  EXPECT_EQ(ask(ana, iq("get", "w:p", id())).number("t"), static_cast<uint64_t>(world.now_s()));
  EXPECT_EQ(rules(), "");
}

TEST_F(Login, A2ClosesTheSilent) {
  pass(std::chrono::seconds(59));
  EXPECT_FALSE(ana.ear.ended);
  pass(std::chrono::seconds(2));
  EXPECT_TRUE(ana.ear.ended);
  EXPECT_TRUE(violated("A2"));
}

TEST_F(Login, A3ClosesWhenAServerPingIsNotAnswered) {
  world.settings().server_pings = true;
  pass(std::chrono::seconds(1));
  const node::Node ping = ana.ear.last("iq");
  ASSERT_EQ(ping.attr("xmlns"), "urn:xmpp:ping");
  node::Node pong("iq");
  pong.set("to", node::Jid::server_jid()).set("type", "result").set("id", ping.attr("id"));
  say(ana, pong);
  EXPECT_EQ(rules(), "");
  pass(std::chrono::seconds(26));
  pass(std::chrono::seconds(11));
  EXPECT_TRUE(violated("A3"));
  EXPECT_TRUE(ana.ear.ended);
}

TEST_F(Login, A6NotesWhoComesBackAfterRemoval) {
  world.remove_device(ana.jid);
  EXPECT_EQ(ana.ear.last("stream:error").attr("code"), "401");
  connect(ana, login_payload(ana));
  EXPECT_EQ(ana.ear.last("failure").attr("reason"), "401");
  EXPECT_TRUE(violated("A6"));
}

TEST_F(Login, A7RemovesOnlyTheOwnDevice) {
  Companion& ben = pair("Ben");
  node::Node foreign = iq("set", "md", id());
  foreign.add(node::Node("remove-companion-device").set("jid", ben.jid.jid()));
  EXPECT_EQ(ask(ana, std::move(foreign)).child("error")->attr("code"), "403");
  EXPECT_TRUE(violated("A7"));
  node::Node own = iq("set", "md", id());
  own.add(node::Node("remove-companion-device")
              .set("jid", ana.jid.jid())
              .set("reason", "user_initiated"));
  EXPECT_EQ(ask(ana, std::move(own)).attr("type"), "result");
  EXPECT_EQ(ana.ear.last("stream:error").child("conflict")->attr("type"), "device_removed");
  EXPECT_TRUE(ana.ear.ended);
}

TEST_F(Login, A8NotesAFlood) {
  for (int i = 0; i < 3; ++i) connect(ana, login_payload(ana));
  EXPECT_TRUE(violated("A8"));
}

TEST_F(Login, I1WantsIdTypeToAndXmlns) {
  node::Node no_xmlns("iq");
  no_xmlns.set("id", id()).set("type", "get").set("to", node::Jid::server_jid());
  EXPECT_EQ(ask(ana, std::move(no_xmlns)).child("error")->attr("code"), "400");
  EXPECT_TRUE(violated("I1"));
  forget();
  node::Node bad_type = iq("fetch", "w:p", id());
  EXPECT_EQ(ask(ana, std::move(bad_type)).child("error")->attr("code"), "400");
  EXPECT_TRUE(violated("I1"));
  say(ana, node::Node("iq").set("type", "get"));
  EXPECT_TRUE(ana.ear.ended);
}

TEST_F(Login, I2NotesAnswersToNothing) {
  node::Node answer("iq");
  answer.set("id", "unknown").set("type", "result").set("to", node::Jid::server_jid());
  say(ana, std::move(answer));
  EXPECT_TRUE(violated("I2"));
}

TEST_F(Login, B1ClosesWithXmlNotWellFormed) {
  world.malformed(ana.connection, "B1", "trailing bytes");
  EXPECT_NE(ana.ear.last("stream:error").child("xml-not-well-formed"), nullptr);
  EXPECT_TRUE(ana.ear.ended);
  EXPECT_TRUE(violated("B1"));
}

TEST_F(Login, B3RefusesJidsSentAsText) {
  node::Node request = iq("get", "encrypt", id());
  node::Node key("key");
  key.add(node::Node("user").set("jid", "15550100001@s.whatsapp.net"));
  EXPECT_EQ(ask(ana, std::move(request.add(std::move(key)))).child("error")->attr("code"), "479");
  EXPECT_TRUE(violated("B3"));
  node::Node message("message");
  message.set("id", "X").set("to", "15550100001@s.whatsapp.net").set("type", "text");
  say(ana, std::move(message));
  EXPECT_EQ(ana.ear.last("ack").attr("error"), "479");
}

TEST_F(Login, B4NotesEmptyAttributes) {
  node::Node request = iq("get", "w:p", id());
  request.attrs.push_back({"smax_id", std::string()});
  EXPECT_EQ(ask(ana, std::move(request)).attr("type"), "result");
  EXPECT_TRUE(violated("B4"));
}

TEST_F(Login, FaultsDropDuplicateAndEnd) {
  struct Policy final : FaultPolicy {
    Fate next;
    Fate on_stanza(Direction direction, const DeviceJid& device, const node::Node&) override {
      return direction == Direction::to_device && device.device != 0 ? next : Fate{};
    }
  } policy;
  world.set_faults(&policy);
  policy.next.drop = true;
  EXPECT_EQ(ask(ana, iq("get", "w:p", id())).tag, "");
  policy.next = {};
  policy.next.copies = 2;
  const size_t before = ana.ear.count("iq");
  ask(ana, iq("get", "w:p", id()));
  EXPECT_EQ(ana.ear.count("iq"), before + 2);
  policy.next = {};
  policy.next.delay = std::chrono::seconds(3);
  const std::string late = id();
  EXPECT_EQ(ask(ana, iq("get", "w:p", late)).tag, "");
  policy.next = {};
  pass(std::chrono::seconds(4));
  EXPECT_EQ(ana.ear.last("iq", late).attr("type"), "result");
  policy.next.end_with = node::Node("stream:error").set("code", 503);
  ask(ana, iq("get", "w:p", id()));
  EXPECT_EQ(ana.ear.last("stream:error").attr("code"), "503");
  EXPECT_TRUE(ana.ear.ended);
  world.set_faults(nullptr);
}

TEST_F(Login, ReorderedStanzasComeAfterTheNext) {
  struct Policy final : FaultPolicy {
    int held = 0;
    Fate on_stanza(Direction direction, const DeviceJid& device, const node::Node&) override {
      Fate fate;
      fate.hold = direction == Direction::to_device && device.device != 0 && held++ == 0;
      return fate;
    }
  } policy;
  world.set_faults(&policy);
  const std::string first = id();
  const std::string second = id();
  say(ana, iq("get", "w:p", first));
  say(ana, iq("get", "w:p", second));
  world.set_faults(nullptr);
  ASSERT_GE(ana.ear.heard.size(), 2U);
  EXPECT_EQ(ana.ear.heard[ana.ear.heard.size() - 2].attr("id"), second);
  EXPECT_EQ(ana.ear.heard.back().attr("id"), first);
}

TEST_F(Login, TheObserverSeesAStanzaBeforeItsAnswersAndWithItsViolations) {
  std::vector<std::string> log;
  world.on_stanza([&](const StanzaEvent& event) {
    log.push_back((event.direction == Direction::to_server ? "> " : "< ") + event.node->tag + " " +
                  std::to_string(event.violations->size()));
  });
  ask(ana, iq("get", "urn:nonsense", id()));
  ASSERT_EQ(log.size(), 2U);
  EXPECT_EQ(log[0], "> iq 1");
  EXPECT_EQ(log[1], "< iq 0");
}

}  // namespace
}  // namespace wab::sandbox
