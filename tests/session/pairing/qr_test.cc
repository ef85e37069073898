#include "session/pairing/qr.h"

#include <gtest/gtest.h>

#include "tests/session/pairing/pairing_fixtures.h"

namespace wab::session {
namespace {

using node::Jid;
using node::Node;
using std::chrono::seconds;
using testing::filled;
using testing::FixedRandom;
using testing::pair_of;
using testing::Phone;

Node pair_device(std::initializer_list<const char*> refs) {
  Node pair("pair-device");
  for (const char* ref : refs) pair.add(Node("ref").bytes(to_bytes(ref)));
  Node iq("iq");
  iq.set("from", Jid::server_jid()).set("type", "set").set("id", "12").set("xmlns", "md");
  iq.add(std::move(pair));
  return iq;
}

TEST(Qr, PayloadHasFivePartsBehindTheUrl) {
  const std::string text = qr_payload("2@abc", filled(1), filled(2), SecretKey32(filled(3)), '1');
  EXPECT_EQ(text,
            "https://wa.me/settings/linked_devices#2@abc,"
            "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=,"
            "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=,"
            "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=,1");
}

TEST(Qr, ClientTypeIsNotThePlatformNumber) {
  EXPECT_EQ(client_type_of(PlatformType::chrome), '1');
  EXPECT_EQ(client_type_of(PlatformType::edge), '2');
  EXPECT_EQ(client_type_of(PlatformType::firefox), '3');
  EXPECT_EQ(client_type_of(PlatformType::ie), '4');
  EXPECT_EQ(client_type_of(PlatformType::opera), '5');
  EXPECT_EQ(client_type_of(PlatformType::safari), '6');
  EXPECT_EQ(client_type_of(PlatformType::desktop), '7');
  EXPECT_EQ(client_type_of(PlatformType::uwp), '8');
  EXPECT_EQ(client_type_of(PlatformType::unknown), '9');
}

TEST(PairDevice, GivesRefsAndReply) {
  auto iq = pair_device({"2@a", "2@b"});
  const auto got = parse_pair_device(iq);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->refs, (std::vector<std::string>{"2@a", "2@b"}));
  EXPECT_EQ(got->reply,
            Node("iq").set("to", Jid::server_jid()).set("type", "result").set("id", "12"));
}

TEST(PairDevice, OnlyFromTheServerAndWellFormed) {
  EXPECT_FALSE(parse_pair_device(pair_device({})));
  auto two = pair_device({"2@a"});
  two.add(Node("more"));
  EXPECT_FALSE(parse_pair_device(two));
  Node foreign("iq");
  foreign.set("from", Jid::pn("15550100009")).set("type", "set").set("id", "12");
  foreign.add(Node("pair-device").add(Node("ref").bytes(to_bytes("2@a"))));
  EXPECT_FALSE(parse_pair_device(foreign));
  EXPECT_EQ(parse_pair_device(pair_device({"", "2@a,x", "2@b"}))->refs,
            std::vector<std::string>{"2@b"});
}

TEST(RefRotation, SixtySecondsThenTwentyEach) {
  const SteadyTime start{};
  RefRotation rotation({"a", "b", "c"}, start);
  EXPECT_EQ(*rotation.current(), "a");
  EXPECT_EQ(rotation.expires(), start + seconds(60));
  EXPECT_FALSE(rotation.advance(start + seconds(59)));
  EXPECT_TRUE(rotation.advance(start + seconds(60)));
  EXPECT_EQ(*rotation.current(), "b");
  EXPECT_EQ(rotation.expires(), start + seconds(80));
  EXPECT_FALSE(rotation.advance(start + seconds(79)));
  EXPECT_TRUE(rotation.advance(start + seconds(80)));
  EXPECT_EQ(*rotation.current(), "c");
  EXPECT_TRUE(rotation.advance(start + seconds(100)));
  EXPECT_TRUE(rotation.exhausted());
  EXPECT_EQ(rotation.current(), nullptr);
  EXPECT_FALSE(rotation.advance(start + seconds(1000)));
}

TEST(RefRotation, SixRefsLast160SecondsEvenWhenTheTimerIsLate) {
  const SteadyTime start{};
  const std::vector<std::string> refs(6, "2@x");
  RefRotation rotation(refs, start);
  EXPECT_TRUE(rotation.advance(start + seconds(159)));
  EXPECT_FALSE(rotation.exhausted());
  EXPECT_TRUE(rotation.advance(start + seconds(160)));
  EXPECT_TRUE(rotation.exhausted());
  EXPECT_TRUE(RefRotation().exhausted());
}

struct Pairing {
  Phone phone;
  signal::KeyPair identity = pair_of(0x33);
  SecretKey32 adv{filled(0x88)};
  FixedRandom random{0};

  PairOutcome verify(const Node& iq) { return verify_pair_success(iq, {identity, adv}, random); }
  PairOutcome verify() { return verify(phone.pair_success()); }
};

TEST(PairSuccess, IsSignedByteForByteAsRecorded) {
  Pairing pairing;
  const std::string signature =
      "39c31b2cb47151c21adb1dd378dfd1ec5786a8f93ab1370d7207b8acd0bbad209fbeefb0eda42319f0c6bbc1deb8"
      "072801828d0a9bee26d3c0a68c76847d588c";
  const std::string account = to_hex(pair_of(0x44).pub);
  const std::string inner = "0a0a" + testing::kDetails + "1220" + account + "1a40" + signature;
  const std::string hmac = "87346463f94c9064bd065052507111f12445d82c9e98bf3f7b1a302ac63d71dc";
  const Bytes content = *from_hex("0a70" + inner + "1220" + hmac);
  EXPECT_EQ(to_hex(pairing.phone.container(pairing.phone.identity())), to_hex(content));

  const auto outcome = pairing.verify(pairing.phone.pair_success(content));
  ASSERT_TRUE(outcome) << outcome.error().error.describe();
  const std::string device_signature =
      "74129c7f935e4e7c2aa745ff88f53b59438e7fc2dfda32463f8be87e1e0411e702bda09155f04025a3163bca6ab3"
      "6cb6329f3d7ebe60ae0bb30d962e84138082";
  const Node* sign = outcome->reply.child("pair-device-sign");
  ASSERT_NE(sign, nullptr);
  const Node* identity = sign->child("device-identity");
  ASSERT_NE(identity, nullptr);
  EXPECT_EQ(to_hex(identity->content_bytes()),
            "0a0a" + testing::kDetails + "1a40" + signature + "2240" + device_signature);
  EXPECT_EQ(identity->attr("key-index"), "1");
  EXPECT_EQ(outcome->reply.attr("id"), "77");
  EXPECT_EQ(outcome->reply.attr("type"), "result");
  EXPECT_TRUE(outcome->reply.jid("to")->is_server());
  EXPECT_EQ(to_hex(outcome->account), inner + "2240" + device_signature);
}

TEST(PairSuccess, GivesEverythingThatMustBeStored) {
  Pairing pairing;
  const auto outcome = pairing.verify();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->pn, Jid::pn("15550100001", 3));
  EXPECT_EQ(outcome->lid, Jid::lid("1000001", 3));
  EXPECT_EQ(outcome->primary_identity, pair_of(0x44).pub);
  EXPECT_EQ(outcome->platform, "smbi");
  EXPECT_TRUE(outcome->business_app);
  EXPECT_EQ(outcome->business_name, "Shop");
  EXPECT_EQ(outcome->lid_migrated, true);
  EXPECT_EQ(outcome->server_time, 1785000100);
  EXPECT_EQ(outcome->key_index, 1u);
}

TEST(PairSuccess, HostedAccountsUseTheirPrefixes) {
  Pairing pairing;
  pairing.phone.hosted_container = true;
  EXPECT_EQ(to_hex(view([&] {
              pb::ADVSignedDeviceIdentityHMAC out;
              out.ParseFromString(to_string(pairing.phone.container(pairing.phone.identity())));
              return out.hmac();
            }())),
            "d1ca393b72542532d885aae8ccde0ec5410478720ea8670c737e748cf45fb5d4");
  EXPECT_TRUE(pairing.verify());  // container hosted, device not: the account signs normally

  pairing.phone.details = *from_hex(testing::kDetails + "2801");
  ASSERT_FALSE(pairing.verify());
  pairing.phone.signed_as = AdvFamily::hosted;
  const auto outcome = pairing.verify();
  ASSERT_TRUE(outcome);
  pb::ADVSignedDeviceIdentity account;
  ASSERT_TRUE(account.ParseFromString(to_string(outcome->account)));
  EXPECT_TRUE(verify_device_signature(AdvFamily::e2ee, pairing.phone.details, pairing.identity.pub,
                                      pair_of(0x44).pub, view(account.device_signature())));
}

void expect_refusal(const PairOutcome& outcome, PairingError error, const char* code,
                    const char* text) {
  ASSERT_FALSE(outcome);
  EXPECT_TRUE(outcome.error().error.is(error)) << outcome.error().error.describe();
  const Node& reply = outcome.error().reply;
  EXPECT_EQ(reply.attr("type"), "error");
  EXPECT_EQ(reply.attr("id"), "77");
  EXPECT_TRUE(reply.jid("to")->is_server());
  ASSERT_NE(reply.child("error"), nullptr);
  EXPECT_EQ(reply.child("error")->attr("code"), code);
  EXPECT_EQ(reply.child("error")->attr("text"), text);
}

TEST(PairSuccess, WrongSecretIsAnHmacMismatch) {
  Pairing pairing;
  pairing.adv = SecretKey32(filled(0x89));
  expect_refusal(pairing.verify(), PairingError::hmac, "401", "hmac-mismatch");
}

TEST(PairSuccess, WrongAccountSignatureIsASignatureMismatch) {
  Pairing pairing;
  auto identity = pairing.phone.identity();
  identity.mutable_account_signature()->at(3) ^= 1;
  expect_refusal(pairing.verify(pairing.phone.pair_success(pairing.phone.container(identity))),
                 PairingError::account_signature, "401", "signature-mismatch");
  identity = pairing.phone.identity();
  identity.mutable_account_signature()->pop_back();
  expect_refusal(pairing.verify(pairing.phone.pair_success(pairing.phone.container(identity))),
                 PairingError::account_signature, "401", "signature-mismatch");
}

TEST(PairSuccess, SignatureForAnotherDeviceIsRefused) {
  Pairing pairing;
  pairing.identity = pair_of(0x34);
  expect_refusal(pairing.verify(), PairingError::account_signature, "401", "signature-mismatch");
}

TEST(PairSuccess, AccountKeyOfAWrongSizeIsInvalid) {
  Pairing pairing;
  auto identity = pairing.phone.identity();
  identity.mutable_account_signature_key()->push_back('x');
  expect_refusal(pairing.verify(pairing.phone.pair_success(pairing.phone.container(identity))),
                 PairingError::account_key, "401", "invalid-key");
}

TEST(PairSuccess, GarbageAndAbsencesAreInternalErrors) {
  Pairing pairing;
  const auto refuse = [&pairing](const Node& iq) {
    expect_refusal(pairing.verify(iq), PairingError::malformed, "500", "internal-error");
  };
  refuse(pairing.phone.pair_success(Bytes{}));
  refuse(pairing.phone.pair_success(Bytes{0x0a, 0x7f, 0x01}));
  pb::ADVSignedDeviceIdentity broken = pairing.phone.identity();
  broken.set_details("\x08");
  refuse(pairing.phone.pair_success(pairing.phone.container(broken)));
  // No keyIndex.
  pairing.phone.details = *from_hex("080110c0e093d306");
  refuse(pairing.phone.pair_success());
  pairing.phone.details = *from_hex(testing::kDetails);

  const auto without = [&pairing](std::string_view tag, auto&& change) {
    Node iq = pairing.phone.pair_success();
    auto& success = std::get<Node::Children>(iq.content).front();
    auto& children = std::get<Node::Children>(success.content);
    for (size_t i = 0; i < children.size(); ++i) {
      if (children[i].tag == tag && change(children[i])) {
        children.erase(children.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      }
    }
    return iq;
  };
  const auto erase = [](Node&) { return true; };
  refuse(without("device-identity", erase));
  refuse(without("device", erase));
  refuse(without("device", [](Node& device) {
    device.attrs.pop_back();  // no LID
    return false;
  }));
  refuse(without("device", [](Node& device) {
    device.attrs.front().value = Jid::pn("15550100001", 0);
    return false;
  }));
}

TEST(PairSuccess, ExtrasMayBeAbsentOrStrange) {
  Pairing pairing;
  Node iq = pairing.phone.pair_success();
  auto& success = std::get<Node::Children>(iq.content).front();
  auto& children = std::get<Node::Children>(success.content);
  children.resize(2);
  children.push_back(Node("client-props").bytes(Bytes{0xff}));
  children.push_back(Node("something-new"));
  iq.attrs.pop_back();  // t
  const auto outcome = pairing.verify(iq);
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->lid_migrated);
  EXPECT_FALSE(outcome->server_time);
  EXPECT_FALSE(outcome->business_app);
}

TEST(PairSuccess, IsOnlyTakenFromTheServer) {
  Pairing pairing;
  Node iq = pairing.phone.pair_success();
  EXPECT_TRUE(is_pair_success(iq));
  iq.attrs.front().value = Jid::pn("15550100009");
  EXPECT_FALSE(is_pair_success(iq));
  EXPECT_FALSE(pairing.verify(iq));
}

TEST(PairSuccess, AVetoIsAnInternalError) {
  const PairRefusal refusal = refuse_pairing(Phone().pair_success(), PairingError::vetoed);
  EXPECT_EQ(refusal.reply.child("error")->attr("code"), "500");
  EXPECT_EQ(refusal.reply.child("error")->attr("text"), "internal-error");
}

}  // namespace
}  // namespace wab::session
