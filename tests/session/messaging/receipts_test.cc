#include "session/messaging/receipts.h"

#include <gtest/gtest.h>

namespace wab::session {
namespace {

using node::Jid;
using node::Node;
using node::to_xml;

const OwnIdentity kMe{Jid::pn("15550100001", 3), Jid::lid("1000001", 3)};

Node stanza(const char* tag, std::vector<std::pair<const char*, const char*>> attrs) {
  Node out(tag);
  out.set("id", "A1");
  for (const auto& [key, value] : attrs) {
    if (std::string_view(value).find('@') != std::string_view::npos) {
      out.set(key, *Jid::parse(value));
    } else {
      out.set(key, value);
    }
  }
  return out;
}

std::string ack_of(const Node& one, std::optional<int> error = std::nullopt) {
  const auto ack = make_ack(one, kMe, error);
  return ack ? to_xml(*ack) : "none";
}

// Dossier 1 section 13.1.
TEST(Receipts, AckCopiesWhatTheRulesSay) {
  EXPECT_EQ(ack_of(stanza("notification", {{"from", "1000002@lid"}, {"type", "devices"}})),
            "<ack class='notification' id='A1' to='1000002@lid' type='devices'/>");
  EXPECT_EQ(ack_of(stanza("receipt", {{"from", "120363000001@g.us"},
                                      {"participant", "1000002:4@lid"},
                                      {"type", "read"}})),
            "<ack class='receipt' id='A1' to='120363000001@g.us' participant='1000002:4@lid' "
            "type='read'/>");
  // The participant of a receipt is dropped when it is the sender itself.
  EXPECT_EQ(
      ack_of(stanza("receipt", {{"from", "1000002:4@lid"}, {"participant", "1000002:4@lid"}})),
      "<ack class='receipt' id='A1' to='1000002:4@lid'/>");
  EXPECT_EQ(ack_of(stanza("receipt", {{"from", "1000001@lid"}, {"recipient", "1000002@lid"}})),
            "<ack class='receipt' id='A1' to='1000001@lid' recipient='1000002@lid'/>");
  // Only the answer to a message names us.
  EXPECT_EQ(ack_of(stanza("message", {{"from", "1000002@lid"}, {"type", "text"}})),
            "<ack class='message' id='A1' to='1000002@lid' type='text' "
            "from='15550100001:3@s.whatsapp.net'/>");
  EXPECT_EQ(ack_of(stanza("message", {{"from", "1000002@lid"}}), 491),
            "<ack class='message' id='A1' to='1000002@lid' from='15550100001:3@s.whatsapp.net' "
            "error='491'/>");
}

TEST(Receipts, AckOfAnIdentityChangeHasNoType) {
  Node notice = stanza("notification", {{"from", "1000002@lid"}, {"type", "encrypt"}});
  EXPECT_NE(ack_of(notice).find("type='encrypt'"), std::string::npos);
  notice.add(Node("identity"));
  EXPECT_EQ(ack_of(notice).find("type="), std::string::npos);
}

TEST(Receipts, NothingToAnswerWithoutIdOrSender) {
  EXPECT_EQ(ack_of(Node("message").set("from", *Jid::parse("1@lid"))), "none");
  EXPECT_EQ(ack_of(Node("message").set("id", "A1")), "none");
}

// Dossier 2 section 9.2.
TEST(Receipts, DeliveryTable) {
  const struct {
    const char* what;
    std::vector<std::pair<const char*, const char*>> attrs;
    bool available;
    const char* xml;
  } table[] = {
      {"direct, shown as available",
       {{"from", "1000002:4@lid"}},
       true,
       "<receipt id='A1' to='1000002:4@lid'/>"},
      {"direct",
       {{"from", "1000002:4@lid"}},
       false,
       "<receipt id='A1' to='1000002:4@lid' type='inactive'/>"},
      {"group",
       {{"from", "120363000001@g.us"}, {"participant", "1000002:4@lid"}},
       false,
       "<receipt id='A1' to='120363000001@g.us' participant='1000002:4@lid' type='inactive'/>"},
      {"status is never inactive",
       {{"from", "status@broadcast"}, {"participant", "1000002@lid"}},
       false,
       "<receipt id='A1' to='status@broadcast' participant='1000002@lid' context='status'/>"},
      {"own copy",
       {{"from", "1000001:5@lid"}, {"recipient", "1000002@lid"}},
       false,
       "<receipt id='A1' to='1000001:5@lid' type='sender' recipient='1000002@lid'/>"},
      {"own group message",
       {{"from", "120363000001@g.us"}, {"participant", "1000001:5@lid"}},
       false,
       "<receipt id='A1' to='120363000001@g.us' participant='1000001:5@lid' type='sender'/>"},
      {"peer message",
       {{"from", "1000001@lid"}, {"category", "peer"}},
       false,
       "<receipt id='A1' to='1000001@lid' type='peer_msg'/>"},
      {"own message without a chat is only acknowledged",
       {{"from", "1000001@lid"}},
       true,
       "<ack class='message' id='A1' to='1000001@lid' from='15550100001:3@s.whatsapp.net'/>"},
      {"channel",
       {{"from", "120363000009@newsletter"}, {"type", "text"}},
       true,
       "<ack class='message' id='A1' to='120363000009@newsletter' type='text' "
       "from='15550100001:3@s.whatsapp.net'/>"},
  };
  for (const auto& row : table) {
    const Node one = stanza("message", row.attrs);
    const auto info = read_message_info(one, kMe);
    ASSERT_TRUE(info) << row.what;
    EXPECT_EQ(to_xml(make_delivery(one, *info, kMe, row.available)), row.xml) << row.what;
  }
}

// Dossier 2 sections 9.1 and 9.5.
TEST(Receipts, ReadsTicks) {
  const struct {
    const char* type;
    const char* status;
  } table[] = {{"", "delivered"},     {"inactive", "delivered"}, {"read", "read"},
               {"read-self", "read"}, {"played", "played"},      {"played-self", "played"},
               {"sender", ""},        {"peer_msg", ""},          {"retry", ""},
               {"server-error", ""},  {"enc_rekey_retry", ""},   {"hist_sync", ""}};
  for (const auto& row : table) {
    Node one = stanza("receipt", {{"from", "1000002:4@lid"}, {"t", "1795000000"}});
    one.set("type", row.type);
    const auto read = read_receipt(one, kMe);
    ASSERT_EQ(read.size(), 1u) << row.type;
    EXPECT_EQ(read[0].status, row.status) << row.type;
    EXPECT_EQ(read[0].ids, std::vector<std::string>{"A1"});
    EXPECT_EQ(read[0].chat.text(), "1000002@lid");
    EXPECT_EQ(read[0].from.text(), "1000002:4@lid");
    EXPECT_EQ(read[0].t, 1'795'000'000);
    EXPECT_FALSE(read[0].from_me);
  }
}

TEST(Receipts, ReadsLists) {
  Node one = stanza("receipt", {{"from", "1000002@lid"}, {"type", "read"}});
  Node list("list");
  list.add(Node("item").set("id", "A2")).add(Node("item")).add(Node("item").set("id", "A3"));
  one.add(std::move(list));
  const auto read = read_receipt(one, kMe);
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].ids, (std::vector<std::string>{"A1", "A2", "A3"}));
}

TEST(Receipts, HostileListsAreBounded) {
  Node one = stanza("receipt", {{"from", "1000002@lid"}, {"type", "read"}});
  Node list("list");
  for (int i = 0; i < 5000; ++i) list.add(Node("item").set("id", i + 1));
  one.add(std::move(list));
  EXPECT_EQ(read_receipt(one, kMe).at(0).ids.size(), 1024u);
}

TEST(Receipts, ReadsBothAggregatedForms) {
  const auto user = [](const char* jid, const char* type) {
    Node out("user");
    out.set("jid", *Jid::parse(jid)).set("t", "1795000001").set("type", type);
    return out;
  };
  Node by_type = stanza("receipt", {{"from", "120363000001@g.us"}, {"type", "read"}});
  by_type.add(Node("participants")
                  .set("key", "M1")
                  .add(user("1000002@lid", ""))
                  .add(user("1000001@lid", "")));
  Node by_message = stanza("receipt", {{"from", "120363000001@g.us"}});
  by_message.add(Node("participants")
                     .set("message_id", "M2")
                     .add(user("1000002@lid", "read"))
                     .add(user("1000003@lid", "inactive")));
  by_message.add(Node("participants").set("message_id", "M3").add(user("1000002@lid", "played")));

  const auto first = read_receipt(by_type, kMe);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].ids, std::vector<std::string>{"M1"});
  EXPECT_EQ(first[0].status, "read");
  EXPECT_EQ(first[0].t, 1'795'000'001);
  EXPECT_FALSE(first[0].from_me);
  EXPECT_TRUE(first[1].from_me);
  const auto second = read_receipt(by_message, kMe);
  ASSERT_EQ(second.size(), 3u);
  EXPECT_EQ(second[0].status, "read");
  EXPECT_EQ(second[1].status, "delivered");
  EXPECT_EQ(second[1].from.text(), "1000003@lid");
  EXPECT_EQ(second[2].status, "played");
  EXPECT_EQ(second[2].ids, std::vector<std::string>{"M3"});
}

TEST(Receipts, ALidThatCannotReceiveIsNotDelivered) {
  Node one = stanza("receipt", {{"from", "1000002@lid"}});
  one.add(Node("error").set("reason", "lid").set("type", "feature-incapable"));
  EXPECT_EQ(read_receipt(one, kMe).at(0).status, "");
}

TEST(Receipts, OurOwnOtherDeviceNamesTheChat) {
  const auto read = read_receipt(
      stanza("receipt",
             {{"from", "1000001:5@lid"}, {"recipient", "1000002@lid"}, {"type", "read"}}),
      kMe);
  ASSERT_EQ(read.size(), 1u);
  EXPECT_TRUE(read[0].from_me);
  EXPECT_EQ(read[0].chat.text(), "1000002@lid");
}

TEST(Receipts, NothingWithoutSenderOrIds) {
  EXPECT_TRUE(read_receipt(Node("receipt").set("id", "1"), kMe).empty());
  EXPECT_TRUE(read_receipt(Node("receipt").set("from", *Jid::parse("1@lid")), kMe).empty());
}

}  // namespace
}  // namespace wab::session
