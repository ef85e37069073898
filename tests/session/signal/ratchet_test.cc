#include "session/signal/ratchet.h"

#include <gtest/gtest.h>

#include "session/signal/messages.h"
#include "tests/session/signal/support.h"

namespace wab::signal {
namespace {

using test::Device;
using test::SeededRandom;

class Ratchet : public ::testing::Test {
 protected:
  SeededRandom random{11};
  Device alice{random, 1001};
  Device bob{random, 2002};

  void start() {
    ASSERT_TRUE(start_outgoing(alice.record, alice.mine, bob.bundle(random), random));
  }
  // Alice started, Bob answered: both sides confirmed.
  void establish() {
    start();
    deliver(alice, bob, "first");
    deliver(bob, alice, "second");
  }
  void deliver(Device& from, Device& to, const std::string& body) {
    const auto sent = from.send(body);
    ASSERT_TRUE(sent);
    const auto got = to.receive(*sent, random);
    ASSERT_TRUE(got) << got.error().describe();
    EXPECT_EQ(to_string(*got), body);
  }
  SignalError error_of(Device& to, const Encrypted& message) {
    const Bytes before = to.record.to_bytes();
    const auto got = to.receive(message, random);
    EXPECT_FALSE(got);
    EXPECT_EQ(to.record.to_bytes(), before) << "an error changed the record";
    return got ? SignalError{} : static_cast<SignalError>(got.error().code());
  }
};

TEST_F(Ratchet, FirstMessagesArePreKeyMessagesUntilTheAnswer) {
  start();
  EXPECT_TRUE(is_unacknowledged(alice.record));
  const auto one = alice.send("one");
  const auto two = alice.send("two");
  ASSERT_TRUE(one && two);
  EXPECT_TRUE(one->prekey);
  EXPECT_TRUE(two->prekey);
  const auto needs = inspect_prekey_message(one->bytes);
  ASSERT_TRUE(needs);
  EXPECT_EQ(needs->signed_id, bob.signed_id);
  EXPECT_EQ(needs->one_time_id, bob.one_time_id);
  EXPECT_EQ(needs->identity, alice.mine.identity.pub);
  EXPECT_EQ(needs->registration_id, 1001u);
  EXPECT_EQ(needs->base_key, current_base_key(alice.record));

  EXPECT_EQ(to_string(bob.receive(*one, random).value()), "one");
  EXPECT_EQ(to_string(bob.receive(*two, random).value()), "two");
  const auto answer = bob.send("answer");
  EXPECT_FALSE(answer->prekey);
  EXPECT_EQ(to_string(alice.receive(*answer, random).value()), "answer");
  EXPECT_FALSE(is_unacknowledged(alice.record));
  EXPECT_FALSE(alice.send("three")->prekey);
  EXPECT_EQ(remote_registration_id(alice.record), 2002u);
  EXPECT_EQ(remote_registration_id(bob.record), 1001u);
  EXPECT_EQ(remote_identity(bob.record), alice.mine.identity.pub);
  EXPECT_EQ(current_base_key(alice.record), current_base_key(bob.record));
}

TEST_F(Ratchet, BundleWithoutOneTimeKeyWorks) {
  ASSERT_TRUE(start_outgoing(alice.record, alice.mine, bob.bundle(random, false), random));
  const auto sent = alice.send("hello");
  const auto got = decrypt_prekey_message(bob.record, bob.mine, sent->bytes, &bob.signed_prekey,
                                          nullptr, random);
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->new_session);
  EXPECT_EQ(got->used_one_time, std::nullopt);
  EXPECT_EQ(got->remote_identity, alice.mine.identity.pub);
}

TEST_F(Ratchet, ForgedBundleIsRefused) {
  PreKeyBundle bundle = bob.bundle(random);
  bundle.signed_pub[3] ^= 1;
  EXPECT_FALSE(bundle_is_authentic(bundle));
  const auto started = start_outgoing(alice.record, alice.mine, bundle, random);
  EXPECT_TRUE(started.error().is(SignalError::bad_signature));
  EXPECT_FALSE(has_session(alice.record));
}

TEST_F(Ratchet, WithoutSessionThereIsNothingToDo) {
  EXPECT_TRUE(alice.send("x").error().is(SignalError::no_session));
  establish();
  const auto sent = alice.send("x");
  Device stranger(random, 3);
  EXPECT_EQ(error_of(stranger, *sent), SignalError::no_session);
}

TEST_F(Ratchet, SkippedMessageDecryptsLateAndOnce) {
  establish();
  std::vector<Encrypted> sent;
  for (int i = 0; i < 5; ++i) sent.push_back(alice.send(std::to_string(i)).value());
  EXPECT_EQ(to_string(bob.receive(sent[4], random).value()), "4");
  deliver(bob, alice, "turn");
  deliver(alice, bob, "turned");
  for (const int i : {2, 0, 3, 1}) {
    EXPECT_EQ(to_string(bob.receive(sent[static_cast<size_t>(i)], random).value()),
              std::to_string(i));
  }
  for (const auto& message : sent) EXPECT_EQ(error_of(bob, message), SignalError::duplicate);
}

TEST_F(Ratchet, JumpOfTwoThousandIsTheLimit) {
  establish();
  Encrypted last;
  for (uint32_t i = 0; i <= kMaxForwardJump; ++i) last = alice.send("x").value();
  const Encrypted beyond = alice.send("y").value();
  EXPECT_EQ(error_of(bob, beyond), SignalError::too_far_ahead);
  EXPECT_TRUE(bob.receive(last, random));
  EXPECT_TRUE(bob.receive(beyond, random));
}

TEST_F(Ratchet, OnlyFiveReceiverChainsAreKept) {
  establish();
  std::vector<Encrypted> late;
  for (int round = 0; round < 7; ++round) {
    late.push_back(alice.send("late").value());
    deliver(alice, bob, "ping");
    deliver(bob, alice, "pong");
  }
  EXPECT_EQ(bob.record.current->receivers.size(), kMaxReceiverChains);
  for (size_t i = 0; i < late.size(); ++i) {
    if (i < 2) {
      EXPECT_EQ(error_of(bob, late[i]), SignalError::bad_mac) << i;
    } else {
      EXPECT_TRUE(bob.receive(late[i], random)) << i;
    }
  }
}

TEST_F(Ratchet, PreviousCounterIsTheLastOneSaturatingAtZero) {
  start();
  deliver(alice, bob, "a");
  EXPECT_EQ(bob.record.current->previous_counter, 0u);
  for (int i = 0; i < 4; ++i) deliver(bob, alice, "b");
  deliver(alice, bob, "c");
  const auto sent = bob.send("d");
  EXPECT_EQ(read_signal_message(sent->bytes)->message.previous_counter, 3u);
}

TEST_F(Ratchet, AnyChangedByteIsRefusedAndChangesNothing) {
  start();
  const Encrypted first = alice.send("first").value();
  const auto check = [this](Device& to, const Encrypted& message) {
    const Bytes before = to.record.to_bytes();
    for (size_t i = 0; i < message.bytes.size(); ++i) {
      Encrypted changed = message;
      changed.bytes[i] ^= static_cast<uint8_t>(1u << (i % 8));
      const auto got = to.receive(changed, random);
      // The low nibble of the outer version and the registration id of a pkmsg are not
      // authenticated; both are readable after the change and everything else is refused.
      if (got) {
        EXPECT_TRUE(message.prekey) << i;
        to.record = SessionRecord::from_bytes(before).value();
        to.has_one_time = true;
        const auto needs = inspect_prekey_message(changed.bytes).value();
        const auto original = inspect_prekey_message(message.bytes).value();
        EXPECT_TRUE(i == 0 || needs.registration_id != original.registration_id) << i;
      }
      ASSERT_EQ(to.record.to_bytes(), before) << i;
    }
  };
  check(bob, first);
  EXPECT_EQ(to_string(bob.receive(first, random).value()), "first");
  deliver(bob, alice, "second");
  check(bob, alice.send("third").value());
  check(alice, bob.send("fourth").value());
}

TEST_F(Ratchet, PreKeyMessageRedeliveredAfterItsPreKeysAreGone) {
  start();
  const Encrypted one = alice.send("one").value();
  const Encrypted two = alice.send("two").value();
  ASSERT_TRUE(bob.receive(two, random));
  EXPECT_FALSE(bob.has_one_time);
  const auto got =
      decrypt_prekey_message(bob.record, bob.mine, one.bytes, nullptr, nullptr, random);
  ASSERT_TRUE(got);
  EXPECT_FALSE(got->new_session);
  EXPECT_EQ(got->used_one_time, std::nullopt);
  EXPECT_EQ(to_string(got->plaintext), "one");
  EXPECT_EQ(error_of(bob, two), SignalError::duplicate);

  // The same when the state has been archived meanwhile: it is found and becomes current.
  const Encrypted three = alice.send("three").value();
  bob.record.archive_current();
  EXPECT_FALSE(has_session(bob.record));
  const auto late =
      decrypt_prekey_message(bob.record, bob.mine, three.bytes, nullptr, nullptr, random);
  ASSERT_TRUE(late);
  EXPECT_FALSE(late->new_session);
  EXPECT_TRUE(has_session(bob.record));
}

TEST_F(Ratchet, UnknownPreKeysAreNamed) {
  start();
  const Encrypted sent = alice.send("x").value();
  for (const bool with_signed : {true, false}) {
    const auto got = decrypt_prekey_message(bob.record, bob.mine, sent.bytes,
                                            with_signed ? &bob.signed_prekey : nullptr,
                                            with_signed ? nullptr : &bob.one_time, random);
    EXPECT_TRUE(got.error().is(SignalError::invalid_key_id));
  }
  EXPECT_FALSE(has_session(bob.record));
}

TEST_F(Ratchet, SimultaneousInitiationConverges) {
  ASSERT_TRUE(start_outgoing(alice.record, alice.mine, bob.bundle(random), random));
  ASSERT_TRUE(start_outgoing(bob.record, bob.mine, alice.bundle(random), random));
  const Encrypted from_alice = alice.send("a").value();
  const Encrypted from_bob = bob.send("b").value();
  ASSERT_TRUE(bob.receive(from_alice, random));
  ASSERT_TRUE(alice.receive(from_bob, random));
  EXPECT_EQ(alice.record.archived.size(), 1u);
  for (int i = 0; i < 6; ++i) {
    deliver(alice, bob, "to bob");
    deliver(bob, alice, "to alice");
  }
  EXPECT_EQ(current_base_key(alice.record), current_base_key(bob.record));
}

TEST_F(Ratchet, LateMessageOfAnArchivedStatePromotesIt) {
  establish();
  const auto old_base = current_base_key(alice.record);
  const Encrypted late = alice.send("late").value();
  ASSERT_TRUE(start_outgoing(bob.record, bob.mine, alice.bundle(random), random));
  EXPECT_NE(current_base_key(bob.record), old_base);
  EXPECT_EQ(to_string(bob.receive(late, random).value()), "late");
  EXPECT_EQ(current_base_key(bob.record), old_base);
  EXPECT_EQ(bob.record.archived.size(), 1u);
  EXPECT_FALSE(bob.record.archived[0].pending) << "archiving clears it";
}

TEST_F(Ratchet, FortyStatesAreArchivedAndNoMore) {
  establish();
  const Encrypted oldest = alice.send("oldest").value();
  for (size_t i = 0; i < kMaxArchivedStates; ++i) {
    ASSERT_TRUE(start_outgoing(bob.record, bob.mine, alice.bundle(random), random));
  }
  EXPECT_EQ(bob.record.archived.size(), kMaxArchivedStates);
  SessionRecord one_more = bob.record.clone();
  ASSERT_TRUE(start_outgoing(one_more, bob.mine, alice.bundle(random), random));
  EXPECT_EQ(one_more.archived.size(), kMaxArchivedStates);
  EXPECT_TRUE(
      decrypt_message(one_more, bob.mine, oldest.bytes, random).error().is(SignalError::bad_mac));
  EXPECT_TRUE(bob.receive(oldest, random));
  EXPECT_EQ(bob.record.archived.size(), kMaxArchivedStates);
}

TEST_F(Ratchet, ChangedIdentityIsAcceptedAndReported) {
  establish();
  Device again(random, 1003);  // Alice reinstalled
  ASSERT_TRUE(start_outgoing(again.record, again.mine, bob.bundle(random, false), random));
  const Encrypted sent = again.send("new phone").value();
  const auto got =
      decrypt_prekey_message(bob.record, bob.mine, sent.bytes, &bob.signed_prekey, nullptr, random);
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->new_session);
  EXPECT_EQ(got->remote_identity, again.mine.identity.pub);
  EXPECT_EQ(remote_registration_id(bob.record), 1003u);
  EXPECT_EQ(bob.record.archived.size(), 1u);
}

TEST_F(Ratchet, ReceivingCostsNoSendingChainUntilWeSend) {
  establish();
  deliver(alice, bob, "x");
  ASSERT_TRUE(bob.record.current->sending.due);
  const auto root = bob.record.current->root.clone();
  deliver(alice, bob, "y");
  EXPECT_TRUE(bob.record.current->root.equals(root.reveal()));
  deliver(bob, alice, "z");
  EXPECT_FALSE(bob.record.current->sending.due);
  EXPECT_FALSE(bob.record.current->root.equals(root.reveal()));
}

TEST_F(Ratchet, UnknownRatchetKeyWhileOursIsNotDerivedIsRefused) {
  establish();
  deliver(alice, bob, "x");
  ASSERT_TRUE(bob.record.current->sending.due);
  Encrypted forged = alice.send("y").value();
  SignalMessage message = read_signal_message(forged.bytes)->message;
  message.ratchet = KeyPair::generate(random).pub;
  forged.bytes = write_signal_message(message);
  append(forged.bytes, Bytes(8, 0));
  EXPECT_EQ(error_of(bob, forged), SignalError::bad_mac);
}

// Messages in both directions are lost, repeated and reordered at will, each side now and then
// reloads its stored record, starts again or archives. Whatever arrives is either the message
// that was sent or a refusal that leaves no trace, and fresh messages keep getting through.
TEST(RatchetProperty, SurvivesLossOrderRepetitionAndRestart) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    Device devices[2] = {Device(random, 1), Device(random, 2)};
    ASSERT_TRUE(
        start_outgoing(devices[0].record, devices[0].mine, devices[1].bundle(random), random));
    struct Flying {
      Encrypted message;
      std::string body;
      bool delivered = false;
    };
    std::vector<Flying> air[2];  // by receiver
    int number = 0;
    for (int step = 0; step < 120; ++step) {
      const size_t who = random.below(2);
      Device& me = devices[who];
      Device& peer = devices[1 - who];
      const uint64_t action = random.below(20);
      if (action < 9) {
        if (!has_session(me.record)) continue;
        const std::string body = "message " + std::to_string(number++);
        auto sent = me.send(body);
        ASSERT_TRUE(sent);
        air[1 - who].push_back({std::move(*sent), body});
      } else if (action < 18) {
        if (air[who].empty()) continue;
        Flying& flying = air[who][random.below(air[who].size())];
        const Bytes before = me.record.to_bytes();
        const auto got = me.receive(flying.message, random);
        if (got) {
          ASSERT_FALSE(flying.delivered) << "decrypted twice: " << flying.body;
          ASSERT_EQ(to_string(*got), flying.body);
          flying.delivered = true;
        } else {
          ASSERT_EQ(me.record.to_bytes(), before);
          if (flying.delivered) {
            const bool expected =
                got.error().is(SignalError::duplicate) || got.error().is(SignalError::bad_mac);
            ASSERT_TRUE(expected) << got.error().describe();
          }
        }
      } else if (action == 18) {
        me.reload();
      } else if (random.below(3) == 0) {
        ASSERT_TRUE(start_outgoing(me.record, me.mine, peer.bundle(random, false), random));
      }
    }
    // However it went, a conversation in order works.
    if (!has_session(devices[0].record)) {
      ASSERT_TRUE(start_outgoing(devices[0].record, devices[0].mine,
                                 devices[1].bundle(random, false), random));
    }
    for (int i = 0; i < 3; ++i) {
      for (size_t who = 0; who < 2; ++who) {
        const auto sent = devices[who].send("end");
        ASSERT_TRUE(sent);
        const auto got = devices[1 - who].receive(*sent, random);
        ASSERT_TRUE(got) << got.error().describe();
        ASSERT_EQ(to_string(*got), "end");
      }
    }
  }
}

// A record stored at each step continues exactly as the one in memory.
TEST(RatchetProperty, EveryStepSurvivesACrash) {
  SeededRandom random(77);
  Device alice(random, 1);
  Device bob(random, 2);
  ASSERT_TRUE(start_outgoing(alice.record, alice.mine, bob.bundle(random), random));
  for (int i = 0; i < 30; ++i) {
    Device& from = i % 3 == 2 ? bob : alice;
    Device& to = i % 3 == 2 ? alice : bob;
    from.reload();
    const auto lost = from.send("lost");
    ASSERT_TRUE(lost);
    from.reload();
    const auto sent = from.send("sent");
    ASSERT_TRUE(sent);
    from.reload();
    to.reload();
    // The crash comes after decrypting and before storing: it is decrypted again.
    SessionRecord stored = to.record.clone();
    const bool had_one_time = to.has_one_time;
    ASSERT_TRUE(to.receive(*sent, random));
    to.record = std::move(stored);
    to.has_one_time = had_one_time;
    const auto got = to.receive(*sent, random);
    ASSERT_TRUE(got);
    EXPECT_EQ(to_string(*got), "sent");
    to.reload();
  }
}

}  // namespace
}  // namespace wab::signal
