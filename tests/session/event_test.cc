#include "session/event.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "tests/support/fake_store.h"

namespace wab::session {
namespace {

const OrgId kOrg(ByteArray<16>{1});
const SessionId kSession(ByteArray<16>{2});

KeyedHash hash_of(test::FakeStore& store) {
  return [&store](std::string_view purpose, ByteView data) {
    static storage::ScopeIssuer issuer = wab::test::any_issuer();
    return store.keyed_hash(issuer.organization(kOrg), purpose, data);
  };
}

EventSource source() {
  return {"15550100002@s.whatsapp.net", "15550100002@s.whatsapp.net", "3EB0A1", "message"};
}

EventDraft draft() {
  EventDraft out;
  out.type = "message";
  out.source = source();
  out.occurred_at = 1'795'000'000'123;
  out.data = R"({"message_id":"3EB0A1","kind":"text","text":{"body":"Ol\u00e1 \"you\" 👍"}})";
  return out;
}

TEST(Event, IdIsAFunctionOfItsSourceAlone) {
  test::FakeStore store;
  const auto hash = hash_of(store);
  const std::string id = event_id(hash, kOrg, kSession, source());
  EXPECT_EQ(id.size(), 4u + 32u);
  EXPECT_TRUE(id.starts_with("evt_"));
  EXPECT_EQ(event_id(hash, kOrg, kSession, source()), id);
  // What surrounds the source has no say: when, in which place, with what content.
  auto other = draft();
  other.occurred_at += 1000;
  other.data = "{}";
  other.type = "message.edited";
  EXPECT_EQ(render(draft(), 1, hash, kOrg, kSession).id, id);
  EXPECT_EQ(render(other, 99, hash, kOrg, kSession).id, id);
}

TEST(Event, EveryPartOfTheSourceSeparatesIds) {
  test::FakeStore store;
  const auto hash = hash_of(store);
  std::set<std::string> ids{event_id(hash, kOrg, kSession, source())};
  const auto add = [&](const OrgId& org, const SessionId& session, const EventSource& from) {
    EXPECT_TRUE(ids.insert(event_id(hash, org, session, from)).second);
  };
  for (std::string EventSource::*part :
       {&EventSource::chat, &EventSource::sender, &EventSource::stanza_id, &EventSource::kind}) {
    auto changed = source();
    changed.*part += "x";
    add(kOrg, kSession, changed);
  }
  add(OrgId(ByteArray<16>{9}), kSession, source());
  add(kOrg, SessionId(ByteArray<16>{9}), source());
  // Parts do not run into each other.
  add(kOrg, kSession, {"ab", "c", "", ""});
  add(kOrg, kSession, {"a", "bc", "", ""});
  add(kOrg, kSession, {"abc", "", "", ""});
  test::FakeStore elsewhere("another deployment");
  EXPECT_TRUE(ids.insert(event_id(hash_of(elsewhere), kOrg, kSession, source())).second);
}

TEST(Event, LaneIsTheChatOfTheSession) {
  test::FakeStore store;
  const auto hash = hash_of(store);
  auto other = draft();
  other.source.stanza_id = "another";
  other.source.sender = "somebody";
  const auto lane = render(draft(), 1, hash, kOrg, kSession).lane;
  EXPECT_EQ(render(other, 2, hash, kOrg, kSession).lane, lane);
  EXPECT_NE(render(draft(), 1, hash, kOrg, SessionId(ByteArray<16>{9})).lane, lane);
  other.source.chat = "1203630001@g.us";
  EXPECT_NE(render(other, 2, hash, kOrg, kSession).lane, lane);
}

// The bytes that receivers verify and cursors count on; a change of them is a new version.
TEST(Event, BodyIsGolden) {
  test::FakeStore store;
  const auto row = render(draft(), 17, hash_of(store), kOrg, kSession);
  std::ifstream file(WAB_SOURCE_DIR "/tests/golden/session/event_v1.json");
  std::string golden;
  ASSERT_TRUE(std::getline(file, golden));
  EXPECT_EQ(text(row.body), golden);
  EXPECT_EQ(row.seq, 17u);
  EXPECT_EQ(row.type, "message");
  EXPECT_EQ(row.at, 1'795'000'000'123);
}

}  // namespace
}  // namespace wab::session
