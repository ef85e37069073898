#include "session/signal/curve.h"

#include <gtest/gtest.h>

#include "tests/session/signal/support.h"

namespace wab::signal {
namespace {

using test::ConstantRandom;
using test::hex;
using test::pair_of;
using test::repeated;
using test::SeededRandom;

TEST(Curve, PublicKeysMatchTheDossier) {
  EXPECT_EQ(to_hex(pair_of(0x11).pub),
            "7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13");
  EXPECT_EQ(to_hex(pair_of(0x22).pub),
            "0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20");
  EXPECT_EQ(to_hex(pair_of(0x33).pub),
            "7b0d47d93427f8311160781c7c733fd89f88970aef490d8aa0ee19a4cb8a1b14");
  EXPECT_EQ(to_hex(pair_of(0x44).pub),
            "ff2ee45601ec1b67310c7790404585ae697331eee1c1f8cf2419731c1fff3e6b");
}

TEST(Curve, AgreementMatchesRfc7748) {
  const auto a = KeyPair::from_private(
      *SecretKey32::from(hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")));
  const auto b = KeyPair::from_private(
      *SecretKey32::from(hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")));
  EXPECT_EQ(to_hex(a.pub), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(to_hex(b.pub), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const Bytes shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  EXPECT_TRUE(agree(a.priv, b.pub)->equals(shared));
  EXPECT_TRUE(agree(b.priv, a.pub)->equals(shared));
}

TEST(Curve, AgreementWithSmallOrderPointFails) {
  const KeyPair mine = pair_of(0x11);
  const Key32 zero{};
  Key32 one{};
  one[0] = 1;
  EXPECT_TRUE(agree(mine.priv, zero).error().is(SignalError::invalid_key));
  EXPECT_TRUE(agree(mine.priv, one).error().is(SignalError::invalid_key));
}

TEST(Curve, PrivateKeysAreClamped) {
  const KeyPair pair = KeyPair::from_private(repeated(0xff));
  EXPECT_EQ(pair.priv.reveal()[0], 0xf8);
  EXPECT_EQ(pair.priv.reveal()[31], 0x7f);
  SeededRandom random(1);
  const KeyPair made = KeyPair::generate(random);
  EXPECT_EQ(made.priv.reveal()[0] & 7, 0);
  EXPECT_EQ(made.priv.reveal()[31] & 0xc0, 0x40);
}

// Dossier 1 section 16.3: signatures with 64 zero bytes for the random part.
TEST(XEdDsa, SignaturesMatchTheDossier) {
  ConstantRandom zero(0);
  const KeyPair account = pair_of(0x44);
  const KeyPair device = pair_of(0x33);
  const Bytes details = hex("080110c0e093d3061801");

  const Bytes account_message = concat({hex("0600"), details, device.pub});
  const auto account_signature = sign(account.priv, account_message, zero);
  EXPECT_EQ(to_hex(account_signature),
            "39c31b2cb47151c21adb1dd378dfd1ec5786a8f93ab1370d7207b8acd0bbad20"
            "9fbeefb0eda42319f0c6bbc1deb8072801828d0a9bee26d3c0a68c76847d588c");
  EXPECT_TRUE(verify(account.pub, account_message, account_signature));

  const Bytes device_message = concat({hex("0601"), details, device.pub, account.pub});
  const auto device_signature = sign(device.priv, device_message, zero);
  EXPECT_EQ(to_hex(device_signature),
            "74129c7f935e4e7c2aa745ff88f53b59438e7fc2dfda32463f8be87e1e0411e7"
            "02bda09155f04025a3163bca6ab36cb6329f3d7ebe60ae0bb30d962e84138082");
  EXPECT_TRUE(verify(device.pub, device_message, device_signature));

  const auto prekey_signature = sign(device.priv, serialized(pair_of(0x11).pub), zero);
  EXPECT_EQ(to_hex(prekey_signature),
            "f09fcce8559dfa76d9b3468936c472925cdb766e4c82cc0cf84d717725181de7"
            "8bb03b2cf5c6be6f2fe22917365ce4c2bbe4abd74021adbd6253d0ee5d3f0a8d");
}

// Dossier 1 section 16.2: the server's recorded chain.
TEST(XEdDsa, GenuineCertificateVerifies) {
  const Bytes issuer = hex("1c51a9ac303994c6c8d0b92ea1878a533476599cc599fbea35997d9aa90cce62");
  const Bytes details =
      hex("08e30210031a20912a0eca8358aee024ae9702c16b15f9d5379fc3a5571a066a72be4e11b5c846"
          "20d0d386ce0628d08d9fd306");
  const Bytes signature =
      hex("df8063f368c01e12e909604d5419469c50e279a99df3ed77f12e7bb8cb7d91ef"
          "66ae7e6be3e55ea7004f2848078e86fa6d1ef4ae50a658393166ff827d58c803");
  EXPECT_TRUE(verify(*to_array<32>(issuer), details, signature));
}

TEST(XEdDsa, BothSignBitsOccurAndVerify) {
  SeededRandom random(5);
  int set = 0;
  for (int i = 0; i < 64; ++i) {
    const KeyPair pair = KeyPair::generate(random);
    const Bytes message = random.bytes(static_cast<size_t>(i));
    const auto signature = sign(pair.priv, message, random);
    EXPECT_TRUE(verify(pair.pub, message, signature));
    if (signature[63] & 0x80) ++set;
  }
  EXPECT_GT(set, 10);
  EXPECT_LT(set, 54);
}

TEST(XEdDsa, AnyChangedBitIsRefused) {
  SeededRandom random(6);
  const KeyPair pair = KeyPair::generate(random);
  const Bytes message = random.bytes(20);
  const auto signature = sign(pair.priv, message, random);
  for (size_t bit = 0; bit < 512; ++bit) {
    auto changed = signature;
    changed[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    EXPECT_FALSE(verify(pair.pub, message, changed)) << bit;
  }
  for (size_t i = 0; i < message.size(); ++i) {
    Bytes changed = message;
    changed[i] ^= 1;
    EXPECT_FALSE(verify(pair.pub, changed, signature));
  }
  EXPECT_FALSE(verify(KeyPair::generate(random).pub, message, signature));
  EXPECT_FALSE(verify(pair.pub, message, ByteView(signature).first(63)));
}

// The rule asks for s < 2^253 only: s + L stands for the same equation.
TEST(XEdDsa, UnreducedScalarBelowTheBoundIsAccepted) {
  const Bytes order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  SeededRandom random(7);
  const KeyPair pair = KeyPair::generate(random);
  const auto signature = sign(pair.priv, view("m"), random);
  const uint8_t sign_bit = signature[63] & 0x80;
  auto shifted = signature;
  shifted[63] &= 0x7f;
  unsigned carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += shifted[32 + i] + order[i];
    shifted[32 + i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  ASSERT_EQ(shifted[63] & 0xe0, 0);
  shifted[63] |= sign_bit;
  EXPECT_TRUE(verify(pair.pub, view("m"), shifted));
  shifted[63] |= 0x20;
  EXPECT_FALSE(verify(pair.pub, view("m"), shifted));
}

TEST(XEdDsa, KeysWithoutEdwardsFormAreRefused) {
  const Bytes signature(64, 0);
  const Key32 zero{};
  EXPECT_FALSE(verify(zero, view("m"), signature));  // small order
  // u = -1 mod p has no Edwards point.
  const Key32 minus_one =
      *to_array<32>(hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"));
  EXPECT_FALSE(verify(minus_one, view("m"), signature));
  Key32 twist{};
  twist[0] = 2;  // u = 2 lies on the twist
  EXPECT_FALSE(verify(twist, view("m"), signature));
}

TEST(Curve, SerializedFormCarriesTheType) {
  const Key32 pub = pair_of(0x11).pub;
  const Bytes bytes = serialized(pub);
  EXPECT_EQ(bytes.size(), 33u);
  EXPECT_EQ(bytes[0], 5);
  EXPECT_EQ(parse_public(bytes), pub);
  EXPECT_EQ(parse_public(ByteView(bytes).subspan(1)), std::nullopt);
  Bytes other = bytes;
  other[0] = 6;
  EXPECT_EQ(parse_public(other), std::nullopt);
}

}  // namespace
}  // namespace wab::signal
