#include <gtest/gtest.h>

#include "tests/sandbox/fields.h"
#include "tests/sandbox/fixture.h"
#include "tests/sandbox/keys.h"

namespace wab::sandbox {
namespace {

node::Node::Children& children(node::Node& node) {
  return std::get<node::Node::Children>(node.content);
}

class Routing : public SandboxFixture, public testing::Test {
 protected:
  Companion& ana = pair("Ana");
  Companion& ben = pair("Ben");
  void SetUp() override { ASSERT_EQ(rules(), ""); }

  node::Node send(Companion& from, const node::Node& message) {
    say(from, message);
    return from.ear.last("ack", message.attr("id"));
  }
  // Sends and expects this code and rule.
  void refused(const node::Node& message, const std::string& code, const std::string& rule) {
    forget();
    EXPECT_EQ(send(ana, message).attr("error"), code) << rule;
    EXPECT_TRUE(violated(rule)) << rules();
  }
  // Accepted and flagged.
  void flagged(const node::Node& message, const std::string& rule) {
    forget();
    const node::Node ack = send(ana, message);
    EXPECT_EQ(ack.tag, "ack");
    EXPECT_FALSE(ack.has("error")) << rule;
    EXPECT_TRUE(violated(rule)) << rules();
  }
  node::Node to_companion() {
    node::Node message = direct(ana, *ben.account);
    children(message)[0].add(to_device(ben.jid.jid(), "msg", whisper()));
    return message;
  }
  node::Node::Children& list(node::Node& message) { return children(children(message)[0]); }
  node::Node& enc(node::Node& message, size_t index) { return children(list(message)[index])[0]; }
};

TEST_F(Routing, ADirectMessageReachesEachAddressedDevice) {
  const node::Node message = to_companion();
  const node::Node ack = send(ana, message);
  EXPECT_FALSE(ack.has("error"));
  EXPECT_FALSE(ack.has("phash")) << "everyone but the sender was addressed";
  const node::Node got = ben.ear.last("message");
  EXPECT_EQ(got.jid("from"), ana.jid.jid());
  EXPECT_EQ(got.jid("sender_lid")->user, ana.account->lid);
  EXPECT_FALSE(got.has("recipient"));
  EXPECT_EQ(got.all("enc").size(), 1U);
  EXPECT_EQ(got.child("participants"), nullptr);
  EXPECT_EQ(rules(), "");
}

TEST_F(Routing, AForgottenDeviceShowsAsPhashAndOwnOnesGetAPlaceholder) {
  Companion& second = pair("Ana");
  const node::Node ack = send(ana, direct(ana, *ben.account));
  EXPECT_EQ(ack.attr("phash").substr(0, 2), "2:");
  EXPECT_EQ(ben.ear.count("message"), 0U);
  EXPECT_NE(second.ear.last("message").child("unavailable"), nullptr);
}

TEST_F(Routing, AnOwnCopyNamesTheRecipient) {
  Companion& second = pair("Ana");
  node::Node message = direct(ana, *ben.account);
  children(message)[0].add(to_device(second.jid.jid(), "msg", whisper()));
  send(ana, message);
  const node::Node copy = second.ear.last("message");
  EXPECT_EQ(copy.jid("recipient"), node::Jid::pn(ben.jid.pn));
  EXPECT_EQ(copy.jid("peer_recipient_lid")->user, ben.account->lid);
  EXPECT_FALSE(copy.has("sender_lid"));
}

TEST_F(Routing, TheSameStanzaAgainIsAcknowledgedAndNotSentTwice) {
  const node::Node message = to_companion();
  send(ana, message);
  const size_t before = ana.ear.count("ack");
  send(ana, message);
  EXPECT_EQ(ana.ear.count("ack"), before + 1);
  EXPECT_EQ(ben.ear.count("message"), 1U);
  EXPECT_EQ(rules(), "");
}

TEST_F(Routing, M1M2) {
  node::Node message = to_companion();
  message.set("type", "nonsense");
  refused(message, "400", "M1");
  message = to_companion();
  message.set("to", ben.jid.jid());
  refused(message, "400", "M2");
  forget();
  say(ana, node::Node("status").set("id", "X1").set("to", ben.jid.jid()));
  EXPECT_EQ(ana.ear.last("ack", "X1").attr("error"), "400");
  EXPECT_TRUE(violated("M1"));
}

TEST_F(Routing, M3RefusesMixedNamespaces) {
  node::Node message = to_companion();
  children(message)[0].add(to_device(node::Jid::lid(ben.account->lid, 1), "msg", whisper()));
  refused(message, "400", "M3");
}

TEST_F(Routing, M4RefusesLidFromAnUnmigratedAccount) {
  ana.account->lid_migrated = false;
  node::Node message = to_companion();
  message.set("to", node::Jid::lid(ben.account->lid));
  refused(message, "400", "M4");
}

TEST_F(Routing, M5RefusesBadListsOfDevices) {
  node::Node message = to_companion();
  children(message).clear();
  refused(message, "400", "M5");
  message = to_companion();
  list(message).push_back(to_device(ben.jid.jid(), "msg", whisper()));
  refused(message, "400", "M5");
  message = to_companion();
  list(message).push_back(to_device(node::Jid::pn(ben.jid.pn, 9), "msg", whisper()));
  refused(message, "400", "M5");
  message = to_companion();
  list(message).push_back(to_device(ana.jid.jid(), "msg", whisper()));
  refused(message, "400", "M5");
  message = to_companion();
  children(list(message)[0]).clear();
  refused(message, "400", "M5");
}

TEST_F(Routing, M6M7RefuseBadEncs) {
  node::Node message = to_companion();
  enc(message, 0).set("v", "1");
  refused(message, "479", "M6");
  message = to_companion();
  enc(message, 0).set("type", "skmsg");
  refused(message, "479", "M6");
  message = to_companion();
  enc(message, 0).bytes(Bytes{});
  refused(message, "479", "M6");
  message = to_companion();
  enc(message, 0).bytes(Bytes{0x33, 1, 2});
  refused(message, "479", "M7");
}

TEST_F(Routing, M8WantsTheDeviceIdentityWithAPkmsg) {
  node::Node key("key");
  key.add(node::Node("user").set("jid", ben.jid.jid()));
  const node::Node bundle = ask(ana, std::move(iq("get", "encrypt", id()).add(std::move(key))));
  const auto prekey =
      read_id(bundle.child("list")->child("user")->child("key")->child("id")->content_bytes());
  node::Node message = to_companion();
  list(message)[2] = to_device(ben.jid.jid(), "pkmsg", prekey_whisper(ana, 1, prekey));
  refused(message, "479", "M8");
  node::Node wrong = message;
  wrong.add(bytes_node("device-identity", ben.device_identity));
  refused(wrong, "479", "M8");
  message.add(bytes_node("device-identity", ana.device_identity));
  forget();
  EXPECT_FALSE(send(ana, message).has("error"));
  EXPECT_EQ(rules(), "");
  EXPECT_NE(ben.ear.last("message").child("device-identity"), nullptr);
}

TEST_F(Routing, M9FlagsPrekeysThatWereNeverHandedOut) {
  node::Node message = to_companion();
  list(message)[2] = to_device(ben.jid.jid(), "pkmsg", prekey_whisper(ana, 1, 15));
  message.add(bytes_node("device-identity", ana.device_identity));
  flagged(message, "M9");
  message = to_companion();
  list(message)[2] = to_device(ben.jid.jid(), "pkmsg", prekey_whisper(ana, 77, std::nullopt));
  message.add(bytes_node("device-identity", ana.device_identity));
  flagged(message, "M9");
}

TEST_F(Routing, M10DropsMediaWithoutMediatype) {
  node::Node message = to_companion();
  message.set("type", "media");
  flagged(message, "M10");
  EXPECT_EQ(ben.ear.count("message"), 0U);
}

TEST_F(Routing, M12JudgesPeerMessages) {
  node::Node message("message");
  message.set("id", id())
      .set("to", node::Jid::pn(ben.jid.pn))
      .set("type", "text")
      .set("category", "peer");
  node::Node body = bytes_node("enc", whisper());
  message.add(std::move(body.set("v", "2").set("type", "msg")));
  refused(message, "479", "M12");
  message.set("to", node::Jid::pn(ana.jid.pn));
  node::Node with_token = message;
  with_token.add(bytes_node("tctoken", Bytes(16, 1)));
  refused(with_token, "479", "M12");
  forget();
  EXPECT_FALSE(send(ana, message).has("error"));
  EXPECT_EQ(rules(), "");
}

TEST_F(Routing, M13WantsAPrivacyTokenWhenThePolicyIsOn) {
  world.settings().require_token = true;
  refused(to_companion(), "463", "M13");
  node::Node tokens("tokens");
  tokens.add(node::Node("token")
                 .set("jid", node::Jid::pn(ana.jid.pn))
                 .set("t", std::to_string(world.now_s()))
                 .set("type", "trusted_contact"));
  ask(ben, std::move(iq("set", "privacy", id()).add(std::move(tokens))));
  const node::Node note = ana.ear.last("notification");
  ASSERT_EQ(note.attr("type"), "privacy_token");
  node::Node message = to_companion();
  message.add(bytes_node("tctoken", note.child("tokens")->child("token")->content_bytes()));
  forget();
  EXPECT_FALSE(send(ana, message).has("error"));
  EXPECT_EQ(rules(), "");
}

TEST_F(Routing, M14JudgesStatus) {
  node::Node message("message");
  message.set("id", id()).set("to", node::Jid{"status", "broadcast", 0}).set("type", "text");
  node::Node body = bytes_node("enc", sender_key_message());
  message.add(std::move(body.set("v", "2").set("type", "skmsg")));
  refused(message, "400", "M14");
  node::Node participants("participants");
  participants.add(node::Node("to").set("jid", node::Jid::lid(ben.account->lid)));
  message.add(std::move(participants));
  message.set("addressing_mode", "lid");
  refused(message, "479", "M14");
  std::erase_if(message.attrs,
                [](const node::Attr& attr) { return attr.key == "addressing_mode"; });
  forget();
  EXPECT_FALSE(send(ana, message).has("error"));
  EXPECT_EQ(ben.ear.last("message").attr("from"), "status@broadcast");
}

TEST_F(Routing, M18RefusesTwoBizNodes) {
  node::Node message = to_companion();
  message.add(node::Node("biz")).add(node::Node("biz"));
  refused(message, "479", "M18");
}

TEST_F(Routing, M24FlagsACounterThatIsUsedTwice) {
  node::Node message = to_companion();
  Bytes first = whisper();
  enc(message, 0).bytes(first);
  send(ana, message);
  first.back() ^= 1;
  message = to_companion();
  enc(message, 0).bytes(first);
  flagged(message, "M24");
}

TEST_F(Routing, M26FlagsOneIdForTwoContents) {
  const node::Node message = to_companion();
  send(ana, message);
  node::Node other = to_companion();
  other.set("id", message.attr("id"));
  flagged(other, "M26");
}

TEST_F(Routing, M46RefusesMalformedTokens) {
  node::Node tokens("tokens");
  tokens.add(
      node::Node("token").set("jid", node::Jid::pn(ben.jid.pn)).set("t", "5").set("type", "x"));
  EXPECT_EQ(ask(ana, std::move(iq("set", "privacy", id()).add(std::move(tokens)))).attr("type"),
            "error");
  EXPECT_TRUE(violated("M46"));
}

TEST_F(Routing, M44JudgesChatStateAndCalls) {
  node::Node state("chatstate");
  state.set("to", node::Jid::pn(ben.jid.pn)).add(node::Node("composing"));
  say(ana, state);
  EXPECT_EQ(rules(), "");
  EXPECT_NE(ben.ear.last("chatstate").child("composing"), nullptr);
  state.add(node::Node("paused"));
  say(ana, state);
  EXPECT_TRUE(violated("M44"));
  forget();
  node::Node call("call");
  call.set("to", node::Jid::pn(ben.jid.pn)).set("id", id());
  say(ana, std::move(call.add(node::Node("reject").set("call-id", "1").set("count", "2"))));
  EXPECT_TRUE(violated("M44"));
}

// --- groups ---

class GroupRouting : public Routing {
 protected:
  node::Jid group;
  void SetUp() override {
    Routing::SetUp();
    node::Node create("create");
    create.set("subject", "Friends").set("key", "k1");
    create.add(node::Node("participant").set("jid", node::Jid::pn(ben.jid.pn)));
    node::Node request = iq("set", "w:g2", id());
    request.set("to", node::Jid{"", "g.us", 0}).add(std::move(create));
    const node::Node answer = ask(ana, std::move(request));
    ASSERT_NE(answer.child("group"), nullptr);
    group = {answer.child("group")->attr("id"), "g.us", 0};
  }
  std::string phash() {
    return participant_hash({node::Jid::lid(ana.account->lid), node::Jid::lid(ana.account->lid, 1),
                             node::Jid::lid(ben.account->lid),
                             node::Jid::lid(ben.account->lid, 1)});
  }
  node::Node to_group() {
    node::Node message("message");
    message.set("id", id()).set("to", group).set("type", "text").set("addressing_mode", "lid");
    message.set("phash", phash());
    node::Node participants("participants");
    participants.add(to_device(node::Jid::lid(ben.account->lid, 1), "msg", whisper()));
    message.add(std::move(participants));
    node::Node body = bytes_node("enc", sender_key_message());
    return std::move(message.add(std::move(body.set("v", "2").set("type", "skmsg"))));
  }
  node::Node group_iq(const char* type, node::Node content, bool to_server = false) {
    node::Node request = iq(type, "w:g2", id());
    request.set("to", to_server ? node::Jid{"", "g.us", 0} : group);
    return std::move(request.add(std::move(content)));
  }
};

TEST_F(GroupRouting, CreationIsToldToTheMembers) {
  const node::Node note = ben.ear.last("notification");
  EXPECT_EQ(note.attr("type"), "w:gp2");
  EXPECT_EQ(note.child("create")->child("group")->all("participant").size(), 2U);
  EXPECT_EQ(note.jid("participant"), node::Jid::lid(ana.account->lid));
  node::Node query("query");
  const node::Node info = ask(ben, group_iq("get", std::move(query.set("request", "interactive"))));
  EXPECT_EQ(info.child("group")->attr("addressing_mode"), "lid");
  EXPECT_EQ(info.child("group")->all("participant")[0]->attr("type"), "superadmin");
  const node::Node all = ask(ben, group_iq("get", node::Node("participating"), true));
  EXPECT_EQ(all.child("groups")->children().size(), 1U);
}

TEST_F(GroupRouting, AMessageReachesEveryDeviceOfEveryMember) {
  const node::Node ack = send(ana, to_group());
  EXPECT_FALSE(ack.has("error"));
  EXPECT_FALSE(ack.has("phash"));
  const node::Node got = ben.ear.last("message");
  EXPECT_EQ(got.jid("from"), group);
  EXPECT_EQ(got.jid("participant"), node::Jid::lid(ana.account->lid, 1));
  EXPECT_EQ(got.jid("participant_pn"), node::Jid::pn(ana.jid.pn));
  ASSERT_EQ(got.all("enc").size(), 2U);
  EXPECT_EQ(got.all("enc")[0]->attr("type"), "msg");
  EXPECT_EQ(got.all("enc")[1]->attr("type"), "skmsg");
  EXPECT_EQ(rules(), "");
}

TEST_F(GroupRouting, M15RefusesStrangers) {
  Companion& carl = pair("Carl");
  forget();
  EXPECT_EQ(send(carl, to_group()).attr("error"), "400");
  EXPECT_TRUE(violated("M15"));
}

TEST_F(GroupRouting, M16RefusesAStaleMode) {
  node::Node message = to_group();
  message.set("addressing_mode", "pn");
  std::erase_if(message.attrs, [](const node::Attr& attr) {
    return attr.key == "addressing_mode" && attr.value == node::AttrValue(std::string("lid"));
  });
  refused(message, "421", "M16");
}

TEST_F(GroupRouting, M17JudgesThePhash) {
  node::Node message = to_group();
  for (node::Attr& attr : message.attrs) {
    if (attr.key == "phash") attr.value = std::string("2:bad");
  }
  refused(message, "400", "M17");
  for (node::Attr& attr : message.attrs) {
    if (attr.key == "phash") attr.value = std::string("2:AAAAAAAA");
  }
  message.set("id", id());
  flagged(message, "M17");
  EXPECT_EQ(ana.ear.last("ack").attr("phash"), phash());
}

TEST_F(GroupRouting, M20RefusesMembersWhereOnlyAdminsSend) {
  ask(ana, group_iq("set", node::Node("announcement")));
  forget();
  EXPECT_EQ(send(ben, to_group()).attr("error"), "403");
  EXPECT_TRUE(violated("M20"));
}

TEST_F(GroupRouting, M25FlagsAnIterationThatIsUsedTwice) {
  node::Node message = to_group();
  Bytes first = sender_key_message();
  children(message)[1].bytes(first);
  send(ana, message);
  first.back() ^= 1;
  message = to_group();
  children(message)[1].bytes(first);
  flagged(message, "M25");
}

TEST_F(GroupRouting, MembersChangeAndAreTold) {
  Companion& carl = pair("Carl");
  node::Node add("add");
  add.add(node::Node("participant").set("jid", node::Jid::pn(carl.jid.pn)));
  add.add(node::Node("participant").set("jid", node::Jid::pn("15559999999")));
  const node::Node answer = ask(ana, group_iq("set", std::move(add)));
  EXPECT_EQ(answer.child("add")->all("participant")[1]->attr("error"), "404");
  EXPECT_NE(ben.ear.last("notification").child("add"), nullptr);
  EXPECT_NE(carl.ear.last("notification").child("create"), nullptr);
  node::Node promote("promote");
  promote.add(node::Node("participant").set("jid", node::Jid::lid(carl.account->lid)));
  EXPECT_EQ(ask(ben, group_iq("set", promote)).child("error")->attr("code"), "403");
  EXPECT_EQ(ask(ana, group_iq("set", promote)).attr("type"), "result");
  node::Node leave("leave");
  leave.add(node::Node("group").set("id", group.text()));
  EXPECT_EQ(ask(carl, group_iq("set", std::move(leave), true)).attr("type"), "result");
  EXPECT_NE(ben.ear.last("notification").child("remove"), nullptr);
  EXPECT_EQ(rules(), "");
}

TEST_F(GroupRouting, EmptySubjectIsNotAcceptable) {
  EXPECT_EQ(ask(ana, group_iq("set", node::Node("create"), true)).child("error")->attr("code"),
            "406");
}

}  // namespace
}  // namespace wab::sandbox
