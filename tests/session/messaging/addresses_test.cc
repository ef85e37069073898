// Targets, hashes of device lists, both names of a person, and Signal state that moves with them.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <set>

#include "session/messaging/fanout.h"
#include "session/messaging/lid_map.h"
#include "session/messaging/send_target.h"
#include "session/messaging/signal_store.h"
#include "tests/support/fake_session_context.h"
#include "tests/support/run.h"

namespace wab::session {
namespace {

using node::Jid;
using storage::Kind;

TEST(SendTarget, Table) {
  const struct {
    const char* to;
    const char* jid;  // "": refused
  } table[] = {
      {"15550100002", "15550100002@s.whatsapp.net"},
      {"+1 555 010 0002", "15550100002@s.whatsapp.net"},
      {"+1 (555) 010-0002", "15550100002@s.whatsapp.net"},
      {"15550100002@s.whatsapp.net", "15550100002@s.whatsapp.net"},
      {"15550100002@c.us", "15550100002@s.whatsapp.net"},
      {"15550100002:7@s.whatsapp.net", "15550100002@s.whatsapp.net"},
      {"1000002@lid", "1000002@lid"},
      {"1000002:4@lid", "1000002@lid"},
      {"120363000001@g.us", "120363000001@g.us"},
      {"15550100002-1600000000@g.us", "15550100002-1600000000@g.us"},
      {"", ""},
      {"@", ""},
      {"@lid", ""},
      {"s.whatsapp.net", ""},
      {"@s.whatsapp.net", ""},
      {"ana", ""},
      {"ana@s.whatsapp.net", ""},
      {"status@broadcast", ""},
      {"120363000009@newsletter", ""},
      {"867051314767696@bot", ""},
      {"15550100002@example.org", ""},
      {"123", ""},
      {"0123456789", ""},
      {"1234567890123456", ""},
      {"15550100002@s.whatsapp.net@lid", ""},
      {"1555\n0100002", ""},
  };
  for (const auto& row : table) {
    const auto jid = parse_target(row.to);
    EXPECT_EQ(jid ? jid->text() : "", row.jid) << row.to;
  }
  EXPECT_FALSE(parse_target(std::string(100'000, '1')));
}

// Dossier 2 section 14.
TEST(Fanout, ParticipantHashVectors) {
  EXPECT_EQ(participant_hash(
                {Jid::pn("5511999990000"), Jid::pn("5511999990000", 12), Jid::pn("5511888880000")}),
            "2:3RMZgDO+");
  EXPECT_EQ(participant_hash({Jid::lid("100000000000002"), Jid::lid("100000000000001", 3),
                              Jid::lid("100000000000001")}),
            "2:9fGgpAnR");
}

TEST(Fanout, MessageIdsHaveTheFormOfAWebClient) {
  test::SeededRandom random;
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto id = make_message_id(1'795'000'000, Jid::pn("15550100001"), random);
    EXPECT_EQ(id.size(), 22u);
    EXPECT_TRUE(id.starts_with("3EB0"));
    EXPECT_EQ(id.find_first_not_of("0123456789ABCDEF"), std::string::npos) << id;
    EXPECT_TRUE(seen.insert(id).second);
  }
}

class StateTest : public testing::Test {
 public:
  void run(std::function<awaitable<void>()> body) { test::run_on(loop, std::move(body)); }
  boost::asio::io_context loop{1};
  test::FakeSessionContext context{loop.get_executor()};
  Overlay overlay{context};
};

const Jid kPn = Jid::pn("15550100002");
const Jid kLid = Jid::lid("1000002");

awaitable<std::string> other(Change& change, Jid bare) {
  auto found = co_await other_name(change, std::move(bare));
  co_return found&&* found ? (*found)->text() : "none";
}

awaitable<void> learns(StateTest& t) {
  Change change(t.overlay);
  auto learned = co_await learn_pair(change, kPn.with_device(3), kLid.with_device(3), 100);
  EXPECT_TRUE(learned);
  const auto lid = co_await other(change, kPn);
  const auto pn = co_await other(change, kLid.with_device(9));
  EXPECT_EQ(lid, "1000002@lid");
  EXPECT_EQ(pn, "15550100002@s.whatsapp.net");
  // Known already: nothing is written again. The order does not matter.
  t.overlay.apply(std::move(change));
  Change again(t.overlay);
  learned = co_await learn_pair(again, kLid, kPn, 200);
  EXPECT_TRUE(again.empty());
  // Two of a kind are no pair.
  learned = co_await learn_pair(again, kPn, Jid::pn("15550100003"), 200);
  learned = co_await learn_pair(again, kLid, Jid::lid("1000003"), 200);
  EXPECT_TRUE(learned && again.empty());
  // A number that changed hands: the newest pair counts.
  learned = co_await learn_pair(again, kPn, Jid::lid("1000009"), 300);
  const auto moved = co_await other(again, kPn);
  EXPECT_EQ(moved, "1000009@lid");
}
TEST_F(StateTest, LidMapLearnsBothDirections) {
  run([this] { return learns(*this); });
}

awaitable<std::string> signal_text(Change& change, Jid device) {
  auto found = co_await signal_jid(change, std::move(device));
  co_return found ? found->text() : "error";
}

awaitable<void> signal_addresses(StateTest& t) {
  Change change(t.overlay);
  const auto unknown = co_await signal_text(change, kPn.with_device(2));
  EXPECT_EQ(unknown, "15550100002:2@s.whatsapp.net");
  auto learned = co_await learn_pair(change, kPn, kLid, 100);
  EXPECT_TRUE(learned);
  const auto known = co_await signal_text(change, kPn.with_device(2));
  EXPECT_EQ(known, "1000002:2@lid");
  const auto already = co_await signal_text(change, kLid.with_device(2));
  EXPECT_EQ(already, "1000002:2@lid");
  Jid hosted{"15550100002", std::string(node::kHostedServer), 99};
  const auto hosted_text = co_await signal_text(change, std::move(hosted));
  EXPECT_EQ(hosted_text, "1000002:99@hosted.lid");
}
TEST_F(StateTest, SignalStateIsKeptUnderTheLid) {
  run([this] { return signal_addresses(*this); });
}

TEST(SignalStore, AddressNames) {
  EXPECT_EQ(address_name(Jid::pn("15550100002", 3)), "15550100002.3");
  EXPECT_EQ(address_name(Jid::lid("1000002")), "1000002_1.0");
  EXPECT_EQ(address_name({"15550100002", std::string(node::kHostedServer), 99}),
            "15550100002_128.99");
  EXPECT_EQ(sender_key_name(*Jid::parse("120363000001@g.us"), Jid::lid("1000002", 3)),
            "120363000001@g.us::1000002_1.3");
}

signal::SessionRecord record_with_session(test::SeededRandom& random) {
  signal::Identity me{signal::KeyPair::generate(random), 5};
  const auto their_identity = signal::KeyPair::generate(random);
  const auto signed_prekey = make_signed_prekey(1, their_identity, 1, random);
  signal::PreKeyBundle bundle;
  bundle.registration_id = 77;
  bundle.identity = their_identity.pub;
  bundle.signed_id = 1;
  bundle.signed_pub = signed_prekey.keys.pub;
  bundle.signature = signed_prekey.signature;
  signal::SessionRecord record;
  EXPECT_TRUE(signal::start_outgoing(record, me, bundle, random));
  return record;
}

awaitable<void> moves(StateTest& t) {
  test::SeededRandom random(5);
  const Jid pn = kPn.with_device(2), lid = kLid.with_device(2);
  const auto group = *Jid::parse("120363000001@g.us");
  const auto record = record_with_session(random);
  {
    Change change(t.overlay);
    store_session(change, pn, record);
    store_identity(change, pn, Key32{9});
    store_sender_key(change, group, pn, signal::SenderKeyRecord());
    auto learned = co_await learn_pair(change, kPn, kLid, 100);
    EXPECT_TRUE(learned);
    t.overlay.apply(std::move(change));
  }
  Change change(t.overlay);
  auto moved = co_await load_session(change, lid);
  EXPECT_TRUE(moved && signal::has_session(*moved));
  EXPECT_EQ(moved->to_bytes(), record.to_bytes());
  auto identity = co_await load_identity(change, lid);
  EXPECT_TRUE(identity && *identity && **identity == Key32{9});
  auto key = co_await load_sender_key(change, group, lid);
  EXPECT_TRUE(key);
  // What was moved is gone from the old place: no second ratchet stays behind.
  for (const Kind kind : {Kind::signal_session, Kind::peer_identity}) {
    storage::Key old_key{kind, address_name(pn)};
    auto old = co_await change.get(std::move(old_key));
    EXPECT_TRUE(old && !*old) << static_cast<int>(kind);
  }
  storage::Key old_key{Kind::sender_key, sender_key_name(group, pn)};
  auto old = co_await change.get(std::move(old_key));
  EXPECT_TRUE(old && !*old);
  // Another device of the same person has nothing.
  auto empty = co_await load_session(change, kLid.with_device(3));
  EXPECT_TRUE(empty && !signal::has_session(*empty));
}
TEST_F(StateTest, StateOfANumberMovesToItsLid) {
  run([this] { return moves(*this); });
}

awaitable<void> damaged(StateTest& t) {
  Change change(t.overlay);
  change.put(Kind::signal_session, address_name(kLid), to_bytes(view("rubbish")));
  auto session = co_await load_session(change, kLid);
  EXPECT_FALSE(session) << "damage was taken for absence";
  auto absent = co_await load_session(change, kPn);
  EXPECT_TRUE(absent && !signal::has_session(*absent));
}
TEST_F(StateTest, DamageIsNotAbsence) {
  run([this] { return damaged(*this); });
}

awaitable<void> prekeys(StateTest& t) {
  test::SeededRandom random;
  const auto pair = signal::KeyPair::generate(random);
  Change change(t.overlay);
  store_prekey(change, 7, pair);
  auto found = co_await load_prekey(change, 7);
  EXPECT_TRUE(found && *found && (*found)->pub == pair.pub);
  erase_prekey(change, 7);
  found = co_await load_prekey(change, 7);
  EXPECT_TRUE(found && !*found);
}
TEST_F(StateTest, PrekeysAreUsedOnce) {
  run([this] { return prekeys(*this); });
}

}  // namespace
}  // namespace wab::session
