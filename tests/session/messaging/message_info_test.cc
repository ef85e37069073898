#include "session/messaging/message_info.h"

#include <gtest/gtest.h>

namespace wab::session {
namespace {

using node::Jid;
using node::Node;

const OwnIdentity kMe{Jid::pn("15550100001", 3), Jid::lid("1000001", 3)};

Node stanza(std::vector<std::pair<const char*, const char*>> attrs) {
  Node out("message");
  out.set("id", "3EB0A1").set("t", 1'795'000'000);
  for (const auto& [key, value] : attrs) out.set(key, *Jid::parse(value));
  return out;
}

// Dossier 2 section 8.1.
TEST(MessageInfo, ChatAndSenderTable) {
  const struct {
    const char* what;
    std::vector<std::pair<const char*, const char*>> attrs;
    const char *chat, *sender, *kind;
    bool from_me;
    const char* sender_alt = "";
    const char* recipient_alt = "";
  } table[] = {
      {"from a phone",
       {{"from", "15550100002@s.whatsapp.net"}, {"sender_lid", "1000002@lid"}},
       "15550100002@s.whatsapp.net",
       "15550100002@s.whatsapp.net",
       "direct",
       false,
       "1000002@lid"},
      {"from a companion, by LID",
       {{"from", "1000002:7@lid"}, {"sender_pn", "15550100002@s.whatsapp.net"}},
       "1000002@lid",
       "1000002:7@lid",
       "direct",
       false,
       "15550100002@s.whatsapp.net"},
      {"another name of the same kind is none",
       {{"from", "1000002@lid"}, {"sender_lid", "1000003@lid"}},
       "1000002@lid",
       "1000002@lid",
       "direct",
       false},
      {"our own phone, by number",
       {{"from", "15550100001@s.whatsapp.net"},
        {"recipient", "15550100002@s.whatsapp.net"},
        {"peer_recipient_lid", "1000002@lid"}},
       "15550100002@s.whatsapp.net",
       "15550100001@s.whatsapp.net",
       "direct",
       true,
       "",
       "1000002@lid"},
      {"our own phone, by LID",
       {{"from", "1000001:5@lid"},
        {"recipient", "1000002@lid"},
        {"peer_recipient_pn", "15550100002@s.whatsapp.net"}},
       "1000002@lid",
       "1000001:5@lid",
       "direct",
       true,
       "",
       "15550100002@s.whatsapp.net"},
      {"our own phone, to itself",
       {{"from", "1000001@lid"}},
       "1000001@lid",
       "1000001@lid",
       "direct",
       true},
      {"group",
       {{"from", "120363000001@g.us"},
        {"participant", "1000002:2@lid"},
        {"participant_pn", "15550100002@s.whatsapp.net"}},
       "120363000001@g.us",
       "1000002:2@lid",
       "group",
       false,
       "15550100002@s.whatsapp.net"},
      {"group, by number",
       {{"from", "120363000001@g.us"},
        {"participant", "15550100002@s.whatsapp.net"},
        {"participant_lid", "1000002@lid"}},
       "120363000001@g.us",
       "15550100002@s.whatsapp.net",
       "group",
       false,
       "1000002@lid"},
      {"group, by ourselves",
       {{"from", "120363000001@g.us"}, {"participant", "1000001:9@lid"}},
       "120363000001@g.us",
       "1000001:9@lid",
       "group",
       true},
      {"status",
       {{"from", "status@broadcast"}, {"participant", "1000002@lid"}},
       "status@broadcast",
       "1000002@lid",
       "status",
       false},
      {"broadcast list",
       {{"from", "1700000000@broadcast"}, {"participant", "1000002@lid"}},
       "1700000000@broadcast",
       "1000002@lid",
       "broadcast",
       false},
      {"channel",
       {{"from", "120363000009@newsletter"}},
       "120363000009@newsletter",
       "120363000009@newsletter",
       "channel",
       false},
      {"hosted companion",
       {{"from", "15550100002:99@hosted"}},
       "15550100002@s.whatsapp.net",
       "15550100002:99@hosted",
       "direct",
       false},
      {"hosted companion, by LID",
       {{"from", "1000002:99@hosted.lid"}},
       "1000002@lid",
       "1000002:99@hosted.lid",
       "direct",
       false},
  };
  for (const auto& row : table) {
    const auto info = read_message_info(stanza(row.attrs), kMe);
    ASSERT_TRUE(info) << row.what;
    EXPECT_EQ(info->chat.text(), row.chat) << row.what;
    EXPECT_EQ(info->sender.text(), row.sender) << row.what;
    EXPECT_EQ(info->from_me, row.from_me) << row.what;
    EXPECT_STREQ(chat_kind(info->chat), row.kind) << row.what;
    EXPECT_EQ(info->sender_alt.value_or(Jid()).text(), row.sender_alt) << row.what;
    EXPECT_EQ(info->recipient_alt.value_or(Jid()).text(), row.recipient_alt) << row.what;
    EXPECT_EQ(info->t, 1'795'000'000) << row.what;
    EXPECT_FALSE(info->is_peer || info->offline) << row.what;
  }
}

TEST(MessageInfo, RefusesWhatNoRuleAllows) {
  EXPECT_FALSE(read_message_info(Node("message"), kMe));
  EXPECT_FALSE(read_message_info(Node("message").set("id", "1"), kMe));
  EXPECT_FALSE(read_message_info(Node("message").set("from", *Jid::parse("1@lid")), kMe));
  EXPECT_FALSE(read_message_info(stanza({{"from", "120363000001@g.us"}}), kMe));
  EXPECT_FALSE(read_message_info(stanza({{"from", "status@broadcast"}}), kMe));
  EXPECT_FALSE(
      read_message_info(stanza({{"from", "1000002@lid"}, {"recipient", "1000003@lid"}}), kMe));
}

TEST(MessageInfo, ReadsTheRest) {
  Node one = stanza({{"from", "1000001@lid"}});
  one.set("type", "text").set("notify", "Ana").set("category", "peer").set("edit", "1");
  one.set("offline", "3");
  const auto info = read_message_info(one, kMe);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->type, "text");
  EXPECT_EQ(info->push_name, "Ana");
  EXPECT_EQ(info->edit, "1");
  EXPECT_TRUE(info->is_peer);
  EXPECT_TRUE(info->offline);
}

TEST(MessageInfo, WithoutALidNobodyElseIsUs) {
  const OwnIdentity young{Jid::pn("15550100001", 3), Jid()};
  EXPECT_TRUE(young.is_me(Jid::pn("15550100001", 9)));
  EXPECT_FALSE(young.is_me(Jid::lid("1000001")));
  EXPECT_FALSE(young.is_me(Jid()));
}

}  // namespace
}  // namespace wab::session
