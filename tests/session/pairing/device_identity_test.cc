#include "session/pairing/device_identity.h"

#include <gtest/gtest.h>

#include "tests/session/pairing/pairing_fixtures.h"

namespace wab::session {
namespace {

using testing::FixedRandom;
using testing::pair_of;
using testing::Phone;

const char* const kAccountSignature =
    "39c31b2cb47151c21adb1dd378dfd1ec5786a8f93ab1370d7207b8acd0bbad209fbeefb0eda42319f0c6bbc1deb8"
    "072801828d0a9bee26d3c0a68c76847d588c";
const char* const kDeviceSignature =
    "74129c7f935e4e7c2aa745ff88f53b59438e7fc2dfda32463f8be87e1e0411e702bda09155f04025a3163bca6ab3"
    "6cb6329f3d7ebe60ae0bb30d962e84138082";

// A companion's blob as its peers get it.
pb::ADVSignedDeviceIdentity companion_blob(AdvFamily family) {
  Phone phone;
  phone.signed_as = family;
  auto out = phone.identity();
  FixedRandom zero(0);
  out.set_device_signature(to_string(signal::sign(
      pair_of(0x33).priv,
      device_signed_data(family, phone.details, phone.companion, phone.account.pub), zero)));
  return out;
}

PeerVerdict check(const pb::ADVSignedDeviceIdentity& blob, std::optional<Key32> primary = {}) {
  return check_peer_device(view(blob.SerializeAsString()), pair_of(0x33).pub, primary);
}

TEST(DeviceIdentity, SignaturesAreTheRecordedOnes) {
  const auto blob = companion_blob(AdvFamily::e2ee);
  EXPECT_EQ(to_hex(view(blob.account_signature())), kAccountSignature);
  EXPECT_EQ(to_hex(view(blob.device_signature())), kDeviceSignature);
  const Bytes details = *from_hex(testing::kDetails);
  EXPECT_TRUE(verify_account_signature(AdvFamily::e2ee, details, pair_of(0x33).pub,
                                       pair_of(0x44).pub, *from_hex(kAccountSignature)));
  EXPECT_FALSE(verify_account_signature(AdvFamily::hosted, details, pair_of(0x33).pub,
                                        pair_of(0x44).pub, *from_hex(kAccountSignature)));
  EXPECT_TRUE(verify_device_signature(AdvFamily::e2ee, details, pair_of(0x33).pub,
                                      pair_of(0x44).pub, *from_hex(kDeviceSignature)));
}

TEST(DeviceIdentity, DetailsAreRead) {
  const auto details = parse_device_details(*from_hex(testing::kDetails));
  ASSERT_TRUE(details);
  EXPECT_EQ(details->raw_id, 1u);
  EXPECT_EQ(details->timestamp, 1785000000u);
  EXPECT_EQ(details->key_index, 1u);
  EXPECT_FALSE(details->hosted);
  EXPECT_TRUE(parse_device_details(*from_hex("2801"))->hosted);
  EXPECT_FALSE(parse_device_details(*from_hex("2801"))->key_index);
  EXPECT_FALSE(parse_device_details(*from_hex("08")));
}

TEST(PeerDevice, BothFamiliesAreAccepted) {
  EXPECT_EQ(check(companion_blob(AdvFamily::e2ee)), PeerVerdict::valid);
  EXPECT_EQ(check(companion_blob(AdvFamily::hosted)), PeerVerdict::valid);
}

TEST(PeerDevice, AMixOfFamiliesIsNot) {
  auto mixed = companion_blob(AdvFamily::e2ee);
  mixed.set_device_signature(companion_blob(AdvFamily::hosted).device_signature());
  EXPECT_EQ(check(mixed), PeerVerdict::invalid);
}

TEST(PeerDevice, AccountKeyMayComeFromThePrimary) {
  auto blob = companion_blob(AdvFamily::e2ee);
  blob.clear_account_signature_key();
  EXPECT_EQ(check(blob), PeerVerdict::unknown_account);
  EXPECT_EQ(check(blob, pair_of(0x44).pub), PeerVerdict::valid);
  EXPECT_EQ(check(blob, pair_of(0x45).pub), PeerVerdict::invalid);
}

TEST(PeerDevice, EveryAlteredFieldIsInvalid) {
  using Blob = pb::ADVSignedDeviceIdentity;
  const auto altered = [](auto&& change) {
    Blob blob = companion_blob(AdvFamily::e2ee);
    change(blob);
    return check(blob);
  };
  EXPECT_EQ(altered([](Blob& b) { b.mutable_details()->at(1) ^= 2; }), PeerVerdict::invalid);
  EXPECT_EQ(altered([](Blob& b) { b.mutable_account_signature()->at(0) ^= 1; }),
            PeerVerdict::invalid);
  EXPECT_EQ(altered([](Blob& b) { b.mutable_device_signature()->at(63) ^= 1; }),
            PeerVerdict::invalid);
  EXPECT_EQ(altered([](Blob& b) { b.clear_device_signature(); }), PeerVerdict::invalid);
  EXPECT_EQ(altered([](Blob& b) { b.mutable_account_signature()->pop_back(); }),
            PeerVerdict::invalid);
  EXPECT_EQ(altered([](Blob& b) { b.mutable_account_signature_key()->pop_back(); }),
            PeerVerdict::invalid);
  const std::string blob = companion_blob(AdvFamily::e2ee).SerializeAsString();
  EXPECT_EQ(check_peer_device(view(blob), pair_of(0x34).pub, {}), PeerVerdict::invalid);
  EXPECT_EQ(check_peer_device(Bytes{0xff}, pair_of(0x33).pub, {}), PeerVerdict::invalid);
}

TEST(KeyIndexes, KeepThePrimaryAndWhatTheListNames) {
  KeyIndexList list;
  list.current_index = 7;
  list.valid_indexes = {0, 3, 5};
  EXPECT_TRUE(list.keeps(0, std::nullopt));
  EXPECT_TRUE(list.keeps(4, 3));
  EXPECT_FALSE(list.keeps(4, 4));
  EXPECT_FALSE(list.keeps(4, 7));
  EXPECT_TRUE(list.keeps(4, 8));
  EXPECT_FALSE(list.keeps(4, std::nullopt));
  EXPECT_TRUE(keeps_device(std::nullopt, 0, std::nullopt));
  EXPECT_FALSE(keeps_device(std::nullopt, 4, 8));
  EXPECT_TRUE(keeps_device(list, 4, 5));
}

TEST(KeyIndexes, SignatureIsCheckedWhenAKeyIsAtHand) {
  pb::ADVKeyIndexList list;
  list.set_raw_id(9);
  list.set_timestamp(1700000000);
  list.set_current_index(2);
  list.add_valid_indexes(1);
  pb::ADVSignedKeyIndexList container;
  container.set_details(list.SerializeAsString());
  FixedRandom zero(0);
  const ByteArray<2> prefix = {6, 2};
  container.set_account_signature(to_string(
      signal::sign(pair_of(0x44).priv, concat({prefix, view(container.details())}), zero)));
  const auto parse = [&container](std::optional<Key32> key) {
    return parse_key_index_list(view(container.SerializeAsString()), key);
  };
  EXPECT_EQ(parse({})->list.valid_indexes, std::vector<uint32_t>{1});
  EXPECT_FALSE(parse({})->signature_valid);
  EXPECT_EQ(parse(pair_of(0x44).pub)->signature_valid, true);
  EXPECT_EQ(parse(pair_of(0x45).pub)->signature_valid, false);
  container.set_account_signature_key(to_string(pair_of(0x44).pub));
  EXPECT_EQ(parse({})->signature_valid, true);
  EXPECT_FALSE(parse_key_index_list(Bytes{1, 2, 3}, {}));
}

TEST(OwnDeviceIdentity, ShowsTheAccountKeyOnlyWhenAsked) {
  const Bytes account = to_bytes(companion_blob(AdvFamily::e2ee).SerializeAsString());
  pb::ADVSignedDeviceIdentity with;
  pb::ADVSignedDeviceIdentity without;
  ASSERT_TRUE(with.ParseFromString(to_string(*own_device_identity(account, true))));
  ASSERT_TRUE(without.ParseFromString(to_string(*own_device_identity(account, false))));
  EXPECT_EQ(with.account_signature_key(), to_string(pair_of(0x44).pub));
  EXPECT_FALSE(without.has_account_signature_key());
  EXPECT_EQ(with.details(), without.details());
  EXPECT_FALSE(own_device_identity({}, true));
}

}  // namespace
}  // namespace wab::session
