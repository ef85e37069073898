#include "session/pairing/code.h"

#include <gtest/gtest.h>

#include "tests/session/pairing/pairing_fixtures.h"

namespace wab::session {
namespace {

using node::Jid;
using node::Node;
using std::chrono::seconds;
using testing::filled;
using testing::pair_of;
using testing::SeededRandom;
using Kind = CodePairing::Notice::Kind;

// Gives prepared bytes in order: what the recorded exchange was made with.
class ScriptedRandom : public Random {
 public:
  void push(ByteView bytes) { append(script_, bytes); }
  void fill(MutableBytes out) override {
    ASSERT_LE(out.size(), script_.size());
    std::copy_n(script_.begin(), out.size(), out.begin());
    script_.erase(script_.begin(), script_.begin() + static_cast<std::ptrdiff_t>(out.size()));
  }

 private:
  Bytes script_;
};

Key32 counting() {
  Key32 out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(i);
  return out;
}
ByteArray<16> counting_iv() {
  ByteArray<16> out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(i);
  return out;
}

const char* const kStretched = "4596f8b93cafc664c0c7c7ed55aa45e97b6974bfed5a164e4e8a961f7e35222b";
SecretKey32 stretched() { return SecretKey32(*to_array<32>(*from_hex(kStretched))); }

TEST(PairingCode, AlphabetLeavesOutLookAlikes) {
  EXPECT_EQ(encode_code({0, 1, 2, 3, 4}), "111H51R5");
  EXPECT_EQ(encode_code({0xff, 0xff, 0xff, 0xff, 0xff}), "ZZZZZZZZ");
  EXPECT_EQ(encode_code({0xde, 0xad, 0xbe, 0xef, 0x01}), "VTPVXVR2");
  EXPECT_EQ(display_code("VTPVXVR2"), "VTPV-XVR2");
}

TEST(PairingCode, CustomCodesAreValidated) {
  EXPECT_EQ(parse_code("vtpv-xvr2"), "VTPVXVR2");
  EXPECT_EQ(parse_code("12345678"), "12345678");
  for (const char* bad : {"", "1234567", "123456789", "0BCDEFGH", "IBCDEFGH", "OBCDEFGH",
                          "UBCDEFGH", "ABCD EFGH", "ABC-DEFGH", "ABCDEFG\xc3"}) {
    EXPECT_FALSE(parse_code(bad)) << bad;
  }
}

TEST(PairingCode, PhoneNumbersAreNormalised) {
  EXPECT_EQ(normalise_phone("+1 (555) 010-0001"), "15550100001");
  EXPECT_EQ(normalise_phone("1234567"), "1234567");
  for (const char* bad : {"", "123456", "0049123456789", "+0 555 0100001", "1555010000x",
                          "1234567890123456", "15550100001@s.whatsapp.net"}) {
    EXPECT_FALSE(normalise_phone(bad)) << bad;
  }
}

TEST(PairingCode, StretchAndWrapAreTheRecordedOnes) {
  const SecretKey32 key = stretch_code("VTPVXVR2", counting());
  EXPECT_EQ(to_hex(key.reveal()), kStretched);
  const auto wrapped = wrap_key(key, counting(), counting_iv(), pair_of(0x11).pub);
  EXPECT_EQ(to_hex(wrapped),
            to_hex(counting()) + to_hex(counting_iv()) +
                "741923b1d99317f694b8151bfeadd14d09ae0a687dcfa8a5e3e04788a749e02f");
  EXPECT_EQ(unwrap_key(key, wrapped), pair_of(0x11).pub);
  EXPECT_FALSE(unwrap_key(key, ByteView(wrapped).first(79)));
}

TEST(PairingCode, DisplayIsFromTheSetsTheServerAccepts) {
  EXPECT_EQ(platform_display(PlatformType::chrome, "Waslo Bridge"), "Chrome (Linux)");
  EXPECT_EQ(platform_display(PlatformType::firefox, "macOS 14"), "Firefox (Mac OS)");
  EXPECT_EQ(platform_display(PlatformType::edge, "WINDOWS"), "Edge (Windows)");
  EXPECT_EQ(platform_display(PlatformType::uwp, "Darwin"), "Chrome (Mac OS)");
}

// One attempt with the recorded keys: ephemeral 11, identity 22.
struct Attempt {
  static constexpr SteadyTime start{};
  ScriptedRandom random;
  std::optional<CodePairing> pairing;
  signal::KeyPair identity = pair_of(0x22);

  Attempt() {
    random.push(ByteArray<5>{0xde, 0xad, 0xbe, 0xef, 0x01});
    random.push(filled(0x11));
    random.push(counting());
    random.push(counting_iv());
    auto begun = CodePairing::begin({"+1 555 0100001", std::nullopt, true}, start, random);
    EXPECT_TRUE(begun);
    pairing.emplace(std::move(*begun));
  }
  Node hello() {
    auto out = pairing->hello("5.6-7", stretched(), filled(0x0e), PlatformType::chrome, "Linux");
    EXPECT_TRUE(out);
    return *out;
  }
  static Node answer(const char* ref = "3@2:ref") {
    Node reg("link_code_companion_reg");
    reg.add(Node("link_code_pairing_ref").bytes(to_bytes(ref)));
    Node iq("iq");
    iq.set("type", "result").set("id", "5.6-7").set("from", Jid::server_jid());
    return iq.add(std::move(reg));
  }
  void until_waiting() {
    hello();
    EXPECT_FALSE(pairing->on_hello_answer(answer()));
  }
  static Node notification(const char* stage, const char* ref = "3@2:ref") {
    Node reg("link_code_companion_reg");
    reg.set("stage", stage);
    reg.add(
        Node("link_code_pairing_wrapped_primary_ephemeral_pub")
            .bytes(ByteView(wrap_key(stretched(), counting(), counting_iv(), pair_of(0x33).pub))));
    reg.add(Node("primary_identity_pub").bytes(ByteView(pair_of(0x44).pub)));
    reg.add(Node("link_code_pairing_ref").bytes(to_bytes(ref)));
    Node out("notification");
    out.set("from", Jid::server_jid()).set("type", "link_code_companion_reg").set("id", "9");
    return out.add(std::move(reg));
  }
  void script_finish() {
    random.push(filled(0x55));
    random.push(filled(0x66));
    ByteArray<12> iv;
    iv.fill(0x77);
    random.push(iv);
  }
};

TEST(CodePairing, HelloHasEveryField) {
  Attempt attempt;
  EXPECT_EQ(attempt.pairing->code(), "VTPVXVR2");
  EXPECT_EQ(attempt.pairing->phone(), "15550100001");
  const Node iq = attempt.hello();
  EXPECT_EQ(iq.attr("xmlns"), "md");
  EXPECT_EQ(iq.attr("type"), "set");
  EXPECT_TRUE(iq.jid("to")->is_server());
  const Node* reg = iq.child("link_code_companion_reg");
  ASSERT_NE(reg, nullptr);
  ASSERT_TRUE(std::holds_alternative<Jid>(*reg->find("jid")));
  EXPECT_EQ(reg->attr("jid"), "15550100001@s.whatsapp.net");
  EXPECT_EQ(reg->attr("stage"), "companion_hello");
  EXPECT_EQ(reg->attr("should_show_push_notification"), "true");
  EXPECT_EQ(to_hex(reg->child("link_code_pairing_wrapped_companion_ephemeral_pub")
                       ->content_bytes()
                       .subspan(48)),
            "741923b1d99317f694b8151bfeadd14d09ae0a687dcfa8a5e3e04788a749e02f");
  EXPECT_EQ(to_hex(reg->child("companion_server_auth_key_pub")->content_bytes()),
            to_hex(filled(0x0e)));
  EXPECT_EQ(reg->child("companion_platform_id")->content_text(), "1");
  EXPECT_EQ(reg->child("companion_platform_display")->content_text(), "Chrome (Linux)");
  EXPECT_EQ(to_hex(reg->child("link_code_pairing_nonce")->content_bytes()), "00");
}

TEST(CodePairing, FinishIsByteForByteAsRecorded) {
  Attempt attempt;
  attempt.until_waiting();
  const auto notice =
      attempt.pairing->on_notification(Attempt::notification("primary_hello"), Attempt::start);
  ASSERT_EQ(notice.kind, Kind::primary_hello) << notice.why;
  EXPECT_EQ(notice.salt, counting());
  attempt.script_finish();
  const auto finish =
      attempt.pairing->finish("5.6-8", stretched(), attempt.identity, attempt.random);
  ASSERT_TRUE(finish) << finish.error().describe();
  EXPECT_EQ(to_hex(finish->adv_secret.reveal()),
            "13e3f61872dc4e95d3a990c259e3fbee8b8774bdf0416e6b1e572a26373d9304");
  const Node* reg = finish->stanza.child("link_code_companion_reg");
  ASSERT_NE(reg, nullptr);
  EXPECT_EQ(reg->attr("stage"), "companion_finish");
  EXPECT_EQ(reg->attr("jid"), "15550100001@s.whatsapp.net");
  const ByteView bundle = reg->child("link_code_pairing_wrapped_key_bundle")->content_bytes();
  ASSERT_EQ(bundle.size(), 156u);
  EXPECT_EQ(to_hex(bundle.first(32)), to_hex(filled(0x66)));
  EXPECT_EQ(to_hex(bundle.subspan(44)),
            "6096cb3cf260b09a5b00ead70b4d20dad3a415412885d3382715ef9bac8fe5a7efa6684e9ec6cc5c783359"
            "c6e91ee1aa371cae2f108e02387003f5ac6773dc1b2f17f80cd10f76b2745266b476b1fa956cce99754c79"
            "b7f5276b38259024ed2ba39e76753edb1111d0d47d9dcb5a6a56");
  EXPECT_EQ(to_hex(reg->child("companion_identity_public")->content_bytes()),
            to_hex(pair_of(0x22).pub));
  EXPECT_EQ(reg->child("link_code_pairing_ref")->content_text(), "3@2:ref");
  EXPECT_EQ(attempt.pairing->pair_success_deadline(), Attempt::start + seconds(60));
}

TEST(CodePairing, ErrorsOfTheServerAreNamed) {
  struct Expected {
    const char* code;
    CodeError error;
  };
  for (const auto& [code, error] :
       {Expected{"400", CodeError::bad_request}, Expected{"403", CodeError::forbidden},
        Expected{"429", CodeError::rate_limited}, Expected{"452", CodeError::unavailable},
        Expected{"500", CodeError::server}, Expected{"499", CodeError::refused},
        Expected{"", CodeError::refused}}) {
    Attempt attempt;
    attempt.hello();
    Node iq("iq");
    iq.set("type", "error").set("id", "5.6-7");
    iq.add(Node("error").set("code", code).set("text", "t").set("backoff", "30"));
    const auto refusal = attempt.pairing->on_hello_answer(iq);
    ASSERT_TRUE(refusal);
    EXPECT_TRUE(refusal->error.is(error)) << code;
    EXPECT_EQ(refusal->backoff_s, 30u);
    EXPECT_FALSE(attempt.pairing->live(Attempt::start));
    EXPECT_FALSE(advice(error).message.empty());
    EXPECT_FALSE(advice(error).next.empty());
  }
}

TEST(CodePairing, AnswerWithoutRefIsMalformed) {
  Attempt attempt;
  attempt.hello();
  Node iq("iq");
  iq.set("type", "result");
  const auto refusal = attempt.pairing->on_hello_answer(iq);
  ASSERT_TRUE(refusal);
  EXPECT_TRUE(refusal->error.is(CodeError::malformed));
  EXPECT_FALSE(attempt.pairing->live(Attempt::start));
}

TEST(CodePairing, IgnoresWhatDoesNotFit) {
  const auto kind_of = [](const Node& notification, SteadyTime now = Attempt::start) {
    Attempt attempt;
    attempt.until_waiting();
    return attempt.pairing->on_notification(notification, now).kind;
  };
  EXPECT_EQ(kind_of(Attempt::notification("primary_hello")), Kind::primary_hello);
  EXPECT_EQ(kind_of(Attempt::notification("primary_hello", "3@2:other")), Kind::ignore);
  EXPECT_EQ(kind_of(Attempt::notification("")), Kind::ignore);
  EXPECT_EQ(kind_of(Attempt::notification("primary_goodbye")), Kind::ignore);
  EXPECT_EQ(kind_of(Attempt::notification("primary_hello"), Attempt::start + seconds(180)),
            Kind::primary_hello);
  EXPECT_EQ(kind_of(Attempt::notification("primary_hello"), Attempt::start + seconds(181)),
            Kind::ignore);
  auto foreign = Attempt::notification("primary_hello");
  foreign.attrs.front().value = Jid::pn("15550100009");
  EXPECT_EQ(kind_of(foreign), Kind::ignore);
  for (const char* child :
       {"link_code_pairing_wrapped_primary_ephemeral_pub", "primary_identity_pub"}) {
    auto shorter = Attempt::notification("primary_hello");
    auto& reg = std::get<Node::Children>(shorter.content).front();
    for (Node& one : std::get<Node::Children>(reg.content)) {
      if (one.tag == child) std::get<Bytes>(one.content).pop_back();
    }
    EXPECT_EQ(kind_of(shorter), Kind::ignore) << child;
  }
}

TEST(CodePairing, NoNotificationCountsBeforeTheCodeIsOut) {
  Attempt attempt;
  EXPECT_EQ(
      attempt.pairing->on_notification(Attempt::notification("primary_hello", ""), Attempt::start)
          .kind,
      Kind::ignore);
}

TEST(CodePairing, FourthPrimaryHelloIsIgnored) {
  Attempt attempt;
  attempt.until_waiting();
  const auto hello = Attempt::notification("primary_hello");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(attempt.pairing->on_notification(hello, Attempt::start + seconds(i)).kind,
              Kind::primary_hello);
    attempt.script_finish();
    EXPECT_TRUE(attempt.pairing->finish("1", stretched(), attempt.identity, attempt.random));
  }
  EXPECT_EQ(attempt.pairing->on_notification(hello, Attempt::start).kind, Kind::ignore);
  EXPECT_EQ(attempt.pairing->pair_success_deadline(), Attempt::start + seconds(60));
}

TEST(CodePairing, RefreshEndsTheAttempt) {
  for (const bool manual : {false, true}) {
    Attempt attempt;
    attempt.until_waiting();
    auto refresh = Attempt::notification("refresh_code");
    std::get<Node::Children>(refresh.content)
        .front()
        .set("force_manual_refresh", manual ? "true" : "false");
    EXPECT_EQ(attempt.pairing->on_notification(refresh, Attempt::start).kind,
              manual ? Kind::refresh_manual : Kind::refresh);
    EXPECT_FALSE(attempt.pairing->live(Attempt::start));
    EXPECT_EQ(
        attempt.pairing->on_notification(Attempt::notification("primary_hello"), Attempt::start)
            .kind,
        Kind::ignore);
  }
}

TEST(CodePairing, LivesForThreeMinutesOrUntilPairSuccessIsDue) {
  Attempt attempt;
  attempt.until_waiting();
  EXPECT_TRUE(attempt.pairing->live(Attempt::start + seconds(180)));
  EXPECT_FALSE(attempt.pairing->live(Attempt::start + seconds(181)));
  ASSERT_EQ(
      attempt.pairing
          ->on_notification(Attempt::notification("primary_hello"), Attempt::start + seconds(170))
          .kind,
      Kind::primary_hello);
  EXPECT_TRUE(attempt.pairing->live(Attempt::start + seconds(230)));
  EXPECT_FALSE(attempt.pairing->live(Attempt::start + seconds(231)));
}

TEST(CodePairing, StepsOutOfOrderAreErrors) {
  Attempt attempt;
  EXPECT_TRUE(attempt.pairing->finish("1", stretched(), attempt.identity, attempt.random)
                  .error()
                  .is(CodeError::out_of_order));
  attempt.hello();
  EXPECT_TRUE(attempt.pairing->hello("1", stretched(), filled(1), PlatformType::chrome, "Linux")
                  .error()
                  .is(CodeError::out_of_order));
}

TEST(CodePairing, WeakKeysOfThePhoneAreRefused) {
  Attempt attempt;
  attempt.until_waiting();
  auto hello = Attempt::notification("primary_hello");
  auto& reg = std::get<Node::Children>(hello.content).front();
  for (Node& one : std::get<Node::Children>(reg.content)) {
    if (one.tag == "primary_identity_pub") one.bytes(Bytes(32, 0));
  }
  ASSERT_EQ(attempt.pairing->on_notification(hello, Attempt::start).kind, Kind::primary_hello);
  attempt.script_finish();
  EXPECT_TRUE(attempt.pairing->finish("1", stretched(), attempt.identity, attempt.random)
                  .error()
                  .is(CodeError::weak_key));
}

TEST(CodePairing, TwoAttemptsShareNothing) {
  SeededRandom random(5);
  const CodePairing::Options options{"15550100001", std::nullopt, true};
  const auto a = CodePairing::begin(options, {}, random);
  const auto b = CodePairing::begin(options, {}, random);
  ASSERT_TRUE(a && b);
  EXPECT_NE(a->code(), b->code());
  EXPECT_NE(a->salt(), b->salt());
  EXPECT_TRUE(
      CodePairing::begin({"12", std::nullopt, true}, {}, random).error().is(CodeError::phone));
  EXPECT_TRUE(CodePairing::begin({"15550100001", "ABCDEFG0", true}, {}, random)
                  .error()
                  .is(CodeError::custom_code));
}

}  // namespace
}  // namespace wab::session
