#include <gtest/gtest.h>

#include "tests/sandbox/fields.h"
#include "tests/sandbox/fixture.h"
#include "tests/sandbox/keys.h"

namespace wab::sandbox {
namespace {

class Registration : public SandboxFixture, public testing::Test {
 protected:
  Companion companion = make_companion();
  std::string first_ref() {
    return companion.ear.last("iq").child("pair-device")->child("ref")->content_text();
  }
  void answer_pair_device() {
    node::Node result("iq");
    result.set("to", node::Jid::server_jid()).set("type", "result");
    say(companion, std::move(result.set("id", companion.ear.last("iq").attr("id"))));
  }
  void scan_and_offer() {
    const ScannedQr scanned = world.scan_qr(qr(companion, first_ref()));
    ASSERT_EQ(scanned.status, ScanStatus::ok) << scanned.text;
    ASSERT_TRUE(world.offer_pair_success(scanned.connection, *scanned.account,
                                         offer(*scanned.account, companion, scanned.adv_secret)));
  }
  // The registration payload with one field of devicePairingData replaced.
  Bytes bent(uint32_t number, const Bytes& value) {
    const Bytes good = registration_payload(companion, "Ana");
    const auto payload = Fields::parse(good);
    const auto data = payload->message(19);
    Bytes changed;
    for (const Field& field : data->all()) {
      put_field(changed, field.number, field.number == number ? ByteView(value) : field.bytes);
    }
    Bytes out;
    for (const Field& field : payload->all()) {
      if (field.number == 19) {
        put_field(out, 19, changed);
      } else if (field.wire == 2) {
        put_field(out, field.number, field.bytes);
      } else {
        put_field(out, field.number, field.value);
      }
    }
    return out;
  }
};

TEST_F(Registration, OffersSixRefsAndPairs) {
  connect(companion, registration_payload(companion, "Ana"));
  EXPECT_EQ(companion.ear.last("iq").child("pair-device")->all("ref").size(), 6U);
  answer_pair_device();
  scan_and_offer();
  const node::Node success = companion.ear.last("iq");
  ASSERT_NE(success.child("pair-success"), nullptr);
  EXPECT_EQ(success.child("pair-success")->child("device")->jid("lid")->server, "lid");
  say(companion, pair_device_sign(companion));
  EXPECT_EQ(companion.ear.last("stream:error").attr("code"), "515");
  EXPECT_TRUE(companion.ear.ended);
  EXPECT_EQ(rules(), "");
  const auto devices = world.devices(world.account_for("Ana"));
  ASSERT_EQ(devices.size(), 1U);
  EXPECT_EQ(devices[0].jid.device, 1);
  EXPECT_EQ(devices[0].key_index, 1U);
}

TEST_F(Registration, SamePushNameIsTheSameAccountWithTheNextDevice) {
  const Companion& first = pair("Ana");
  const Companion& second = pair("Ana");
  const Companion& other = pair("Ben");
  EXPECT_EQ(first.jid.pn, second.jid.pn);
  EXPECT_EQ(second.jid.device, 2);
  EXPECT_NE(other.jid.pn, first.jid.pn);
  EXPECT_EQ(rules(), "");
}

TEST_F(Registration, P1RefusesAPayloadThatIsBothOrNeither) {
  Bytes both = registration_payload(companion, "");
  put_field(both, 1, 15550100001);
  put_field(both, 18, 1);
  connect(companion, both);
  EXPECT_EQ(companion.ear.last("failure").attr("reason"), "400");
  EXPECT_TRUE(companion.ear.ended);
  EXPECT_TRUE(violated("P1"));
}

TEST_F(Registration, P2RefusesEachBentField) {
  const std::pair<uint32_t, Bytes> bends[] = {
      {1, Bytes(3, 1)},  {2, {0x06}},       {3, Bytes(31, 1)}, {4, {0, 1}},
      {5, Bytes(31, 1)}, {6, Bytes(64, 1)}, {7, Bytes(16, 1)}, {8, {0x0a, 0x01, 0x41}}};
  for (const auto& [number, value] : bends) {
    forget();
    connect(companion, bent(number, value));
    EXPECT_EQ(companion.ear.last("failure").attr("reason"), "400") << number;
    EXPECT_TRUE(violated("P2")) << number;
  }
}

TEST_F(Registration, P4RefusesOldVersionsAndForeignAgents) {
  world.settings().minimum_build = 2'000'000'000;
  connect(companion, registration_payload(companion, ""));
  EXPECT_EQ(companion.ear.last("failure").attr("reason"), "405");
  EXPECT_TRUE(violated("P4"));
  Bytes payload = registration_payload(companion, "");
  put_field(payload, 5, Bytes{0x08, 0x00});
  connect(companion, payload);
  EXPECT_EQ(companion.ear.last("failure").attr("reason"), "409");
}

TEST_F(Registration, P5NotesMissingWebInfo) {
  const Bytes good = registration_payload(companion, "");
  const auto fields = Fields::parse(good);
  Bytes payload;
  for (const Field& field : fields->all()) {
    if (field.number == 6) continue;
    if (field.wire == 2) {
      put_field(payload, field.number, field.bytes);
    } else {
      put_field(payload, field.number, field.value);
    }
  }
  connect(companion, payload);
  EXPECT_TRUE(violated("P5"));
  EXPECT_NE(companion.ear.last("iq").child("pair-device"), nullptr);
}

TEST_F(Registration, Q1ClosesWhenPairDeviceIsNotAnswered) {
  connect(companion, registration_payload(companion, ""));
  pass(std::chrono::seconds(6));
  EXPECT_TRUE(violated("Q1"));
  EXPECT_TRUE(companion.ear.ended);
}

TEST_F(Registration, Q2RefusesForeignKeysAndShortCodes) {
  connect(companion, registration_payload(companion, "Ana"));
  answer_pair_device();
  const std::string ref = first_ref();
  EXPECT_EQ(world.scan_qr("2@nonsense,a,b,c,1").status, ScanStatus::unknown_ref);
  Companion other = make_companion();
  EXPECT_EQ(world.scan_qr(qr(other, ref)).status, ScanStatus::refused);
  EXPECT_TRUE(violated("Q2"));
  std::string letterless = qr(companion, ref);
  letterless.resize(letterless.size() - 2);
  EXPECT_EQ(world.scan_qr(letterless).status, ScanStatus::refused);
  EXPECT_EQ(world.scan_qr(qr(companion, ref)).status, ScanStatus::ok);
}

TEST_F(Registration, AScannedRefIsUsed) {
  connect(companion, registration_payload(companion, "Ana"));
  answer_pair_device();
  const std::string code = qr(companion, first_ref());
  scan_and_offer();
  EXPECT_EQ(world.scan_qr(code).status, ScanStatus::unknown_ref);
}

TEST_F(Registration, Q3ClosesWhenTheRefsRanOut) {
  connect(companion, registration_payload(companion, ""));
  answer_pair_device();
  for (int i = 0; i < 4; ++i) {
    pass(std::chrono::seconds(40));
    say(companion, iq("get", "w:p", id()));
  }
  EXPECT_FALSE(companion.ear.ended);
  pass(std::chrono::seconds(5));
  EXPECT_TRUE(companion.ear.ended);
  EXPECT_EQ(rules(), "");
}

TEST_F(Registration, Q5ClosesWithout515OnABadSignature) {
  connect(companion, registration_payload(companion, "Ana"));
  answer_pair_device();
  scan_and_offer();
  node::Node sign = pair_device_sign(companion);
  auto& children = std::get<node::Node::Children>(sign.content);
  auto& inner = std::get<node::Node::Children>(children[0].content);
  std::get<Bytes>(inner[0].content).back() ^= 1;
  say(companion, std::move(sign));
  EXPECT_TRUE(violated("Q5"));
  EXPECT_TRUE(companion.ear.ended);
  EXPECT_EQ(companion.ear.count("stream:error"), 0U);
  EXPECT_TRUE(world.devices(world.account_for("Ana")).empty());
}

TEST_F(Registration, Q5RefusesTheAccountKeyInTheReply) {
  connect(companion, registration_payload(companion, "Ana"));
  answer_pair_device();
  scan_and_offer();
  node::Node sign = pair_device_sign(companion);
  auto& children = std::get<node::Node::Children>(sign.content);
  auto& inner = std::get<node::Node::Children>(children[0].content);
  put_field(std::get<Bytes>(inner[0].content), 2, world.account_for("Ana").identity.pub);
  say(companion, std::move(sign));
  EXPECT_TRUE(violated("Q5"));
  EXPECT_EQ(companion.ear.count("stream:error"), 0U);
}

TEST_F(Registration, Q6RefusesThePairedNoiseKey) {
  Companion& paired = pair("Ana");
  connect(paired, registration_payload(paired, "Ana"));
  EXPECT_TRUE(violated("Q6"));
  EXPECT_EQ(paired.ear.last("failure").attr("reason"), "400");
}

// --- pairing by code ---

struct CodePhone final : PhoneHooks {
  std::optional<PairOffer> answer;
  LinkCodeFinish finished;
  std::optional<PairOffer> on_link_code_finish(Account&, const LinkCodeFinish& finish) override {
    finished = finish;
    return answer;
  }
};

class LinkCode : public Registration {
 protected:
  LinkCode() {
    world.set_hooks(&phone);
    connect(companion, registration_payload(companion, ""));
    answer_pair_device();
    account = &world.create_account("15550109999", "Code");
  }
  ~LinkCode() override { world.set_hooks(nullptr); }
  node::Node hello() {
    node::Node reg("link_code_companion_reg");
    reg.set("jid", node::Jid::pn(account->pn)).set("stage", "companion_hello");
    reg.set("should_show_push_notification", "true");
    reg.add(bytes_node("link_code_pairing_wrapped_companion_ephemeral_pub", Bytes(80, 1)));
    reg.add(bytes_node("companion_server_auth_key_pub", companion.noise.pub));
    reg.add(bytes_node("companion_platform_id", view("1")));
    reg.add(bytes_node("companion_platform_display", view("Chrome (Mac OS)")));
    reg.add(bytes_node("link_code_pairing_nonce", Bytes{0}));
    return std::move(iq("set", "md", id()).add(std::move(reg)));
  }
  node::Node finish(const Bytes& ref) {
    node::Node reg("link_code_companion_reg");
    reg.set("jid", node::Jid::pn(account->pn)).set("stage", "companion_finish");
    reg.add(bytes_node("link_code_pairing_wrapped_key_bundle", Bytes(156, 2)));
    reg.add(bytes_node("companion_identity_public", companion.identity.pub));
    reg.add(bytes_node("link_code_pairing_ref", ref));
    return std::move(iq("set", "md", id()).add(std::move(reg)));
  }
  CodePhone phone;
  Account* account = nullptr;
};

TEST_F(LinkCode, RelaysBothWaysAndEndsInPairSuccess) {
  const node::Node answer = ask(companion, hello());
  const node::Node* ref = answer.child("link_code_companion_reg")->child("link_code_pairing_ref");
  ASSERT_NE(ref, nullptr);
  ASSERT_NE(world.link_code(account->pn), nullptr);
  ASSERT_TRUE(world.send_primary_hello(account->pn, Bytes(80, 3), Bytes(32, 4)));
  const node::Node note = companion.ear.last("notification");
  EXPECT_EQ(note.child("link_code_companion_reg")->attr("stage"), "primary_hello");
  node::Node ack("ack");
  ack.set("class", "notification").set("id", note.attr("id")).set("to", node::Jid::server_jid());
  say(companion, std::move(ack.set("type", "link_code_companion_reg")));
  phone.answer = offer(*account, companion, companion.adv_secret);
  EXPECT_EQ(ask(companion, finish(to_bytes(ref->content_bytes()))).attr("type"), "result");
  EXPECT_EQ(phone.finished.wrapped_key_bundle.size(), 156U);
  say(companion, pair_device_sign(companion));
  EXPECT_EQ(companion.ear.last("stream:error").attr("code"), "515");
  EXPECT_EQ(rules(), "");
}

TEST_F(LinkCode, L1RefusesAnUnknownDisplay) {
  node::Node request = hello();
  auto& reg = std::get<node::Node::Children>(request.content)[0];
  std::get<node::Node::Children>(reg.content)[3].bytes(view("Robot (Toaster)"));
  EXPECT_EQ(ask(companion, std::move(request)).child("error")->attr("code"), "400");
  EXPECT_TRUE(violated("L1"));
}

TEST_F(LinkCode, L2NotesASecondHelloAndSupersedes) {
  ask(companion, hello());
  const Bytes first = world.link_code(account->pn)->ref;
  ask(companion, hello());
  EXPECT_TRUE(violated("L2"));
  EXPECT_NE(world.link_code(account->pn)->ref, first);
}

TEST_F(LinkCode, L4RefusesABundleThatDoesNotOpen) {
  ask(companion, hello());
  const Bytes ref = world.link_code(account->pn)->ref;
  EXPECT_EQ(ask(companion, finish(ref)).child("error")->attr("code"), "400");
  EXPECT_TRUE(violated("L4"));
  forget();
  phone.answer = offer(*account, companion, companion.adv_secret);
  EXPECT_EQ(ask(companion, finish(Bytes{1})).child("error")->attr("code"), "400");
  EXPECT_TRUE(violated("L4"));
}

TEST_F(LinkCode, ACodeDiesAfterThreeMinutes) {
  ask(companion, hello());
  clock.at += 181'000;
  EXPECT_EQ(world.link_code(account->pn), nullptr);
}

}  // namespace
}  // namespace wab::sandbox
