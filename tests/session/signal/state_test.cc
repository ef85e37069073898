#include "session/signal/state.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "session/signal/sender_key.h"
#include "tests/session/signal/support.h"

namespace wab::signal {
namespace {

using test::Device;
using test::SeededRandom;

// A golden file holds lines "name hex": the stored record and what must still work with it.
std::map<std::string, Bytes> golden(const std::string& name) {
  std::ifstream file(std::string(WAB_SOURCE_DIR) + "/tests/golden/signal/" + name);
  std::map<std::string, Bytes> out;
  std::string key;
  std::string value;
  while (file >> key >> value) out[key] = from_hex(value).value();
  return out;
}

Device golden_device(uint8_t identity, uint32_t registration_id) {
  SeededRandom random(1);
  Device device(random, registration_id);
  device.mine.identity = test::pair_of(identity);
  return device;
}

// Written by format 1. When the format changes, this file stays and a new one is added.
TEST(SessionRecord, Format1OpensAndGoesOn) {
  const auto stored = golden("session_record_v1.txt");
  ASSERT_EQ(stored.size(), 4u);
  SeededRandom random(2);
  Device bob = golden_device(0x22, 2002);
  auto record = SessionRecord::from_bytes(stored.at("record"));
  ASSERT_TRUE(record) << record.error().describe();
  EXPECT_EQ(record->to_bytes(), stored.at("record"));
  bob.record = std::move(*record);
  EXPECT_EQ(remote_registration_id(bob.record), 1001u);
  EXPECT_EQ(remote_identity(bob.record), test::pair_of(0x11).pub);
  EXPECT_EQ(bob.record.archived.size(), 1u);
  for (const char* name : {"skipped", "next", "archived"}) {
    const auto got = decrypt_message(bob.record, bob.mine, stored.at(name), random);
    ASSERT_TRUE(got) << name << got.error().describe();
    EXPECT_EQ(to_string(*got), name);
  }
}

TEST(SenderKeyRecord, Format1OpensAndGoesOn) {
  const auto stored = golden("sender_key_record_v1.txt");
  ASSERT_EQ(stored.size(), 4u);
  SeededRandom random(2);
  auto member = SenderKeyRecord::from_bytes(stored.at("member"));
  auto own = SenderKeyRecord::from_bytes(stored.at("own"));
  ASSERT_TRUE(member && own);
  EXPECT_EQ(member->to_bytes(), stored.at("member"));
  EXPECT_EQ(own->to_bytes(), stored.at("own"));
  for (const char* name : {"skipped", "next"}) {
    const auto got = group_decrypt(*member, stored.at(name));
    ASSERT_TRUE(got) << name;
    EXPECT_EQ(to_string(*got), name);
  }
  const auto sent = group_encrypt(*own, view("after"), random);
  ASSERT_TRUE(sent);
  EXPECT_EQ(to_string(group_decrypt(*member, *sent).value()), "after");
}

// A record with everything in it.
SessionRecord full_record(Random& random) {
  Device alice(random, 1);
  Device bob(random, 2);
  EXPECT_TRUE(start_outgoing(alice.record, alice.mine, bob.bundle(random), random));
  (void)alice.send("lost");
  EXPECT_TRUE(bob.receive(*alice.send("a"), random));
  EXPECT_TRUE(alice.receive(*bob.send("b"), random));
  EXPECT_TRUE(start_outgoing(bob.record, bob.mine, alice.bundle(random), random));
  return std::move(bob.record);
}

TEST(SessionRecord, EmptyRoundTrips) {
  EXPECT_EQ(to_hex(SessionRecord().to_bytes()), "010000");
  const auto back = SessionRecord::from_bytes(SessionRecord().to_bytes());
  ASSERT_TRUE(back);
  EXPECT_FALSE(has_session(*back));
  EXPECT_EQ(remote_registration_id(*back), 0u);
  EXPECT_EQ(remote_identity(*back), std::nullopt);
  EXPECT_EQ(current_base_key(*back), std::nullopt);
}

TEST(SessionRecord, CloneEqualsTheOriginal) {
  SeededRandom random(9);
  const SessionRecord record = full_record(random);
  EXPECT_EQ(record.clone().to_bytes(), record.to_bytes());
  EXPECT_TRUE(is_unacknowledged(record));
  EXPECT_EQ(record.archived.size(), 1u);
}

TEST(SessionRecord, TruncatedOrExtendedIsMalformed) {
  SeededRandom random(9);
  const Bytes bytes = full_record(random).to_bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto got = SessionRecord::from_bytes(ByteView(bytes).first(size));
    ASSERT_FALSE(got);
    EXPECT_TRUE(got.error().is(SignalError::malformed_record));
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(SessionRecord::from_bytes(longer));
  Bytes newer = bytes;
  newer[0] = 2;
  EXPECT_FALSE(SessionRecord::from_bytes(newer));
}

// What parses is exactly what would be written: there is one form per record.
TEST(SessionRecord, EveryAcceptedChangeIsCanonical) {
  SeededRandom random(9);
  const Bytes bytes = full_record(random).to_bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= static_cast<uint8_t>(1 + random.below(255));
    const auto got = SessionRecord::from_bytes(changed);
    if (got) {
      EXPECT_EQ(got->to_bytes(), changed) << i;
    }
  }
}

TEST(SenderKeyRecord, EveryAcceptedChangeIsCanonical) {
  SeededRandom random(9);
  SenderKeyRecord own;
  ensure_own_sender_key(own, random);
  SenderKeyRecord member;
  ASSERT_TRUE(process_distribution(member, own_distribution(own).value()));
  (void)group_encrypt(own, view("lost"), random);
  ASSERT_TRUE(group_decrypt(member, group_encrypt(own, view("x"), random).value()));
  for (const SenderKeyRecord* record : {&own, &member}) {
    const Bytes bytes = record->to_bytes();
    EXPECT_EQ(record->clone().to_bytes(), bytes);
    for (size_t i = 0; i < bytes.size(); ++i) {
      EXPECT_FALSE(SenderKeyRecord::from_bytes(ByteView(bytes).first(i)));
      Bytes changed = bytes;
      changed[i] ^= static_cast<uint8_t>(1 + random.below(255));
      const auto got = SenderKeyRecord::from_bytes(changed);
      if (got) {
        EXPECT_EQ(got->to_bytes(), changed) << i;
      }
    }
  }
}

}  // namespace
}  // namespace wab::signal
