#include "session/identity.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/manual_clock.h"

namespace wab::session {
namespace {

DeviceIdentity paired() {
  test::SeededRandom random(42);
  auto out = DeviceIdentity::make(random, 1'795'000'000);
  out.previous.push_back(make_signed_prekey(9, out.signal.identity, 1'790'000'000, random));
  out.account = {1, 2, 3};
  out.own.pn = node::Jid::pn("15550100001", 3);
  out.own.lid = node::Jid::lid("1000001", 3);
  out.platform = "android";
  out.business_name = "Café";
  out.lid_migrated = false;
  return out;
}

TEST(Identity, ComesBackAsItWas) {
  const auto before = paired();
  const auto after = DeviceIdentity::from_bytes(before.to_bytes());
  ASSERT_TRUE(after);
  EXPECT_EQ(after->noise.pub, before.noise.pub);
  EXPECT_EQ(after->signal.identity.pub, before.signal.identity.pub);
  EXPECT_EQ(after->signal.registration_id, before.signal.registration_id);
  EXPECT_EQ(after->signed_prekey.signature, before.signed_prekey.signature);
  EXPECT_EQ(after->signed_prekey.created, 1'795'000'000);
  ASSERT_EQ(after->previous.size(), 1u);
  EXPECT_EQ(after->previous[0].id, 9u);
  EXPECT_EQ(to_hex(after->adv_secret.reveal()), to_hex(before.adv_secret.reveal()));
  EXPECT_TRUE(after->paired());
  EXPECT_EQ(after->account, before.account);
  EXPECT_EQ(after->own.pn.text(), "15550100001:3@s.whatsapp.net");
  EXPECT_EQ(after->own.lid.text(), "1000001:3@lid");
  EXPECT_EQ(after->platform, "android");
  EXPECT_EQ(after->business_name, "Café");
  EXPECT_FALSE(after->lid_migrated);
  EXPECT_EQ(after->to_bytes(), before.to_bytes());
}

TEST(Identity, UnpairedOneIsUnpairedAgain) {
  test::SeededRandom random;
  const auto back = DeviceIdentity::from_bytes(DeviceIdentity::make(random, 1).to_bytes());
  ASSERT_TRUE(back);
  EXPECT_FALSE(back->paired());
  EXPECT_TRUE(back->own.pn.empty());
}

// What is on disks already must stay readable.
TEST(Identity, StoredFormIsGolden) {
  std::ifstream file(WAB_SOURCE_DIR "/tests/golden/session/identity_v1.hex");
  std::string golden;
  ASSERT_TRUE(std::getline(file, golden));
  EXPECT_EQ(to_hex(paired().to_bytes()), golden);
  const auto bytes = from_hex(golden);
  ASSERT_TRUE(bytes);
  const auto read = DeviceIdentity::from_bytes(*bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->signal.identity.pub, paired().signal.identity.pub);
}

TEST(Identity, DamageIsNoticedOrHarmless) {
  const Bytes good = paired().to_bytes();
  for (size_t size = 0; size < good.size(); ++size) {
    (void)DeviceIdentity::from_bytes(ByteView(good).first(size));  // never throws
  }
  EXPECT_FALSE(DeviceIdentity::from_bytes({}));
  EXPECT_FALSE(DeviceIdentity::from_bytes(ByteView(good).first(10)));
  EXPECT_FALSE(DeviceIdentity::from_bytes(Bytes(200, 0xff)));
}

TEST(Identity, EachMadeOneIsNewAndInRange) {
  test::SeededRandom random;
  Key32 last{};
  for (int i = 0; i < 20; ++i) {
    const auto one = DeviceIdentity::make(random, 1);
    EXPECT_NE(one.signal.identity.pub, last);
    last = one.signal.identity.pub;
    EXPECT_GE(one.signal.registration_id, 1u);
    EXPECT_LT(one.signal.registration_id, 1u << 31);
    EXPECT_TRUE(signal::verify(one.signal.identity.pub,
                               signal::serialized(one.signed_prekey.keys.pub),
                               one.signed_prekey.signature));
  }
}

TEST(Identity, FindsOldSignedPrekeys) {
  const auto me = paired();
  EXPECT_EQ(me.signed_prekey_by_id(1), &me.signed_prekey);
  EXPECT_EQ(me.signed_prekey_by_id(9), &me.previous[0]);
  EXPECT_EQ(me.signed_prekey_by_id(2), nullptr);
}

}  // namespace
}  // namespace wab::session
