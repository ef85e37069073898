#include <gtest/gtest.h>

#include "tests/sandbox/fixture.h"
#include "tests/sandbox/keys.h"

namespace wab::sandbox {
namespace {

class Receipts : public SandboxFixture, public testing::Test {
 protected:
  Companion& ana = pair("Ana");
  Companion& ben = pair("Ben");
  std::string mid;
  void SetUp() override { write(); }
  // A message of Ana that has reached Ben's companion.
  void write() {
    node::Node message = direct(ana, *ben.account);
    std::get<node::Node::Children>(std::get<node::Node::Children>(message.content)[0].content)
        .push_back(to_device(ben.jid.jid(), "msg", whisper()));
    mid = message.attr("id");
    say(ana, std::move(message));
    ASSERT_EQ(ben.ear.last("message").attr("id"), mid);
    ASSERT_EQ(rules(), "");
  }
  node::Node receipt(const char* type = "") {
    node::Node out("receipt");
    return std::move(out.set("id", mid).set("to", ana.jid.jid()).set("type", type));
  }
  node::Node retry(int count) {
    node::Node child("retry");
    child.set("v", "1").set("count", count).set("id", mid);
    child.set("t", ben.ear.last("message").attr("t"));
    node::Node out = receipt("retry");
    out.add(std::move(child));
    return std::move(out.add(bytes_node("registration", be32(ben.registration_id))));
  }
  node::Node ack_of(const node::Node& stanza) {
    node::Node ack("ack");
    ack.set("class", stanza.tag).set("id", stanza.attr("id")).set("to", *stanza.jid("from"));
    if (const auto participant = stanza.jid("participant")) ack.set("participant", *participant);
    if (const auto recipient = stanza.jid("recipient")) ack.set("recipient", *recipient);
    return std::move(ack.set("type", stanza.attr("type")));
  }
  size_t queued(const Companion& companion) {
    for (const DeviceInfo& info : world.devices(*companion.account)) {
      if (info.jid == companion.jid) return info.queued;
    }
    return 0;
  }
};

TEST_F(Receipts, DeliveryClearsTheQueueAndReachesTheAuthor) {
  EXPECT_EQ(queued(ben), 1U);
  say(ben, receipt());
  EXPECT_EQ(queued(ben), 0U);
  const node::Node got = ana.ear.last("receipt");
  EXPECT_EQ(got.jid("from"), ben.jid.jid());
  EXPECT_EQ(got.attr("id"), mid);
  say(ana, ack_of(got));
  EXPECT_EQ(queued(ana), 0U);
  EXPECT_EQ(rules(), "");
}

TEST_F(Receipts, ReadGoesToTheAuthorAndTheOwnOtherDevices) {
  Companion& second = pair("Ben");
  say(ben, receipt());
  node::Node read = receipt("read");
  read.set("t", std::to_string(world.now_s()));
  say(ben, read);
  EXPECT_EQ(ana.ear.last("receipt").attr("type"), "read");
  EXPECT_EQ(second.ear.last("receipt").jid("recipient"), node::Jid::pn(ana.jid.pn));
  EXPECT_EQ(rules(), "");
}

TEST_F(Receipts, ReadSelfStaysAtHome) {
  Companion& second = pair("Ben");
  node::Node read = receipt("read-self");
  say(ben, std::move(read.set("t", "1")));
  EXPECT_EQ(ana.ear.count("receipt"), 0U);
  EXPECT_EQ(second.ear.last("receipt").attr("type"), "read-self");
}

TEST_F(Receipts, C1NotesWhatIsOverdueAndOffersItAgain) {
  clock.at += 11'000;
  world.tick();
  EXPECT_TRUE(violated("C1"));
  login(ben);
  const node::Node preview = ben.ear.last("ib");
  ASSERT_NE(preview.child("offline_preview"), nullptr);
  EXPECT_EQ(preview.child("offline_preview")->attr("count"), "1");
  EXPECT_EQ(ben.ear.count("message"), 0U) << "nothing before it is asked for";
  node::Node ib("ib");
  say(ben, std::move(ib.add(node::Node("offline_batch").set("count", "100"))));
  EXPECT_EQ(ben.ear.last("message").attr("id"), mid);
  EXPECT_TRUE(ben.ear.last("message").has("offline"));
  EXPECT_NE(ben.ear.last("ib").child("offline"), nullptr);
}

TEST_F(Receipts, S2BatchesAreNeverLargerThanAsked) {
  for (int i = 0; i < 4; ++i) write();
  login(ben);
  const auto batch = [&](int count) {
    node::Node ib("ib");
    say(ben, std::move(ib.add(node::Node("offline_batch").set("count", count))));
  };
  batch(2);
  EXPECT_EQ(ben.ear.count("message"), 2U);
  batch(2);
  EXPECT_EQ(ben.ear.count("message"), 4U);
  EXPECT_EQ(ben.ear.last("ib").child("offline"), nullptr);
  batch(2);
  EXPECT_EQ(ben.ear.count("message"), 5U);
  EXPECT_NE(ben.ear.last("ib").child("offline"), nullptr);
  EXPECT_EQ(rules(), "");
}

TEST_F(Receipts, S12JudgesBatchRequests) {
  node::Node ib("ib");
  ib.add(node::Node("offline_batch").set("count", "100"));
  say(ben, ib);
  EXPECT_TRUE(violated("S12")) << "there was no preview";
  login(ben);
  forget();
  node::Node huge("ib");
  say(ben, std::move(huge.add(node::Node("offline_batch").set("count", "5000"))));
  EXPECT_TRUE(violated("S12"));
}

TEST_F(Receipts, C2C3C4C5JudgeAcks) {
  say(ben, node::Node("ack").set("class", "iq").set("id", "1").set("to", node::Jid::server_jid()));
  EXPECT_TRUE(violated("C2"));
  forget();
  say(ben, node::Node("ack").set("class", "receipt").set("id", "zz").set("to", ana.jid.jid()));
  EXPECT_TRUE(violated("C3"));
  forget();
  node::Node ack = ack_of(ben.ear.last("message"));
  ack.set("from", ana.jid.jid());
  say(ben, ack);
  EXPECT_TRUE(violated("C5"));
  forget();
  say(ben, receipt());
  EXPECT_TRUE(violated("C4")) << "receipt after ack";
  forget();
  say(ben, ack);
  EXPECT_TRUE(violated("C4")) << "ack after ack";
}

TEST_F(Receipts, C1WantsTheRightType) {
  say(ben, receipt("inactive"));
  node::Node ack = ack_of(ana.ear.last("receipt"));
  std::erase_if(ack.attrs, [](const node::Attr& attr) { return attr.key == "type"; });
  say(ana, ack);
  EXPECT_TRUE(violated("C1"));
}

TEST_F(Receipts, M30M31M32JudgeWhereItGoes) {
  say(ben, receipt("nonsense"));
  EXPECT_TRUE(violated("M32"));
  forget();
  node::Node other = receipt();
  other.set("id", "never");
  for (node::Attr& attr : other.attrs) {
    if (attr.key == "id") attr.value = std::string("never");
  }
  say(ben, other);
  EXPECT_TRUE(violated("M31"));
  forget();
  node::Node bare = receipt();
  for (node::Attr& attr : bare.attrs) {
    if (attr.key == "to") attr.value = node::Jid::pn(ana.jid.pn);
  }
  say(ben, bare);
  EXPECT_TRUE(violated("M30")) << "the device was stripped";
}

TEST_F(Receipts, M33WantsTypeSenderForOwnCopies) {
  Companion& second = pair("Ana");
  node::Node message = direct(ana, *ben.account);
  std::get<node::Node::Children>(std::get<node::Node::Children>(message.content)[0].content)
      .push_back(to_device(second.jid.jid(), "msg", whisper()));
  mid = message.attr("id");
  say(ana, std::move(message));
  say(second, receipt());
  EXPECT_TRUE(violated("M33"));
  forget();
  say(second, ack_of(second.ear.last("message")));
  EXPECT_GE(queued(second), 1U) << "a bare ack does not clear an own copy";
  node::Node sender = receipt("sender");
  say(second, std::move(sender.set("recipient", node::Jid::pn(ben.jid.pn))));
  EXPECT_EQ(queued(second), 0U);
  EXPECT_EQ(rules(), "");
}

TEST_F(Receipts, M34M35JudgeReads) {
  say(ben, receipt("read"));
  EXPECT_TRUE(violated("M35"));
  forget();
  node::Node list("list");
  for (int i = 0; i < 256; ++i) list.add(node::Node("item").set("id", "i" + std::to_string(i)));
  node::Node many = receipt("read");
  say(ben, std::move(many.set("t", "1").add(std::move(list))));
  EXPECT_TRUE(violated("M34"));
}

TEST_F(Receipts, ARetryIsAnsweredByAResendToThatDeviceOnly) {
  say(ben, retry(1));
  say(ben, ack_of(ben.ear.last("message")));
  EXPECT_EQ(rules(), "");
  const node::Node asked = ana.ear.last("receipt");
  ASSERT_EQ(asked.attr("type"), "retry");
  EXPECT_NE(asked.child("registration"), nullptr);
  node::Node enc = bytes_node("enc", whisper());
  enc.set("v", "2").set("type", "msg").set("count", "1");
  node::Node resend("message");
  resend.set("id", mid).set("to", ben.jid.jid()).set("type", "text").set("device_fanout", "false");
  say(ana, std::move(resend.add(std::move(enc))));
  EXPECT_EQ(ben.ear.count("message"), 2U);
  EXPECT_EQ(ben.ear.last("message").child("enc")->attr("count"), "1");
  say(ben, receipt());
  EXPECT_EQ(queued(ben), 0U);
  EXPECT_EQ(rules(), "");
}

TEST_F(Receipts, M21DropsAResendThatNobodyAskedFor) {
  node::Node enc = bytes_node("enc", whisper());
  enc.set("v", "2").set("type", "msg").set("count", "1");
  node::Node resend("message");
  resend.set("id", mid).set("to", ben.jid.jid()).set("type", "text");
  say(ana, std::move(resend.add(std::move(enc))));
  EXPECT_TRUE(violated("M21"));
  EXPECT_EQ(ben.ear.count("message"), 1U);
}

TEST_F(Receipts, M36JudgesRetryReceipts) {
  node::Node wrong = retry(1);
  auto& parts = std::get<node::Node::Children>(wrong.content);
  parts[1].bytes(Bytes{0, 0, 0, 9});
  say(ben, wrong);
  EXPECT_TRUE(violated("M36")) << "registration id";
  forget();
  say(ben, retry(1));
  EXPECT_EQ(rules(), "");
  say(ben, retry(1));
  EXPECT_TRUE(violated("M36")) << "count does not grow";
  forget();
  node::Node keys("keys");
  keys.add(bytes_node("type", Bytes{5})).add(bytes_node("identity", ben.identity.pub));
  keys.add(key_node({3, random.bytes(32)}));
  keys.add(skey_node({1, to_bytes(ByteView(ben.signed_prekey.pub)), ben.signed_prekey_signature}));
  node::Node with_keys = retry(2);
  say(ben, std::move(with_keys.add(std::move(keys))));
  EXPECT_TRUE(violated("M36")) << "a key of the pool";
}

TEST_F(Receipts, RedeliveryBringsBackWhatWasAcknowledged) {
  say(ben, receipt());
  EXPECT_EQ(world.redeliver(ben.jid, 1), 1U);
  EXPECT_EQ(ben.ear.count("message"), 2U);
  EXPECT_TRUE(ben.ear.last("message").has("offline"));
  say(ben, receipt());
  EXPECT_EQ(queued(ben), 0U);
  EXPECT_EQ(rules(), "");
}

}  // namespace
}  // namespace wab::sandbox
