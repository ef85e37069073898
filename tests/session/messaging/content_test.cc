#include "session/messaging/content.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace wab::session {
namespace {

using Json = nlohmann::ordered_json;
using pb::Message;

struct Described {
  std::optional<EventContent> content;
  Json data = Json::object();
};

Described describe_all(const Message& message) {
  Described out;
  MessageInfo info;
  out.content = describe(unwrap(message), info, out.data);
  return out;
}

Message text(const char* body) {
  Message out;
  out.set_conversation(body);
  return out;
}

TEST(Content, PlainText) {
  const auto got = describe_all(text("Hi 👍"));
  ASSERT_TRUE(got.content);
  EXPECT_EQ(got.content->type, "message");
  EXPECT_EQ(got.content->kind, "text");
  EXPECT_EQ(got.data.dump(), R"({"kind":"text","text":{"body":"Hi 👍"}})");
}

TEST(Content, ExtendedTextWithQuoteMentionsAndAd) {
  Message message;
  auto& extended = *message.mutable_extended_text_message();
  extended.set_text("@15550100003 yes");
  auto& context = *extended.mutable_context_info();
  context.set_stanza_id("3EB0OLD");
  context.set_participant("15550100002@s.whatsapp.net");
  context.add_mentioned_jid("15550100003@s.whatsapp.net");
  context.set_is_forwarded(true);
  auto& ad = *context.mutable_external_ad_reply();
  ad.set_source_type("ad");
  ad.set_source_id("120200");
  ad.set_ctwa_clid("clid");
  const auto got = describe_all(message);
  EXPECT_EQ(got.data["text"]["body"], "@15550100003 yes");
  EXPECT_EQ(got.data["reply_to"]["message_id"], "3EB0OLD");
  EXPECT_EQ(got.data["reply_to"]["sender"], "15550100002@s.whatsapp.net");
  EXPECT_EQ(got.data["mentions"], Json::array({"15550100003@s.whatsapp.net"}));
  EXPECT_EQ(got.data["forwarded"], true);
  EXPECT_EQ(got.data["referral"]["ctwa_clid"], "clid");
}

TEST(Content, EveryWrapperIsOpened) {
  const struct {
    const char* name;
    pb::FutureProofMessage* (Message::*mutate)();
    bool view_once = false;
    bool ephemeral = false;
  } table[] = {
      {"ephemeral", &Message::mutable_ephemeral_message, false, true},
      {"view once", &Message::mutable_view_once_message, true},
      {"view once 2", &Message::mutable_view_once_message_v2, true},
      {"view once extension", &Message::mutable_view_once_message_v2_extension, true},
      {"caption", &Message::mutable_document_with_caption_message},
      {"edited", &Message::mutable_edited_message},
      {"group mention", &Message::mutable_group_mentioned_message},
      {"bot", &Message::mutable_bot_invoke_message},
      {"associated", &Message::mutable_associated_child_message},
      {"group status", &Message::mutable_group_status_message},
      {"spoiler", &Message::mutable_spoiler_message},
      {"question", &Message::mutable_question_message},
  };
  for (const auto& row : table) {
    Message outer;
    *(outer.*row.mutate)()->mutable_message() = text("inside");
    outer.mutable_message_context_info()->set_message_secret("secret");
    const auto inner = unwrap(outer);
    EXPECT_EQ(inner.message.conversation(), "inside") << row.name;
    EXPECT_EQ(inner.message.message_context_info().message_secret(), "secret") << row.name;
    EXPECT_EQ(inner.view_once, row.view_once) << row.name;
    EXPECT_EQ(inner.ephemeral, row.ephemeral) << row.name;
    EXPECT_EQ(describe_all(outer).data.value("view_once", false), row.view_once) << row.name;
  }
}

TEST(Content, OurOwnCopyTellsTheChat) {
  Message message = make_device_sent(text("from my phone"), node::Jid::lid("1000002"));
  const auto got = unwrap(message);
  EXPECT_EQ(got.destination, "1000002@lid");
  EXPECT_EQ(got.message.conversation(), "from my phone");
}

TEST(Content, TheInnerSecretWins) {
  Message inner = text("x");
  inner.mutable_message_context_info()->set_message_secret("inner");
  Message outer;
  *outer.mutable_ephemeral_message()->mutable_message() = inner;
  outer.mutable_message_context_info()->set_message_secret("outer");
  EXPECT_EQ(unwrap(outer).message.message_context_info().message_secret(), "inner");
}

// A sender decides how deep it nests: the reader decides how far it follows.
TEST(Content, DeepNestingIsBounded) {
  Message message = text("core");
  for (int depth = 0; depth < 200; ++depth) {
    Message outer;
    *outer.mutable_ephemeral_message()->mutable_message() = std::move(message);
    message = std::move(outer);
  }
  const auto got = describe_all(message);
  ASSERT_TRUE(got.content);
  EXPECT_EQ(got.content->kind, "unknown");
  // On the wire the parser refuses such a message before anybody copies it.
  Message again;
  EXPECT_FALSE(again.ParseFromString(message.SerializeAsString()));
}

TEST(Content, DeepEditsAreBounded) {
  Message message = text("core");
  for (int depth = 0; depth < 40; ++depth) {
    Message outer;
    outer.mutable_protocol_message()->set_type(pb::ProtocolMessage::MESSAGE_EDIT);
    *outer.mutable_protocol_message()->mutable_edited_message() = std::move(message);
    message = std::move(outer);
  }
  const auto got = describe_all(message);
  ASSERT_TRUE(got.content);
  EXPECT_EQ(got.content->type, "message.edited");
  EXPECT_EQ(got.data["kind"], "unknown");
}

TEST(Content, WhatNobodyKnowsKeepsItsBytes) {
  Message message;
  message.mutable_poll_creation_message()->set_name("?");
  const auto got = describe_all(message);
  ASSERT_TRUE(got.content);
  EXPECT_EQ(got.content->type, "message");
  const auto raw = from_base64(got.data["unknown"]["protobuf"].get<std::string>());
  ASSERT_TRUE(raw);
  EXPECT_EQ(wab::text(*raw), message.SerializeAsString());
}

TEST(Content, FieldsOfNewerClientsAreKeptToo) {
  Message message;
  ASSERT_TRUE(
      message.ParseFromString("\xfa\x7f\x03"
                              "abc"));  // field 2047, three bytes
  const auto got = describe_all(message);
  ASSERT_TRUE(got.content);
  EXPECT_EQ(got.content->kind, "unknown");
  EXPECT_EQ(wab::text(*from_base64(got.data["unknown"]["protobuf"].get<std::string>())),
            "\xfa\x7f\x03"
            "abc");
}

TEST(Content, Revoke) {
  Message message;
  auto& protocol = *message.mutable_protocol_message();
  protocol.set_type(pb::ProtocolMessage::REVOKE);
  protocol.mutable_key()->set_id("3EB0OLD");
  const auto got = describe_all(message);
  ASSERT_TRUE(got.content);
  EXPECT_EQ(got.content->type, "message.revoked");
  EXPECT_EQ(got.data["revoked"]["message_id"], "3EB0OLD");
}

TEST(Content, EditInItsWrapper) {
  Message edit;
  auto& protocol = *edit.mutable_protocol_message();
  protocol.set_type(pb::ProtocolMessage::MESSAGE_EDIT);
  protocol.mutable_key()->set_id("3EB0OLD");
  *protocol.mutable_edited_message() = text("better");
  Message message;
  *message.mutable_edited_message()->mutable_message() = edit;
  for (const auto& one : {edit, message}) {
    const auto got = describe_all(one);
    ASSERT_TRUE(got.content);
    EXPECT_EQ(got.content->type, "message.edited");
    EXPECT_EQ(got.content->kind, "text");
    EXPECT_EQ(got.data["edited"]["message_id"], "3EB0OLD");
    EXPECT_EQ(got.data["text"]["body"], "better");
  }
}

TEST(Content, ReactionsComeAndGo) {
  for (const char* emoji : {"👍", ""}) {
    Message message;
    message.mutable_reaction_message()->set_text(emoji);
    message.mutable_reaction_message()->mutable_key()->set_id("3EB0OLD");
    const auto got = describe_all(message);
    ASSERT_TRUE(got.content);
    EXPECT_EQ(got.content->type, "message.reaction");
    EXPECT_EQ(got.data["reaction"]["emoji"], emoji);
    EXPECT_EQ(got.data["reaction"]["removed"], *emoji == '\0');
    EXPECT_EQ(got.data["reaction"]["message_id"], "3EB0OLD");
    EXPECT_EQ(stanza_type(message), "reaction");
  }
}

TEST(Content, TrafficBetweenOwnDevicesMakesNoEvent) {
  Message message;
  message.mutable_protocol_message()->set_type(pb::ProtocolMessage::APP_STATE_SYNC_KEY_SHARE);
  EXPECT_FALSE(describe_all(message).content);
  Message untyped;
  untyped.mutable_protocol_message();
  EXPECT_FALSE(describe_all(untyped).content);
}

TEST(Content, LocationAndContacts) {
  Message location;
  location.mutable_location_message()->set_degrees_latitude(-23.5);
  location.mutable_location_message()->set_name("Office");
  const auto at = describe_all(location);
  EXPECT_EQ(at.content->kind, "location");
  EXPECT_EQ(at.data["location"]["latitude"], -23.5);
  EXPECT_EQ(at.data["location"]["name"], "Office");
  EXPECT_FALSE(at.data["location"].contains("address"));

  Message contacts;
  for (const char* name : {"Ana", "Bo"}) {
    contacts.mutable_contacts_array_message()->add_contacts()->set_display_name(name);
  }
  const auto people = describe_all(contacts);
  EXPECT_EQ(people.content->kind, "contacts");
  EXPECT_EQ(people.data["contacts"].size(), 2u);
}

TEST(Content, TextIsPlainUnlessItMustNotBe) {
  const Bytes secret(32, 7);
  TextContent plain;
  plain.body = "Hi";
  const Message one = make_text(plain, secret);
  EXPECT_EQ(one.conversation(), "Hi");
  EXPECT_FALSE(one.has_extended_text_message());
  EXPECT_EQ(one.message_context_info().message_secret().size(), 32u);
  EXPECT_EQ(stanza_type(one), "text");

  TextContent rich = plain;
  rich.reply_to = "3EB0OLD";
  rich.reply_to_sender = node::Jid::lid("1000002", 4);
  rich.mentions = {node::Jid::pn("15550100003", 2)};
  const Message two = make_text(rich, secret);
  EXPECT_FALSE(two.has_conversation());
  const auto& context = two.extended_text_message().context_info();
  EXPECT_EQ(context.stanza_id(), "3EB0OLD");
  EXPECT_EQ(context.participant(), "1000002@lid") << "a quoted author has no device";
  EXPECT_TRUE(context.has_quoted_message());
  ASSERT_EQ(context.mentioned_jid_size(), 1);
  EXPECT_EQ(context.mentioned_jid(0), "15550100003@s.whatsapp.net");
}

}  // namespace
}  // namespace wab::session
