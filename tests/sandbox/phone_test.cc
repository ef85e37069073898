#include "tests/sandbox/phone.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/sandbox/faults.h"
#include "tests/sandbox/fixture.h"

namespace wab::sandbox {
namespace {

struct Seen {
  Direction direction;
  DeviceJid device;
  node::Node node;
};

class PhoneTest : public ::testing::Test {
 protected:
  PhoneTest() : world(clock, random), phones(world) {
    world.set_faults(&faults);
    world.on_stanza([this](const StanzaEvent& event) {
      seen.push_back({event.direction, event.device, *event.node});
    });
  }

  Phone& make(const std::string& pn, const std::string& name) {
    world.create_account(pn, name);
    phones.pump();
    return *phones.find(pn);
  }
  static node::Jid jid(Phone& phone) { return node::Jid::pn(phone.account().pn); }
  std::string say(Phone& from, const node::Jid& to, const std::string& body) {
    std::string id = from.send(to, text_message({body, {}, {}, {}}));
    phones.pump();
    return id;
  }
  std::vector<std::string> texts(const Phone& phone) {
    std::vector<std::string> out;
    for (const InboxMessage& one : phone.inbox()) out.push_back(one.content.text);
    return out;
  }
  static bool has_receipt(const Phone& phone, const std::string& id, const std::string& type) {
    return std::ranges::any_of(
        phone.receipts(), [&](const SeenReceipt& one) { return one.id == id && one.type == type; });
  }
  // Types of the encs in the messages that a phone sent, in order.
  std::vector<std::string> sent_encs(const Phone& phone, const std::string& pn) {
    std::vector<std::string> out;
    (void)phone;
    for (const Seen& one : seen) {
      if (one.direction != Direction::to_server || one.device.pn != pn || one.node.tag != "message")
        continue;
      const node::Node* list = one.node.child("participants");
      if (list != nullptr) {
        for (const node::Node* to : list->all("to")) out.push_back(to->child("enc")->attr("type"));
      }
      for (const node::Node* enc : one.node.all("enc")) out.push_back(enc->attr("type"));
    }
    return out;
  }
  // Also counts what a phone still owes an answer to.
  std::string all_violations() {
    std::string out;
    for (const Account* account : world.accounts()) {
      for (const DeviceInfo& device : world.devices(*account)) {
        if (device.queued != 0) out += device.jid.text() + " owes answers\n";
      }
    }
    for (const Violation& one : world.violations()) {
      out += one.rule + " " + one.device.text() + ": " + one.text + "\n";
    }
    return out;
  }
  node::Jid group(Phone& creator, const std::vector<node::Jid>& members) {
    std::optional<node::Jid> made;
    creator.create_group("Team", members,
                         [&](std::optional<node::Jid> id) { made = std::move(id); });
    phones.pump();
    EXPECT_TRUE(made);
    return made.value_or(node::Jid{});
  }

  ManualClock clock;
  SeededRandom random;
  Faults faults;
  World world;
  Phones phones;
  std::vector<Seen> seen;
};

TEST_F(PhoneTest, FirstMessageIsPkmsgAndTheAnswerEndsThat) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  const std::string id = say(ana, jid(ben), "hello");
  ASSERT_EQ(texts(ben), std::vector<std::string>{"hello"});
  const InboxMessage& got = ben.inbox().front();
  EXPECT_EQ(got.id, id);
  EXPECT_EQ(got.chat.text(), "15550100001@s.whatsapp.net");
  EXPECT_EQ(got.sender.text(), "15550100001@s.whatsapp.net");
  EXPECT_EQ(got.content.kind, "text");
  EXPECT_FALSE(got.from_me);
  EXPECT_EQ(got.timestamp, world.now_s());
  EXPECT_TRUE(has_receipt(ana, id, "delivery"));
  EXPECT_EQ(ana.sent(id)->state, SentMessage::State::acknowledged);
  EXPECT_EQ(sent_encs(ana, "15550100001"), std::vector<std::string>{"pkmsg"});

  say(ana, jid(ben), "still unanswered");
  EXPECT_EQ(sent_encs(ana, "15550100001").back(), "pkmsg");
  say(ben, jid(ana), "hi");
  EXPECT_EQ(texts(ana), std::vector<std::string>{"hi"});
  say(ana, jid(ben), "answered");
  EXPECT_EQ(sent_encs(ana, "15550100001").back(), "msg");
  EXPECT_EQ(sent_encs(ben, "15550100002").back(), "msg");
  EXPECT_TRUE(ana.idle());
  EXPECT_EQ(all_violations(), "");
}

TEST_F(PhoneTest, StanzasAreAddressedByLidWithoutMixing) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  say(ana, jid(ben), "hello");
  const auto found = std::ranges::find_if(seen, [](const Seen& one) {
    return one.node.tag == "message" && one.direction == Direction::to_server;
  });
  ASSERT_NE(found, seen.end());
  EXPECT_EQ(found->node.attr("to"), ben.account().lid + "@lid");
  const node::Node* to = found->node.child("participants")->child("to");
  EXPECT_EQ(to->attr("jid"), ben.account().lid + "@lid");
  EXPECT_EQ(found->node.attr("peer_recipient_pn"), "15550100002@s.whatsapp.net");
  EXPECT_FALSE(found->node.has("phash"));
}

TEST_F(PhoneTest, AnUnmigratedAccountWritesToPhoneNumbers) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  ana.account().lid_migrated = false;
  say(ana, jid(ben), "old ways");
  EXPECT_EQ(texts(ben), std::vector<std::string>{"old ways"});
  say(ben, jid(ana), "new ways");
  EXPECT_EQ(texts(ana), std::vector<std::string>{"new ways"});
  EXPECT_EQ(all_violations(), "");
}

TEST_F(PhoneTest, LongAlternationStaysReadable) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  std::vector<std::string> to_ben, to_ana;
  for (int i = 0; i < 200; ++i) {
    Phone& from = random.below(2) == 0 ? ana : ben;
    Phone& to = &from == &ana ? ben : ana;
    (&to == &ben ? to_ben : to_ana).push_back("m" + std::to_string(i));
    say(from, jid(to), "m" + std::to_string(i));
  }
  EXPECT_EQ(texts(ben), to_ben);
  EXPECT_EQ(texts(ana), to_ana);
  EXPECT_EQ(all_violations(), "");
}

TEST_F(PhoneTest, ManyAtOnceArriveInOrderAndPrekeysAreRefilled) {
  Phone& ben = make("15550100002", "Ben");
  for (int i = 0; i < 60; ++i) {
    Phone& one = make(std::to_string(15550200000 + i), "User" + std::to_string(i));
    one.send(jid(ben), text_message({"from " + std::to_string(i), {}, {}, {}}));
  }
  phones.pump();
  EXPECT_EQ(ben.inbox().size(), 60u);
  EXPECT_GE(world.devices(ben.account()).at(0).prekeys, world.settings().low_prekeys);
  // Every first message found a one-time prekey.
  for (const Seen& one : seen) {
    const node::Node* list = one.node.tag == "iq" ? one.node.child("list") : nullptr;
    if (list == nullptr || one.direction != Direction::to_device) continue;
    for (const node::Node* user : list->all("user")) EXPECT_NE(user->child("key"), nullptr);
  }
  EXPECT_EQ(all_violations(), "");
}

TEST_F(PhoneTest, GroupMessagesReachAllMembersWithOneDistribution) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  Phone& cyd = make("15550100003", "Cyd");
  const node::Jid team = group(ana, {jid(ben), jid(cyd)});
  say(ana, team, "one");
  say(ana, team, "two");
  say(ben, team, "three");
  EXPECT_EQ(texts(cyd), (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(texts(ben), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(texts(ana), std::vector<std::string>{"three"});
  EXPECT_EQ(cyd.inbox().back().chat, team);
  EXPECT_EQ(cyd.inbox().back().sender.text(), "15550100002@s.whatsapp.net");
  EXPECT_EQ(sent_encs(ana, "15550100001"),
            (std::vector<std::string>{"pkmsg", "pkmsg", "skmsg", "skmsg"}));
  EXPECT_EQ(all_violations(), "");
}

TEST_F(PhoneTest, ALostSessionHealsByRetry) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  say(ana, jid(ben), "one");
  say(ben, jid(ana), "two");
  say(ana, jid(ben), "three");
  ben.lose_sessions();
  const std::string id = say(ana, jid(ben), "four");
  EXPECT_EQ(texts(ben), (std::vector<std::string>{"one", "three", "four"}));
  EXPECT_TRUE(has_receipt(ana, id, "retry"));
  EXPECT_TRUE(has_receipt(ana, id, "delivery"));
  // The second request brings keys, the first does not.
  std::string asked;
  for (const Seen& one : seen) {
    const node::Node* retry = one.node.child("retry");
    if (one.direction != Direction::to_server || retry == nullptr) continue;
    asked += retry->attr("count") + (one.node.child("keys") != nullptr ? "+keys " : " ");
  }
  EXPECT_EQ(asked, "1 2+keys ");
  say(ana, jid(ben), "five");
  say(ben, jid(ana), "six");
  EXPECT_EQ(texts(ben).back(), "five");
  EXPECT_EQ(texts(ana).back(), "six");
  EXPECT_EQ(all_violations(), "");
}

TEST_F(PhoneTest, BothSidesLosingEverythingHeals) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  say(ana, jid(ben), "one");
  say(ben, jid(ana), "two");
  ana.lose_sessions();
  ben.lose_sessions();
  say(ana, jid(ben), "three");
  say(ben, jid(ana), "four");
  EXPECT_EQ(texts(ben).back(), "three");
  EXPECT_EQ(texts(ana).back(), "four");
  EXPECT_EQ(all_violations(), "");
}

TEST_F(PhoneTest, ALostSenderKeyHealsByRetry) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  const node::Jid team = group(ana, {jid(ben)});
  say(ana, team, "one");
  ben.lose_sessions();
  const std::string id = say(ana, team, "two");
  EXPECT_EQ(texts(ben), (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(has_receipt(ana, id, "retry"));
  say(ana, team, "three");
  EXPECT_EQ(texts(ben).back(), "three");
  EXPECT_EQ(all_violations(), "");
}

TEST_F(PhoneTest, ReorderedAndDuplicatedMessagesAreReadOnce) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  say(ana, jid(ben), "zero");
  say(ben, jid(ana), "back");
  FaultRule mess;
  mess.account = "15550100002";
  mess.device = 0;
  mess.direction = Direction::to_device;
  mess.tag = "message";
  FaultRule twice = mess;
  mess.reorder = true;
  mess.probability = 0.4;
  mess.seed = 11;
  twice.copies = 2;
  twice.probability = 0.3;
  twice.seed = 12;
  faults.add(mess);
  faults.add(twice);
  std::vector<std::string> expected{"zero"};
  for (int i = 0; i < 60; ++i) {
    expected.push_back("m" + std::to_string(i));
    say(ana, jid(ben), expected.back());
  }
  faults.clear();
  expected.push_back("last");
  say(ana, jid(ben), "last");
  auto got = texts(ben);
  EXPECT_NE(got, expected) << "nothing was reordered";
  std::ranges::sort(got);
  std::ranges::sort(expected);
  EXPECT_EQ(got, expected);
  for (const Violation& one : world.violations()) {
    // Two receipts for two deliveries are the price of the second copy.
    EXPECT_TRUE(one.rule == "C3" || one.rule == "C4" || one.rule == "M31") << all_violations();
  }
}

TEST_F(PhoneTest, WhatTheServerSwallowedIsSaidAgain) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  FaultRule lose;
  lose.account = "15550100001";
  lose.device = 0;
  lose.direction = Direction::to_server;
  lose.count = 2;  // the usync, then the message
  lose.drop = true;
  faults.add(lose);
  const std::string id = say(ana, jid(ben), "persistent");
  for (int i = 0; i < 40 && !ana.idle(); ++i) {
    clock.at += 1'000;
    world.tick();
    phones.tick();
  }
  EXPECT_EQ(texts(ben), std::vector<std::string>{"persistent"});
  EXPECT_EQ(ana.sent(id)->state, SentMessage::State::acknowledged);
  EXPECT_EQ(all_violations(), "");
}

TEST_F(PhoneTest, AnUnknownNumberFailsTheMessage) {
  Phone& ana = make("15550100001", "Ana");
  const std::string id = say(ana, node::Jid::pn("15559999999"), "anybody?");
  EXPECT_EQ(ana.sent(id)->state, SentMessage::State::failed);
  EXPECT_TRUE(ana.idle());
}

TEST_F(PhoneTest, ContentKindsAreAnnouncedAndUnderstood) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  const std::string first = say(ana, jid(ben), "hello");
  const MessageKey theirs{jid(ana).text(), false, first, ""};
  const MessageKey mine{jid(ben).text(), true, first, ""};
  const auto send = [&](Phone& from, Phone& to, Bytes message) {
    from.send(jid(to), std::move(message));
    phones.pump();
    return to.inbox().back();
  };
  auto got = send(ben, ana, reaction_message(theirs, "👍", world.now_ms()));
  EXPECT_EQ(got.content.kind, "reaction");
  EXPECT_EQ(got.content.target, first);
  EXPECT_EQ(got.content.text, "👍");
  got = send(ana, ben, edit_message(mine, "hello there", world.now_ms()));
  EXPECT_EQ(got.content.kind, "edit");
  EXPECT_EQ(got.content.text, "hello there");
  got = send(ben, ana, text_message({"indeed", theirs, "hello", {}}));
  EXPECT_EQ(got.content.kind, "text");
  EXPECT_EQ(got.content.quoted, first);
  got = send(ana, ben, location_message(48.2, 16.37, "Vienna"));
  EXPECT_EQ(got.content.kind, "location");
  EXPECT_EQ(got.content.text, "Vienna");
  got = send(ana, ben, poll_message("Lunch?", {"yes", "no"}, 1));
  EXPECT_EQ(got.content.kind, "poll");
  EXPECT_TRUE(got.content.has_secret);
  got = send(ana, ben, contact_message("Cyd", "BEGIN:VCARD\nEND:VCARD"));
  EXPECT_EQ(got.content.kind, "contact");
  got = send(ana, ben, revoke_message(mine));
  EXPECT_EQ(got.content.kind, "revoke");
  EXPECT_EQ(got.content.target, first);
  EXPECT_EQ(all_violations(), "");
}

TEST_F(PhoneTest, ReadMarksReachTheAuthor) {
  Phone& ana = make("15550100001", "Ana");
  Phone& ben = make("15550100002", "Ben");
  const node::Jid team = group(ana, {jid(ben)});
  const std::string direct = say(ana, jid(ben), "hello");
  const std::string shared = say(ana, team, "all");
  EXPECT_TRUE(ben.mark(direct, "read"));
  EXPECT_TRUE(ben.mark(shared, "read"));
  EXPECT_FALSE(ben.mark("3EB0NONE", "read"));
  phones.pump();
  EXPECT_TRUE(has_receipt(ana, direct, "read"));
  EXPECT_TRUE(has_receipt(ana, shared, "read"));
  EXPECT_EQ(all_violations(), "");
}

}  // namespace
}  // namespace wab::sandbox
