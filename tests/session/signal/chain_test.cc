#include "session/signal/chain.h"

#include <gtest/gtest.h>

#include "session/signal/agreement.h"
#include "tests/session/signal/support.h"

namespace wab::signal {
namespace {

using test::counting;
using test::hex;
using test::pair_of;
using test::repeated;

SecretKey32 secret_counting(uint8_t first) { return *SecretKey32::from(counting(first, 32)); }

// Dossier 2 section 14.
TEST(Chain, StepsMatchTheDossier) {
  const SecretKey32 chain = secret_counting(0);
  const SecretKey32 seed = message_seed(chain);
  EXPECT_EQ(to_hex(seed.reveal()),
            "9b4c8120a4823a95f47cde17a244f4507244ee6e3957d1fab9fa29b44d3829b7");
  EXPECT_EQ(to_hex(next_chain_key(chain).reveal()),
            "4304c22c84a53755ab08ead8d97a8d429be5efa480682d7ad1da27f73e1fbe1d");
  const MessageKeys keys = message_keys(seed);
  EXPECT_EQ(to_hex(keys.cipher_key()),
            "86268814b41f5fd154659f26873660e3dbc8b205155c3b59b8570b015d773c0c");
  EXPECT_EQ(to_hex(keys.mac_key()),
            "dea51fa5beca2618971c4292647b81e83f2b4edd03e0d292a87ec66e0163abdb");
  EXPECT_EQ(to_hex(keys.iv()), "21cfd5b9956a1631f6b7b5b5bdf7b791");
  const GroupMessageKeys group = group_message_keys(seed);
  EXPECT_EQ(to_hex(group.iv()), "ed1f5e26325b1399f6a34c76e47ff047");
  EXPECT_EQ(to_hex(group.cipher_key()),
            "d89f10a08215e845ceb4df3fc59c052ad09e01cd499650025ff83df48ed656e6");
}

TEST(Chain, RootStepMatchesTheDossier) {
  const RootStep step = root_step(secret_counting(0), secret_counting(0x20));
  EXPECT_EQ(to_hex(step.root.reveal()),
            "62ffc77945c7aae74572869ac8a9522d96bc75a79cf3863ae7335004186255b3");
  EXPECT_EQ(to_hex(step.chain.reveal()),
            "2de7be8dc5a58c68bcb5db2e71cb88157ed10ab4f7ea97ba5606e49733da2b94");
}

TEST(Chain, AgreedKeysMatchTheDossier) {
  const auto three = derive_agreed(repeated(1), repeated(2), repeated(3), nullptr);
  EXPECT_EQ(to_hex(three.root.reveal()),
            "c8ce474196f6b3235cc3e0f71e522ba80b986334fb41de8ad9ea8ce8d58f1707");
  EXPECT_EQ(to_hex(three.chain.reveal()),
            "d453da5521b957da9e632d9c512bfd01114992abd9a34efbbc9a618c48df4529");
  const SecretKey32 fourth = repeated(4);
  const auto four = derive_agreed(repeated(1), repeated(2), repeated(3), &fourth);
  EXPECT_EQ(to_hex(four.root.reveal()),
            "0e18056f1b0947b2bb3593b56baa38317bd4fef7cab2ef1e52850769c915650a");
  EXPECT_EQ(to_hex(four.chain.reveal()),
            "63e6d044e3e411fc8ff106f0ab779a743e69ba697b947cf3415298809b05afc1");
}

TEST(Agreement, BothRolesAgreeWithAndWithoutOneTimeKey) {
  const KeyPair alice = pair_of(1);
  const KeyPair base = pair_of(2);
  const KeyPair bob = pair_of(3);
  const KeyPair signed_prekey = pair_of(4);
  const KeyPair one_time = pair_of(5);
  PreKeyBundle bundle;
  bundle.identity = bob.pub;
  bundle.signed_pub = signed_prekey.pub;

  const auto a3 = agree_as_initiator(alice, base, bundle);
  const auto b3 = agree_as_responder(bob, signed_prekey, nullptr, alice.pub, base.pub);
  EXPECT_TRUE(a3->root.equals(b3->root.reveal()));
  EXPECT_TRUE(a3->chain.equals(b3->chain.reveal()));

  bundle.one_time.emplace(9, one_time.pub);
  const auto a4 = agree_as_initiator(alice, base, bundle);
  const auto b4 = agree_as_responder(bob, signed_prekey, &one_time, alice.pub, base.pub);
  EXPECT_TRUE(a4->root.equals(b4->root.reveal()));
  EXPECT_FALSE(a4->root.equals(a3->root.reveal()));
}

TEST(Agreement, SmallOrderKeysAreRefused) {
  PreKeyBundle bundle;
  bundle.identity = pair_of(3).pub;  // signed_pub stays zero
  EXPECT_TRUE(
      agree_as_initiator(pair_of(1), pair_of(2), bundle).error().is(SignalError::invalid_key));
  EXPECT_TRUE(agree_as_responder(pair_of(1), pair_of(2), nullptr, pair_of(3).pub, Key32{})
                  .error()
                  .is(SignalError::invalid_key));
}

TEST(Chain, WalkLeavesTheChainAloneUntilCommitted) {
  SecretKey32 key = repeated(9);
  uint32_t index = 5;
  std::vector<SkippedKey> skipped;
  auto walk = ChainWalk::to(key, index, 8);
  ASSERT_TRUE(walk);
  EXPECT_TRUE(key.equals(repeated(9).reveal()));

  SecretKey32 by_hand = repeated(9);
  std::vector<SecretKey32> seeds;
  for (int i = 0; i < 4; ++i) {
    seeds.push_back(message_seed(by_hand));
    by_hand = next_chain_key(by_hand);
  }
  EXPECT_TRUE(walk->seed().equals(seeds[3].reveal()));
  std::move(*walk).commit(key, index, skipped);
  EXPECT_EQ(index, 9u);
  EXPECT_TRUE(key.equals(by_hand.reveal()));
  ASSERT_EQ(skipped.size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    const auto at = find_skipped(skipped, 5 + i);
    ASSERT_NE(at, skipped.end());
    EXPECT_TRUE(at->seed.equals(seeds[i].reveal()));
  }
  EXPECT_EQ(find_skipped(skipped, 8), skipped.end());
}

TEST(Chain, WalkRefusesMoreThanTheLimit) {
  EXPECT_TRUE(ChainWalk::to(repeated(1), 10, 10 + kMaxForwardJump));
  EXPECT_TRUE(
      ChainWalk::to(repeated(1), 10, 11 + kMaxForwardJump).error().is(SignalError::too_far_ahead));
  EXPECT_TRUE(
      ChainWalk::to(repeated(1), 0xfffffff0, 0xffffffff).error().is(SignalError::too_far_ahead));
}

TEST(Chain, OldestSkippedKeysAreEvicted) {
  SecretKey32 key = repeated(2);
  uint32_t index = 0;
  std::vector<SkippedKey> skipped;
  for (const uint32_t target : {1500u, 3000u, 4600u}) {
    auto walk = ChainWalk::to(key, index, target);
    ASSERT_TRUE(walk);
    std::move(*walk).commit(key, index, skipped);
  }
  EXPECT_EQ(skipped.size(), kMaxSkippedKeys);
  EXPECT_EQ(skipped.back().counter, 4599u);
  EXPECT_EQ(find_skipped(skipped, 100), skipped.end());
  EXPECT_NE(find_skipped(skipped, 3100), skipped.end());
  EXPECT_EQ(find_skipped(skipped, 3000), skipped.end());  // it was delivered
}

}  // namespace
}  // namespace wab::signal
