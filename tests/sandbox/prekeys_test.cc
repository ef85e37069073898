#include <gtest/gtest.h>

#include "tests/sandbox/fixture.h"
#include "tests/sandbox/keys.h"

namespace wab::sandbox {
namespace {

class Prekeys : public SandboxFixture, public testing::Test {
 protected:
  Companion& ana = pair("Ana");
  Companion& ben = pair("Ben");
  void SetUp() override { ASSERT_EQ(rules(), ""); }
  node::Node fetch(const node::Jid& jid) {
    node::Node key("key");
    key.add(node::Node("user").set("jid", jid));
    return ask(ben, std::move(iq("get", "encrypt", id()).add(std::move(key))));
  }
  static node::Node::Children& children(node::Node& node) {
    return std::get<node::Node::Children>(node.content);
  }
  void expect_refused(node::Node request) {
    forget();
    EXPECT_EQ(ask(ana, std::move(request)).child("error")->attr("code"), "406");
    EXPECT_TRUE(violated("S6"));
  }
};

TEST_F(Prekeys, S5CountsWhatIsLeft) {
  node::Node count = ask(ana, std::move(iq("get", "encrypt", id()).add(node::Node("count"))));
  EXPECT_EQ(count.child("count")->attr("value"), "20");
  fetch(ana.jid.jid());
  count = ask(ana, std::move(iq("get", "encrypt", id()).add(node::Node("count"))));
  EXPECT_EQ(count.child("count")->attr("value"), "19");
}

TEST_F(Prekeys, EachOneTimeKeyIsHandedOutOnce) {
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    const node::Node answer =
        fetch(i % 2 == 0 ? ana.jid.jid() : node::Jid::lid(ana.account->lid, 1));
    const node::Node* user = answer.child("list")->child("user");
    ASSERT_NE(user->child("key"), nullptr);
    EXPECT_TRUE(seen.insert(to_hex(user->child("key")->child("value")->content_bytes())).second);
    EXPECT_NE(user->child("device-identity"), nullptr);
  }
  EXPECT_EQ(fetch(ana.jid.jid()).child("list")->child("user")->child("key"), nullptr);
}

TEST_F(Prekeys, S7TellsOnceWhenTheyRunLow) {
  for (int i = 0; i < 15; ++i) fetch(ana.jid.jid());
  EXPECT_EQ(ana.ear.count("notification"), 1U);
  const node::Node note = ana.ear.last("notification");
  EXPECT_EQ(note.attr("type"), "encrypt");
  EXPECT_EQ(note.child("count")->attr("value"), "9");
}

TEST_F(Prekeys, S6RefusesEachBentUpload) {
  node::Node request = upload(ana, 3);
  std::swap(children(request)[0], children(request)[1]);
  expect_refused(std::move(request));
  request = upload(ana, 3);
  children(request)[0].bytes(Bytes{0, 0, 0, 1});
  expect_refused(std::move(request));
  request = upload(ana, 3);
  children(request)[1].bytes(Bytes{6});
  expect_refused(std::move(request));
  request = upload(ana, 3);
  children(request)[2].bytes(Bytes(32, 9));
  expect_refused(std::move(request));
  request = upload(ana, 0);
  expect_refused(std::move(request));
  request = upload(ana, 2);
  children(request)[3].add(children(children(request)[3])[0]);
  expect_refused(std::move(request));
  request = upload(ana, 2);
  children(children(children(request)[3])[0])[1].bytes(Bytes(31, 1));
  expect_refused(std::move(request));
  ana.next_prekey = 1;
  expect_refused(upload(ana, 2));
  ana.next_prekey = 100;
  request = upload(ana, 2);
  children(children(request)[4])[2].bytes(Bytes(64, 1));
  expect_refused(std::move(request));
}

TEST_F(Prekeys, S8DigestFitsTheStoredKeys) {
  const node::Node answer =
      ask(ana, std::move(iq("get", "encrypt", id()).add(node::Node("digest"))));
  const node::Node* digest = answer.child("digest");
  ASSERT_NE(digest, nullptr);
  EXPECT_EQ(digest->child("list")->children().size(), 20U);
  EXPECT_EQ(digest->child("hash")->content_bytes().size(), 20U);
}

TEST_F(Prekeys, S9RotatesToANewSignedKeyOnly) {
  const auto fresh = signal::KeyPair::generate(random);
  SignedKey key{
      2, to_bytes(ByteView(fresh.pub)),
      to_bytes(ByteView(signal::sign(ana.identity.priv, signal::serialized(fresh.pub), random)))};
  const auto rotate = [&](const SignedKey& to) {
    node::Node change("rotate");
    change.add(skey_node(to));
    return ask(ana, std::move(iq("set", "encrypt", id()).add(std::move(change))));
  };
  EXPECT_EQ(rotate(key).attr("type"), "result");
  EXPECT_EQ(rotate(key).attr("type"), "result") << "the same again after an ambiguous failure";
  EXPECT_EQ(rules(), "");
  key.value[0] ^= 1;
  EXPECT_EQ(rotate(key).child("error")->attr("code"), "406");
  EXPECT_TRUE(violated("S9"));
  forget();
  const auto other = signal::KeyPair::generate(random);
  const SignedKey same_id{
      2, to_bytes(ByteView(other.pub)),
      to_bytes(ByteView(signal::sign(ana.identity.priv, signal::serialized(other.pub), random)))};
  EXPECT_EQ(rotate(same_id).child("error")->attr("code"), "409");
  EXPECT_TRUE(violated("S9"));
}

TEST_F(Prekeys, UnknownDevicesAreErrorsOfTheirOwn) {
  const node::Node answer = fetch(node::Jid::pn("15550100001", 9));
  EXPECT_EQ(answer.child("list")->child("user")->child("error")->attr("code"), "406");
  EXPECT_EQ(rules(), "");
}

TEST_F(Prekeys, M43RefusesAGroupAsUser) {
  EXPECT_EQ(fetch({"120363000000000001", "g.us", 0}).child("error")->attr("code"), "400");
  EXPECT_TRUE(violated("M43"));
}

// --- usync ---

node::Node usync(std::string id, node::Node protocol, node::Node user) {
  node::Node query("query");
  query.add(std::move(protocol));
  node::Node list("list");
  list.add(std::move(user));
  node::Node body("usync");
  body.set("sid", "s1").set("mode", "query").set("last", "true").set("index", "0");
  body.set("context", "message").add(std::move(query)).add(std::move(list));
  return std::move(iq("get", "usync", std::move(id)).add(std::move(body)));
}

node::Node devices_protocol() { return std::move(node::Node("devices").set("version", "2")); }

TEST_F(Prekeys, UsyncListsDevicesWithASignedIndex) {
  const node::Node answer = ask(
      ben,
      usync(id(), devices_protocol(), node::Node("user").set("jid", node::Jid::pn(ana.jid.pn))));
  const node::Node* user = answer.child("usync")->child("list")->child("user");
  const node::Node* list = user->child("devices")->child("device-list");
  ASSERT_EQ(list->all("device").size(), 2U);
  EXPECT_EQ(list->all("device")[1]->attr("key-index"), "1");
  EXPECT_EQ(list->attr("hash"),
            participant_hash({node::Jid::pn(ana.jid.pn), node::Jid::pn(ana.jid.pn, 1)}));
  EXPECT_FALSE(user->child("devices")->child("key-index-list")->content_bytes().empty());
}

TEST_F(Prekeys, UsyncOmitsWhoIsUnchanged) {
  node::Node user("user");
  user.set("jid", node::Jid::pn(ana.jid.pn));
  user.add(node::Node("devices").set(
      "device_hash", participant_hash({node::Jid::pn(ana.jid.pn), node::Jid::pn(ana.jid.pn, 1)})));
  const node::Node answer = ask(ben, usync(id(), devices_protocol(), std::move(user)));
  EXPECT_TRUE(answer.child("usync")->child("list")->children().empty());
}

TEST_F(Prekeys, UsyncFindsContactsByNumber) {
  node::Node user("user");
  user.add(node::Node("contact").text("+" + ana.jid.pn));
  node::Node answer = ask(ben, usync(id(), node::Node("contact"), std::move(user)));
  const node::Node* found = answer.child("usync")->child("list")->child("user");
  EXPECT_EQ(found->jid("jid")->user, ana.jid.pn);
  EXPECT_EQ(found->child("contact")->attr("type"), "in");
  node::Node stranger("user");
  stranger.add(node::Node("contact").text("+15559999999"));
  answer = ask(ben, usync(id(), node::Node("contact"), std::move(stranger)));
  EXPECT_EQ(answer.child("usync")->child("list")->child("user")->child("contact")->attr("type"),
            "out");
}

TEST_F(Prekeys, M40AndM41RefuseMalformedUsync) {
  node::Node request =
      usync(id(), devices_protocol(), node::Node("user").set("jid", ana.jid.jid()));
  EXPECT_EQ(ask(ben, std::move(request)).child("error")->attr("code"), "400");
  EXPECT_TRUE(violated("M41"));
  request =
      usync(id(), node::Node("nonsense"), node::Node("user").set("jid", ana.jid.jid().bare()));
  EXPECT_EQ(ask(ben, std::move(request)).child("error")->attr("code"), "400");
  EXPECT_TRUE(violated("M40"));
}

}  // namespace
}  // namespace wab::sandbox
