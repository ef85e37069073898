#include "session/noise/certificate.h"

#include <gtest/gtest.h>

#include "session/proto/handshake.pb.h"
#include "tests/session/noise/noise_fixtures.h"

namespace wab::noise {
namespace {

constexpr UnixSeconds kThen = 1780000000;

// The recorded public chain of dossier 1 section 16.2.
struct Genuine {
  Key32 leaf_key =
      *to_array<32>(*from_hex("912a0eca8358aee024ae9702c16b15f9d5379fc3a5571a066a72be4e11b5c846"));
  Bytes chain() const {
    pb::CertChain chain;
    chain.mutable_leaf()->set_details(to_string(*from_hex(
        "08e30210031a20912a0eca8358aee024ae9702c16b15f9d5379fc3a5571a066a72be4e11b5c84620d0d386ce06"
        "28d08d9fd306")));
    chain.mutable_leaf()->set_signature(to_string(*from_hex(
        "df8063f368c01e12e909604d5419469c50e279a99df3ed77f12e7bb8cb7d91ef66ae7e6be3e55ea7004f284807"
        "8e86fa6d1ef4ae50a658393166ff827d58c803")));
    chain.mutable_intermediate()->set_details(to_string(*from_hex(
        "080310001a201c51a9ac303994c6c8d0b92ea1878a533476599cc599fbea35997d9aa90cce62208091aebe0628"
        "ffdeb7dc06")));
    chain.mutable_intermediate()->set_signature(to_string(*from_hex(
        "270f294648539fed4870e25054dd4e95983aba29189c2ba6c8eeda7055555f753740f5ec192ab64c26c26d6ade"
        "6d20b9f774aee37120a6b20395f53c66058507")));
    return to_bytes(chain.SerializeAsString());
  }
};

NoiseError error_of(const Result<VerifiedChain>& result) {
  EXPECT_FALSE(result);
  return static_cast<NoiseError>(result ? 0 : result.error().code());
}

TEST(Certificate, GenuineChainVerifies) {
  const Genuine genuine;
  const auto chain = verify_chain(genuine.chain(), genuine.leaf_key, {kWhatsAppRootKey, kThen});
  ASSERT_TRUE(chain) << chain.error().describe();
  EXPECT_EQ(chain->leaf.key, genuine.leaf_key);
  EXPECT_EQ(chain->leaf.not_before, 1774299600);
  EXPECT_EQ(chain->leaf.not_after, 1785186000);
  EXPECT_EQ(chain->intermediate.not_after, 1804463999);
  EXPECT_TRUE(chain->valid_at(kThen));
  EXPECT_FALSE(chain->valid_at(1786000000));
}

TEST(Certificate, GenuineChainExpires) {
  const Genuine genuine;
  const auto at = [&](UnixSeconds now) {
    return verify_chain(genuine.chain(), genuine.leaf_key, {kWhatsAppRootKey, now});
  };
  EXPECT_EQ(error_of(at(1786000000)), NoiseError::certificate_expired);
  EXPECT_EQ(error_of(at(1785186001)), NoiseError::certificate_expired);
  EXPECT_TRUE(at(1785186000));
  EXPECT_EQ(error_of(at(1774299599)), NoiseError::certificate_not_yet_valid);
}

TEST(Certificate, GenuineChainReplayedByAnotherServerIsRefused) {
  const Genuine genuine;
  EXPECT_EQ(error_of(verify_chain(genuine.chain(), testing::pair_of(0x44).pub,
                                  {kWhatsAppRootKey, kThen})),
            NoiseError::certificate_key_mismatch);
}

TEST(Certificate, AnySingleFlippedBitOfTheGenuineChainIsRefused) {
  const Genuine genuine;
  const Bytes good = genuine.chain();
  for (size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= static_cast<uint8_t>(1u << (i % 8));
    EXPECT_FALSE(verify_chain(bad, genuine.leaf_key, {kWhatsAppRootKey, kThen})) << i;
  }
}

TEST(Certificate, EachFaultHasItsOwnError) {
  for (const auto& fault : testing::chain_faults()) {
    EXPECT_EQ(error_of(verify_chain(fault.chain, fault.server_static, fault.policy)), fault.error)
        << fault.name;
  }
}

TEST(Certificate, NoBytesCrashTheParser) {
  testing::SeededRandom random(7);
  for (int i = 0; i < 2000; ++i) {
    const Bytes bytes = random.bytes(random.below(200));
    EXPECT_FALSE(verify_chain(bytes, Key32{}, {kWhatsAppRootKey, kThen}));
  }
}

}  // namespace
}  // namespace wab::noise
