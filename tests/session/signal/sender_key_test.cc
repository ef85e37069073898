#include "session/signal/sender_key.h"

#include <gtest/gtest.h>

#include "session/signal/messages.h"
#include "tests/session/signal/support.h"

namespace wab::signal {
namespace {

using test::SeededRandom;

class SenderKeys : public ::testing::Test {
 protected:
  SeededRandom random{21};
  SenderKeyRecord own;
  SenderKeyRecord member;

  void join(SenderKeyRecord& record) {
    ensure_own_sender_key(own, random);
    ASSERT_TRUE(process_distribution(record, own_distribution(own).value()));
  }
  Bytes send(std::string_view body) { return group_encrypt(own, view(body), random).value(); }
  SignalError error_of(const Bytes& message) {
    const Bytes before = member.to_bytes();
    const auto got = group_decrypt(member, message);
    EXPECT_FALSE(got);
    EXPECT_EQ(member.to_bytes(), before);
    return got ? SignalError{} : static_cast<SignalError>(got.error().code());
  }
};

TEST_F(SenderKeys, OwnKeyIsMadeOnce) {
  EXPECT_FALSE(has_own_sender_key(own));
  EXPECT_TRUE(group_encrypt(own, view("x"), random).error().is(SignalError::no_sender_key));
  EXPECT_TRUE(own_distribution(own).error().is(SignalError::no_sender_key));
  EXPECT_TRUE(ensure_own_sender_key(own, random));
  const Bytes first = own_distribution(own).value();
  EXPECT_FALSE(ensure_own_sender_key(own, random));
  EXPECT_EQ(own_distribution(own).value(), first);
  EXPECT_EQ(read_distribution_message(first)->iteration, 0u);
  EXPECT_LT(read_distribution_message(first)->chain_id, 0x80000000u);
}

TEST_F(SenderKeys, MembersReadFromWhereTheyJoined) {
  join(member);
  const Bytes zero = send("zero");
  SenderKeyRecord late;
  join(late);
  const Bytes one = send("one");
  EXPECT_EQ(to_string(group_decrypt(member, zero).value()), "zero");
  EXPECT_EQ(to_string(group_decrypt(member, one).value()), "one");
  EXPECT_EQ(to_string(group_decrypt(late, one).value()), "one");
  EXPECT_TRUE(group_decrypt(late, zero).error().is(SignalError::duplicate));
  EXPECT_EQ(inspect_group_message(one).value(), own.states[0].chain_id);
}

TEST_F(SenderKeys, OutOfOrderAndRepeated) {
  join(member);
  std::vector<Bytes> sent;
  for (int i = 0; i < 6; ++i) sent.push_back(send(std::to_string(i)));
  for (const int i : {3, 5, 0, 4, 1, 2}) {
    EXPECT_EQ(to_string(group_decrypt(member, sent[static_cast<size_t>(i)]).value()),
              std::to_string(i));
    member = SenderKeyRecord::from_bytes(member.to_bytes()).value();
  }
  for (const Bytes& message : sent) EXPECT_EQ(error_of(message), SignalError::duplicate);
}

TEST_F(SenderKeys, JumpLimit) {
  join(member);
  for (uint32_t i = 0; i < kMaxForwardJump; ++i) (void)send("skipped");
  const Bytes at_limit = send("limit");
  const Bytes beyond = send("beyond");
  EXPECT_EQ(error_of(beyond), SignalError::too_far_ahead);
  EXPECT_TRUE(group_decrypt(member, at_limit));
  EXPECT_EQ(member.states[0].skipped.size(), kMaxSkippedKeys);
  EXPECT_TRUE(group_decrypt(member, beyond));
}

TEST_F(SenderKeys, UnknownChainAndEmptyRecord) {
  join(member);
  const Bytes message = send("x");
  SenderKeyRecord empty;
  EXPECT_TRUE(group_decrypt(empty, message).error().is(SignalError::no_sender_key));
  own = SenderKeyRecord();
  ensure_own_sender_key(own, random);
  EXPECT_EQ(error_of(send("rotated")), SignalError::no_sender_key);
}

TEST_F(SenderKeys, AnyChangedByteIsRefused) {
  join(member);
  const Bytes message = send("text");
  for (size_t i = 0; i < message.size(); ++i) {
    Bytes changed = message;
    changed[i] ^= static_cast<uint8_t>(1u << (i % 8));
    (void)error_of(changed);
  }
  EXPECT_TRUE(group_decrypt(member, message));
}

TEST_F(SenderKeys, AnotherMembersSignatureIsRefused) {
  join(member);
  SenderKeyRecord forger = own.clone();
  forger.states[0].signing_priv = KeyPair::generate(random).priv.clone();
  EXPECT_EQ(error_of(group_encrypt(forger, view("forged"), random).value()),
            SignalError::bad_signature);
}

TEST_F(SenderKeys, RepeatedDistributionKeepsTheRatchet) {
  join(member);
  const Bytes distribution = own_distribution(own).value();
  const Bytes one = send("one");
  const Bytes two = send("two");
  EXPECT_TRUE(group_decrypt(member, two));
  ASSERT_TRUE(process_distribution(member, distribution));
  EXPECT_EQ(member.states.size(), 1u);
  EXPECT_EQ(error_of(two), SignalError::duplicate);
  EXPECT_TRUE(group_decrypt(member, one));
}

TEST_F(SenderKeys, SameChainIdUnderAnotherSigningKeyReplaces) {
  join(member);
  SenderKeyRecord other = own.clone();
  const KeyPair signing = KeyPair::generate(random);
  other.states[0].signing_pub = signing.pub;
  other.states[0].signing_priv = signing.priv.clone();
  ASSERT_TRUE(process_distribution(member, own_distribution(other).value()));
  EXPECT_EQ(member.states.size(), 1u);
  EXPECT_EQ(error_of(send("old")), SignalError::bad_signature);
  EXPECT_TRUE(group_decrypt(member, group_encrypt(other, view("new"), random).value()));
}

TEST_F(SenderKeys, FiveStatesAreKept) {
  std::vector<Bytes> messages;
  for (int i = 0; i < 7; ++i) {
    own = SenderKeyRecord();
    join(member);
    messages.push_back(send(std::to_string(i)));
  }
  EXPECT_EQ(member.states.size(), kMaxSenderKeyStates);
  for (size_t i = 0; i < messages.size(); ++i) {
    const auto got = group_decrypt(member, messages[i]);
    EXPECT_EQ(got.has_value(), i >= 2) << i;
  }
}

TEST_F(SenderKeys, MemberCannotSend) {
  join(member);
  EXPECT_FALSE(has_own_sender_key(member));
  EXPECT_TRUE(group_encrypt(member, view("x"), random).error().is(SignalError::no_sender_key));
}

}  // namespace
}  // namespace wab::signal
