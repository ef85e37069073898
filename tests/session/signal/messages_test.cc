#include "session/signal/messages.h"

#include <gtest/gtest.h>

#include "session/signal/padding.h"
#include "tests/session/signal/support.h"

namespace wab::signal {
namespace {

using test::counting;
using test::hex;
using test::pair_of;
using test::repeated;
using test::SeededRandom;

TEST(Messages, SignalMessageIsCanonicalWithZeroCounters) {
  SignalMessage message;
  message.ratchet = pair_of(0x11).pub;
  message.ciphertext = hex("aabb");
  const std::string expected = "330a2105" + to_hex(message.ratchet) + "10001800" + "2202aabb";
  const Bytes bytes = write_signal_message(message);
  EXPECT_EQ(to_hex(bytes), expected);

  Bytes whole = bytes;
  append(whole, counting(1, 8));
  const auto read = read_signal_message(whole);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->message.ratchet, message.ratchet);
  EXPECT_EQ(read->message.counter, 0u);
  EXPECT_EQ(read->message.ciphertext, message.ciphertext);
  EXPECT_EQ(to_bytes(read->authenticated), bytes);
  EXPECT_EQ(to_bytes(read->mac), counting(1, 8));
}

TEST(Messages, PreKeyMessageWithAndWithoutOneTimeId) {
  PreKeySignalMessage message;
  message.base_key = pair_of(0x11).pub;
  message.identity = pair_of(0x22).pub;
  message.message = hex("33");
  message.signed_id = 300;
  const std::string rest = "122105" + to_hex(message.base_key) + "1a2105" +
                           to_hex(message.identity) + "220133" + "2800" + "30ac02";
  EXPECT_EQ(to_hex(write_prekey_message(message)), "33" + rest);
  message.one_time_id = 0;
  EXPECT_EQ(to_hex(write_prekey_message(message)), "330800" + rest);
  const auto read = read_prekey_message(write_prekey_message(message));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->one_time_id, 0u);
  EXPECT_EQ(read->signed_id, 300u);
  EXPECT_EQ(read->message, message.message);
}

TEST(Messages, MissingRegistrationIdReadsAsZeroAndUnknownFieldsAreSkipped) {
  const std::string keys = "122105" + to_hex(pair_of(1).pub) + "1a2105" + to_hex(pair_of(2).pub);
  const auto read = read_prekey_message(hex("33" + keys + "220133" + "3001" + "3807" + "4201ff"));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->registration_id, 0u);
  EXPECT_EQ(read->one_time_id, std::nullopt);
}

TEST(Messages, DistributionMessageRoundTripsAndToleratesAnOldSigningKey) {
  DistributionMessage message;
  message.chain_id = 5;
  message.seed = repeated(7);
  message.signing_pub = pair_of(0x11).pub;
  const std::string seed = to_hex(repeated(7).reveal());
  const Bytes bytes = write_distribution_message(message);
  EXPECT_EQ(to_hex(bytes), "33080510001a20" + seed + "222105" + to_hex(message.signing_pub));
  const auto read = read_distribution_message(bytes);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->seed.equals(message.seed.reveal()));
  EXPECT_EQ(read->signing_pub, message.signing_pub);
  const auto old = read_distribution_message(
      hex("33080510001a20" + seed + "2220" + to_hex(message.signing_pub)));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->signing_pub, message.signing_pub);
}

TEST(Messages, BrokenMessagesAreErrors) {
  const std::string key = "0a2105" + to_hex(pair_of(1).pub);
  const std::string mac = "0000000000000000";
  struct Case {
    std::string bytes;
    SignalError error;
  };
  const Case cases[] = {
      {"", SignalError::invalid_message},
      {"33" + mac.substr(2), SignalError::invalid_message},
      {"23" + key + "10002200" + mac, SignalError::version},
      {"43" + key + "10002200" + mac, SignalError::version},
      {"33" + key + "1000" + mac, SignalError::invalid_message},  // no ciphertext
      {"33" + key + "2200" + mac, SignalError::invalid_message},  // no counter
      {"3310002200" + mac, SignalError::invalid_message},         // no key
      {"330a20" + to_hex(pair_of(1).pub) + "10002200" + mac, SignalError::invalid_key},
      {"33" + key + "1000220f" + mac, SignalError::invalid_message},  // length beyond the end
  };
  for (const Case& one : cases) {
    const auto read = read_signal_message(hex(one.bytes));
    ASSERT_FALSE(read) << one.bytes;
    EXPECT_TRUE(read.error().is(one.error)) << one.bytes << " " << read.error().describe();
  }
  EXPECT_TRUE(read_prekey_message(hex("33")).error().is(SignalError::invalid_message));
  EXPECT_TRUE(read_sender_key_message(Bytes(64, 0x33)).error().is(SignalError::invalid_message));
  EXPECT_TRUE(
      read_distribution_message(hex("3308011000")).error().is(SignalError::invalid_message));
}

TEST(Padding, RoundTripsWithEveryCount) {
  SeededRandom random(3);
  bool seen[17] = {};
  for (int i = 0; i < 400; ++i) {
    const Bytes plain = random.bytes(static_cast<size_t>(i % 40));
    const Bytes padded = pad(plain, random);
    const size_t n = padded.size() - plain.size();
    ASSERT_GE(n, 1u);
    ASSERT_LE(n, 16u);
    seen[n] = true;
    EXPECT_EQ(padded.back(), n);
    EXPECT_EQ(unpad(padded).value(), plain);
  }
  for (int n = 1; n <= 16; ++n) EXPECT_TRUE(seen[n]) << n;
}

TEST(Padding, RefusesWrongCounts) {
  EXPECT_TRUE(unpad({}).error().is(SignalError::bad_padding));
  EXPECT_TRUE(unpad(hex("aa00")).error().is(SignalError::bad_padding));
  EXPECT_TRUE(unpad(hex("0303")).error().is(SignalError::bad_padding));
  EXPECT_TRUE(unpad(hex("aa010202ff03")).error().is(SignalError::bad_padding));
  EXPECT_TRUE(unpad(hex("aa020303")).error().is(SignalError::bad_padding));
  EXPECT_EQ(unpad(hex("01")).value(), Bytes());
  EXPECT_EQ(unpad(Bytes(200, 200)).value(), Bytes());
}

TEST(SignalErrors, RetryReasonsFollowTheDossier) {
  const auto reason = [](SignalError code) { return retry_reason(Error(code, "test")); };
  EXPECT_EQ(reason(SignalError::no_session), 1);
  EXPECT_EQ(reason(SignalError::no_sender_key), 1);
  EXPECT_EQ(reason(SignalError::invalid_key), 2);
  EXPECT_EQ(reason(SignalError::invalid_key_id), 3);
  EXPECT_EQ(reason(SignalError::invalid_message), 4);
  EXPECT_EQ(reason(SignalError::bad_signature), 5);
  EXPECT_EQ(reason(SignalError::bad_mac), 7);
  EXPECT_EQ(reason(SignalError::duplicate), 0);
  EXPECT_EQ(Error(SignalError::bad_mac, "x").describe(), "signal.bad_mac at x");
}

}  // namespace
}  // namespace wab::signal
