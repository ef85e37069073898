#include "tests/sandbox/phone_pairing.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "session/signal/kdf.h"
#include "tests/sandbox/fields.h"

namespace wab::sandbox {
namespace {

// Vectors of dossier 1 sections 16.3 and 16.4: keys are named by the byte that fills them.
class Zeros : public Random {
 public:
  void fill(MutableBytes out) override { std::ranges::fill(out, uint8_t{0}); }
};

signal::KeyPair key_of(uint8_t byte) {
  ByteArray<32> priv;
  priv.fill(byte);
  return signal::KeyPair::from_private(SecretKey32(priv));
}

Bytes filled(size_t size, uint8_t byte) { return Bytes(size, byte); }

Bytes counting(size_t size) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i);
  return out;
}

TEST(PhonePairing, SignsACompanionAsInTheVector) {
  Zeros zeros;
  const auto account = key_of(0x44);
  const auto companion = key_of(0x33);
  const Bytes blob =
      sign_companion(account, {1, 1785000000, 1}, companion.pub, filled(32, 0x88), zeros);
  const auto outer = Fields::parse(blob);
  ASSERT_TRUE(outer);
  EXPECT_EQ(to_hex(outer->copy(2)),
            "87346463f94c9064bd065052507111f12445d82c9e98bf3f7b1a302ac63d71dc");
  const Bytes inner = outer->copy(1);
  EXPECT_EQ(inner.size(), 112u);
  const auto identity = Fields::parse(inner);
  ASSERT_TRUE(identity);
  EXPECT_EQ(to_hex(identity->copy(1)), "080110c0e093d3061801");
  EXPECT_EQ(identity->copy(2), to_bytes(ByteView(account.pub)));
  EXPECT_EQ(to_hex(identity->copy(3)),
            "39c31b2cb47151c21adb1dd378dfd1ec5786a8f93ab1370d7207b8acd0bbad20"
            "9fbeefb0eda42319f0c6bbc1deb8072801828d0a9bee26d3c0a68c76847d588c");
  EXPECT_EQ(to_hex(ByteView(blob).first(2)), "0a70");
}

TEST(PhonePairing, NormalizesCodes) {
  EXPECT_EQ(normal_code("VTPV-XVR2"), "VTPVXVR2");
  EXPECT_EQ(normal_code("vtpvxvr2"), "VTPVXVR2");
  for (const char* bad : {"", "VTPVXVR", "VTPVXVR22", "VTPVXVR0", "VTPVXVRI", "VTPV_XVR2"}) {
    EXPECT_FALSE(normal_code(bad)) << bad;
  }
}

TEST(PhonePairing, StretchesAndWrapsAsInTheVector) {
  const Bytes salt = counting(32);
  const Bytes iv = counting(16);
  EXPECT_EQ(to_hex(stretch_pairing_code("VTPVXVR2", salt).reveal()),
            "4596f8b93cafc664c0c7c7ed55aa45e97b6974bfed5a164e4e8a961f7e35222b");
  const auto key = key_of(0x11);
  const Bytes wrapped = wrap_ephemeral("VTPVXVR2", salt, iv, key.pub);
  ASSERT_EQ(wrapped.size(), 80u);
  EXPECT_EQ(to_hex(ByteView(wrapped).subspan(48)),
            "741923b1d99317f694b8151bfeadd14d09ae0a687dcfa8a5e3e04788a749e02f");
  EXPECT_EQ(unwrap_ephemeral("VTPVXVR2", wrapped), key.pub);
  EXPECT_NE(unwrap_ephemeral("VTPVXVR3", wrapped), key.pub);
  EXPECT_FALSE(unwrap_ephemeral("VTPVXVR2", ByteView(wrapped).first(79)));
}

Bytes bundle_of_the_vector() {
  return concat(
      {filled(32, 0x66), filled(12, 0x77),
       *from_hex("6096cb3cf260b09a5b00ead70b4d20dad3a415412885d3382715ef9bac8fe5a7efa6684e"
                 "9ec6cc5c783359c6e91ee1aa371cae2f108e02387003f5ac6773dc1b2f17f80cd10f76b2"
                 "745266b476b1fa956cce99754c79b7f5276b38259024ed2ba39e76753edb1111d0d47d9d"
                 "cb5a6a56")});
}

TEST(PhonePairing, OpensTheKeyBundleAsInTheVector) {
  const auto companion_identity = key_of(0x22);
  const auto account = key_of(0x44);
  EnteredCode entered;
  entered.ephemeral = key_of(0x33);
  entered.companion_ephemeral = key_of(0x11).pub;
  const auto secret =
      open_key_bundle(entered, account, bundle_of_the_vector(), companion_identity.pub);
  ASSERT_TRUE(secret);
  EXPECT_EQ(to_hex(secret->reveal()),
            "13e3f61872dc4e95d3a990c259e3fbee8b8774bdf0416e6b1e572a26373d9304");
}

TEST(PhonePairing, RefusesABundleThatIsNotForThisPairing) {
  const auto companion_identity = key_of(0x22);
  const auto account = key_of(0x44);
  EnteredCode entered;
  entered.ephemeral = key_of(0x33);
  entered.companion_ephemeral = key_of(0x11).pub;
  Bytes bundle = bundle_of_the_vector();
  EXPECT_FALSE(open_key_bundle(entered, account, bundle, key_of(0x23).pub));
  EXPECT_FALSE(open_key_bundle(entered, key_of(0x45), bundle, companion_identity.pub));
  EXPECT_FALSE(
      open_key_bundle(entered, account, ByteView(bundle).first(155), companion_identity.pub));
  bundle.back() ^= 1;
  EXPECT_FALSE(open_key_bundle(entered, account, bundle, companion_identity.pub));
}

TEST(PhonePairing, AnEnteredCodeCarriesAFreshKeyThatTheCompanionCanUnwrap) {
  Zeros zeros;
  const auto companion = key_of(0x11);
  const Bytes hello = wrap_ephemeral("VTPVXVR2", counting(32), counting(16), companion.pub);
  const auto entered = enter_pairing_code("VTPVXVR2", hello, system_random());
  ASSERT_TRUE(entered);
  EXPECT_EQ(entered->companion_ephemeral, companion.pub);
  EXPECT_EQ(unwrap_ephemeral("VTPVXVR2", entered->wrapped), entered->ephemeral.pub);
  EXPECT_FALSE(enter_pairing_code("VTPVXVR2", ByteView(hello).first(79), zeros));
}

}  // namespace
}  // namespace wab::sandbox
