// Phones and a companion that is driven by hand: pairing, own copies, and what a phone holds
// against a client.
#include <gtest/gtest.h>

#include "session/signal/kdf.h"
#include "session/signal/padding.h"
#include "tests/sandbox/fields.h"
#include "tests/sandbox/fixture.h"
#include "tests/sandbox/keys.h"
#include "tests/sandbox/phone.h"
#include "tests/sandbox/phone_pairing.h"
#include "tests/sandbox/rules.h"

namespace wab::sandbox {
namespace {

class PhoneCompanion : public ::testing::Test, protected SandboxFixture {
 protected:
  PhoneCompanion()
      : phones(world), companion(make_companion()), keys(companion.identity, 4711, random) {
    world.create_account("15550100001", "Ana");
    world.create_account("15550100002", "Ben");
    phones.pump();
  }

  void registers() {
    connect(companion, registration_payload(companion, "Ana"));
    offered = companion.ear.last("iq");
    say(companion, result_of(offered));
  }
  std::string code() {
    return qr(companion, offered.child("pair-device")->child("ref")->content_text());
  }
  static node::Node result_of(const node::Node& request) {
    node::Node out("iq");
    out.set("to", node::Jid::server_jid()).set("type", "result").set("id", request.attr("id"));
    return out;
  }
  // The HMAC in pair-success under this secret.
  bool vouched(ByteView adv_secret) {
    const node::Node success = companion.ear.last("iq");
    const node::Node* pair = success.child("pair-success");
    if (pair == nullptr) return false;
    const auto container = Fields::parse(pair->child("device-identity")->content_bytes());
    return container && equal_constant_time(signal::hmac_sha256(adv_secret, container->copy(1)),
                                            container->copy(2));
  }
  void pairs() {
    registers();
    ASSERT_EQ(phones.scan_qr(code()).status, ScanStatus::ok);
    say(companion, pair_device_sign(companion));
    connect(companion, login_payload(companion));
    node::Node upload = iq("set", "encrypt", id());
    for (node::Node& child : keys.upload(20)) upload.add(std::move(child));
    ask(companion, std::move(upload));
    node::Node active = iq("set", "passive", id());
    ask(companion, std::move(active.add(node::Node("active"))));
    companion.ear.heard.clear();
  }
  // Decrypts the one enc of a message; the address is that of `from`.
  Bytes read(const node::Node& message) {
    const node::Node* enc = message.child("enc");
    const auto from = message.jid("from");
    if (enc == nullptr || !from) return {};
    auto opened =
        keys.decrypt(signal_address(*from), enc->attr("type") == "pkmsg", enc->content_bytes());
    if (!opened) return {};
    return signal::unpad(std::move(opened->padded)).value_or(Bytes{});
  }
  node::Jid lid(const std::string& pn, uint16_t device = 0) {
    return node::Jid::lid(world.account_by_pn(pn)->lid, device);
  }
  // <to> for one device, with a session made from its bundle when there is none.
  node::Node sealed(const node::Jid& device, ByteView plaintext,
                    const std::string& decrypt_fail = {}) {
    if (!keys.has_session(signal_address(device))) {
      node::Node fetch = iq("get", "encrypt", id());
      fetch.add(node::Node("key").add(node::Node("user").set("jid", device)));
      const node::Node answer = ask(companion, std::move(fetch));
      const auto bundle = read_bundle(*answer.child("list")->child("user"));
      EXPECT_TRUE(bundle && keys.start(signal_address(device), *bundle));
    }
    auto out = keys.encrypt(signal_address(device), plaintext);
    node::Node enc("enc");
    enc.set("v", "2").set("type", out->prekey ? "pkmsg" : "msg").bytes(std::move(out->bytes));
    if (!decrypt_fail.empty()) enc.set("decrypt-fail", decrypt_fail);
    return std::move(node::Node("to").set("jid", device).add(std::move(enc)));
  }
  void sends(const std::string& message_id, ByteView to_ben, ByteView own_copy,
             const std::string& decrypt_fail = {}) {
    node::Node participants("participants");
    participants.add(sealed(lid("15550100002"), to_ben, decrypt_fail));
    participants.add(sealed(lid("15550100001"), own_copy, decrypt_fail));
    node::Node message("message");
    message.set("id", message_id).set("to", lid("15550100002")).set("type", "text");
    message.add(std::move(participants));
    message.add(bytes_node("device-identity", companion.device_identity));
    say(companion, std::move(message));
    phones.pump();
  }

  Phones phones;
  Companion companion;
  PhoneKeys keys;
  node::Node offered;
};

TEST_F(PhoneCompanion, AScanPairsOnce) {
  registers();
  const auto scan = phones.scan_qr(code());
  EXPECT_EQ(scan.status, ScanStatus::ok);
  EXPECT_EQ(scan.pn, "15550100001");
  EXPECT_TRUE(vouched(companion.adv_secret));
  EXPECT_FALSE(vouched(Bytes(32, 1)));
  EXPECT_NE(phones.scan_qr(code()).status, ScanStatus::ok);
  say(companion, pair_device_sign(companion));
  EXPECT_EQ(companion.ear.last("stream:error").attr("code"), "515");
  EXPECT_EQ(rules(), "");
}

TEST_F(PhoneCompanion, AnUnknownCodeIsNotFound) {
  registers();
  EXPECT_EQ(phones.scan_qr(qr(companion, "2@nobody")).status, ScanStatus::unknown_ref);
}

class PairingCode : public PhoneCompanion {
 protected:
  void SetUp() override {
    registers();
    ephemeral = signal::KeyPair::generate(random);
    node::Node reg("link_code_companion_reg");
    reg.set("jid", node::Jid::pn("15550100001")).set("stage", "companion_hello");
    reg.set("should_show_push_notification", "true");
    reg.add(
        bytes_node("link_code_pairing_wrapped_companion_ephemeral_pub",
                   wrap_ephemeral("ABCD1234", random.bytes(32), random.bytes(16), ephemeral.pub)));
    reg.add(bytes_node("companion_server_auth_key_pub", companion.noise.pub));
    reg.add(bytes_node("companion_platform_id", view("1")));
    reg.add(bytes_node("companion_platform_display", view("Chrome (Linux)")));
    reg.add(bytes_node("link_code_pairing_nonce", Bytes{0}));
    node::Node hello = iq("set", "md", id());
    const node::Node answer = ask(companion, std::move(hello.add(std::move(reg))));
    ref = to_bytes(
        answer.child("link_code_companion_reg")->child("link_code_pairing_ref")->content_bytes());
  }
  // Dossier 1 section 7.3 from the companion's side. Returns the new adv secret.
  SecretBytes finish() {
    const node::Node note = companion.ear.last("notification");
    const node::Node* reg = note.child("link_code_companion_reg");
    const Bytes wrapped =
        to_bytes(reg->child("link_code_pairing_wrapped_primary_ephemeral_pub")->content_bytes());
    const auto primary = to_array<32>(reg->child("primary_identity_pub")->content_bytes());
    node::Node ack("ack");
    ack.set("class", "notification").set("type", "link_code_companion_reg");
    say(companion, ack.set("id", note.attr("id")).set("to", node::Jid::server_jid()));
    const auto pe = unwrap_ephemeral("ABCD1234", wrapped);
    const auto s1 = signal::agree(ephemeral.priv, *pe);
    const auto s2 = signal::agree(companion.identity.priv, *primary);
    const Bytes rnd = random.bytes(32), salt = random.bytes(32), iv = random.bytes(12);
    const auto key = signal::hkdf_sha256(s1->reveal(), salt,
                                         view("link_code_pairing_key_bundle_encryption_key"), 32);
    const Bytes bundle =
        concat({salt, iv,
                signal::aes256_gcm_seal(key.reveal(), iv, {},
                                        concat({companion.identity.pub, *primary, rnd}))});
    node::Node out("link_code_companion_reg");
    out.set("jid", node::Jid::pn("15550100001")).set("stage", "companion_finish");
    out.add(bytes_node("link_code_pairing_wrapped_key_bundle", bundle));
    out.add(bytes_node("companion_identity_public", companion.identity.pub));
    out.add(bytes_node("link_code_pairing_ref", ref));
    node::Node request = iq("set", "md", id());
    answered = ask(companion, std::move(request.add(std::move(out))));
    return signal::hkdf_sha256(concat({s1->reveal(), s2->reveal(), rnd}), {}, view("adv_secret"),
                               32);
  }

  signal::KeyPair ephemeral;
  Bytes ref;
  node::Node answered;
};

TEST_F(PairingCode, TheRightCodePairsUnderTheAgreedSecret) {
  EXPECT_EQ(phones.enter_code("15550100001", "abcd-1234"), Phones::CodeStatus::ok);
  const SecretBytes secret = finish();
  EXPECT_EQ(answered.attr("type"), "result");
  EXPECT_TRUE(vouched(secret.reveal()));
  EXPECT_EQ(rules(), "");
}

TEST_F(PairingCode, AWrongCodePairsNothing) {
  EXPECT_EQ(phones.enter_code("15550100001", "ABCD-1235"), Phones::CodeStatus::ok);
  finish();
  EXPECT_EQ(answered.attr("type"), "error");
  EXPECT_EQ(companion.ear.last("iq").child("pair-success"), nullptr);
}

TEST_F(PairingCode, WhatCannotBeACodeIsRefused) {
  EXPECT_EQ(phones.enter_code("15550100001", "ABC"), Phones::CodeStatus::malformed);
  EXPECT_EQ(phones.enter_code("15559999999", "ABCD-1234"), Phones::CodeStatus::no_phone);
  EXPECT_EQ(phones.enter_code("15550100002", "ABCD-1234"), Phones::CodeStatus::no_code);
}

TEST_F(PhoneCompanion, ContactsAndTheOwnPhoneWriteToTheCompanion) {
  pairs();
  phones.find("15550100002")->send(node::Jid::pn("15550100001"), text_message({"hi", {}, {}, {}}));
  phones.pump();
  const Bytes got = read(companion.ear.last("message"));
  EXPECT_EQ(understand(got).text, "hi");
  EXPECT_FALSE(read_device_sent(got));

  companion.ear.heard.clear();
  phones.find("15550100001")
      ->send(node::Jid::pn("15550100002"), text_message({"mine", {}, {}, {}}));
  phones.pump();
  const node::Node copy = companion.ear.last("message");
  EXPECT_EQ(copy.attr("recipient"), lid("15550100002").text());
  const auto sent = read_device_sent(read(copy));
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->destination, lid("15550100002").text());
  EXPECT_EQ(understand(sent->message).text, "mine");
}

TEST_F(PhoneCompanion, ANewCompanionIsGivenTheAppStateKey) {
  pairs();
  phones.tick();
  const node::Node peer = companion.ear.last("message");
  EXPECT_EQ(peer.attr("category"), "peer");
  const auto protocol = read_protocol(read(peer));
  ASSERT_TRUE(protocol);
  EXPECT_EQ(protocol->type, 6u);
  companion.ear.heard.clear();
  phones.tick();
  EXPECT_EQ(companion.ear.count("message"), 0u);  // once
}

TEST_F(PhoneCompanion, AWellMadeSendReachesBothPhones) {
  pairs();
  const Bytes text = text_message({"from the bridge", {}, {}, {}});
  sends("3EB0A1", text, device_sent_message(lid("15550100002").text(), text));
  const Phone& ben = *phones.find("15550100002");
  ASSERT_EQ(ben.inbox().size(), 1u);
  EXPECT_EQ(ben.inbox()[0].content.text, "from the bridge");
  EXPECT_EQ(ben.inbox()[0].sender.text(), "15550100001:1@s.whatsapp.net");
  const Phone& ana = *phones.find("15550100001");
  ASSERT_EQ(ana.inbox().size(), 1u);
  EXPECT_TRUE(ana.inbox()[0].from_me);
  EXPECT_EQ(ana.inbox()[0].chat.text(), "15550100002@s.whatsapp.net");
  EXPECT_EQ(companion.ear.last("receipt", "3EB0A1").attr("from"), lid("15550100002").text());
  EXPECT_EQ(rules(), "");
}

TEST_F(PhoneCompanion, ARevocationMustNotBeHidden) {
  pairs();
  const Bytes text = text_message({"x", {}, {}, {}});
  sends("3EB0A1", text, device_sent_message(lid("15550100002").text(), text));
  const Bytes revoke = revoke_message({lid("15550100002").text(), true, "3EB0A1", ""});
  const Bytes copy = device_sent_message(lid("15550100002").text(), revoke);
  sends("3EB0A2", revoke, copy);
  EXPECT_EQ(rules(), "");
  sends("3EB0A3", revoke, copy, "hide");
  EXPECT_TRUE(violated(rule::kHiddenRevoke)) << rules();
}

TEST_F(PhoneCompanion, OwnCopiesMustBeWrappedForTheRightChat) {
  pairs();
  const Bytes text = text_message({"x", {}, {}, {}});
  sends("3EB0A1", text, text);
  EXPECT_TRUE(violated(rule::kDeviceSent)) << rules();
  EXPECT_EQ(world.violations().back().device.text(), "15550100001:1@s.whatsapp.net");
  forget();
  sends("3EB0A2", text, device_sent_message("15550100009@s.whatsapp.net", text));
  EXPECT_TRUE(violated(rule::kDeviceSent)) << rules();
  forget();
  sends("3EB0A3", device_sent_message(lid("15550100002").text(), text),
        device_sent_message(lid("15550100002").text(), text));
  EXPECT_TRUE(violated(rule::kDeviceSent)) << rules();
}

TEST_F(PhoneCompanion, WhatIsNoMessageOrDoesNotDecryptIsHeldAgainstTheSender) {
  pairs();
  const Bytes text = text_message({"x", {}, {}, {}});
  const Bytes own = device_sent_message(lid("15550100002").text(), text);
  sends("3EB0A1", text, own);
  phones.find("15550100002")->send(node::Jid::pn("15550100001"), text_message({"y", {}, {}, {}}));
  phones.pump();
  read(companion.ear.last("message"));
  EXPECT_EQ(rules(), "");
  sends("3EB0A2", view("\xFF\xFF\xFF"), own);
  EXPECT_TRUE(violated("M22")) << rules();
  forget();

  node::Node participants("participants");
  node::Node to = sealed(lid("15550100002"), text);
  node::Node& enc = std::get<node::Node::Children>(to.content).front();
  Bytes broken = to_bytes(enc.content_bytes());
  broken.back() ^= 1;
  enc.bytes(std::move(broken));
  participants.add(std::move(to)).add(sealed(lid("15550100001"), own));
  node::Node message("message");
  message.set("id", "3EB0A3").set("to", lid("15550100002")).set("type", "text");
  message.add(std::move(participants));
  message.add(bytes_node("device-identity", companion.device_identity));
  companion.ear.heard.clear();
  say(companion, std::move(message));
  phones.pump();
  EXPECT_TRUE(violated("M22")) << rules();
  node::Node retry;
  for (const node::Node& heard : companion.ear.heard) {
    if (heard.tag == "receipt" && heard.attr("type") == "retry") retry = heard;
  }
  ASSERT_NE(retry.child("retry"), nullptr);
  EXPECT_EQ(retry.attr("id"), "3EB0A3");
  EXPECT_EQ(retry.child("retry")->attr("error"), "7");
  EXPECT_EQ(retry.child("keys"), nullptr);
}

}  // namespace
}  // namespace wab::sandbox
