#include "storage/seal.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "storage/base/clock.h"

namespace wab::storage {
namespace {

struct Sealed {
  Bytes column_key = Bytes(32, 0x11);
  Bytes place = to_bytes("organization|session|kind|blind");
  SealContext context;
  EnvelopeHeader header{1, 7, 42};
  ByteArray<24> nonce{};

  Sealed() {
    context.deployment.fill(0xd0);
    context.org.fill(0x01);
    context.session.fill(0x02);
    context.column = 1;
    context.key = place;
    for (uint8_t i = 0; i < 24; ++i) nonce[i] = i;
  }
  Bytes operator()(ByteView plaintext) const {
    auto out = seal(column_key, context, header, nonce, plaintext);
    EXPECT_TRUE(out);
    return *out;
  }
};

bool has(const Result<Opened>& opened, SealError error) {
  return !opened && opened.error().is(error);
}

TEST(Seal, OpensWithItsHeader) {
  const Sealed sealed;
  for (const size_t size : {0u, 1u, 59u, 60u, 61u, 252u, 253u, 5000u, 16380u, 16381u, 100000u}) {
    const Bytes plaintext(size, 0x5a);
    const Bytes envelope = sealed(plaintext);
    const auto opened = open(sealed.column_key, sealed.context, envelope);
    ASSERT_TRUE(opened) << size;
    EXPECT_EQ(opened->plaintext, plaintext);
    EXPECT_EQ(opened->header.schema, 1);
    EXPECT_EQ(opened->header.key_version, 7u);
    EXPECT_EQ(opened->header.record_version, 42u);
    const auto peeked = peek(envelope);
    ASSERT_TRUE(peeked);
    EXPECT_EQ(peeked->key_version, 7u);
  }
}

TEST(Seal, SizesTellOnlyTheBucket) {
  const Sealed sealed;
  std::set<size_t> sizes;
  for (size_t size = 0; size <= 20000; size += 19) {
    sizes.insert(sealed(Bytes(size, 1)).size() - kEnvelopeOverhead);
  }
  EXPECT_EQ(sizes, (std::set<size_t>{64, 256, 1024, 4096, 16384, 32768}));
  EXPECT_EQ(padded_size(60), 64u);
  EXPECT_EQ(padded_size(61), 256u);
}

TEST(Seal, EveryFlippedBitIsRefused) {
  const Sealed sealed;
  const Bytes envelope = sealed(view("what stands here"));
  for (size_t at = 0; at < envelope.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes changed = envelope;
      changed[at] ^= static_cast<uint8_t>(1 << bit);
      EXPECT_FALSE(open(sealed.column_key, sealed.context, changed)) << at << "." << bit;
    }
  }
}

TEST(Seal, EveryTruncationIsRefused) {
  const Sealed sealed;
  const Bytes envelope = sealed(Bytes(300, 9));
  for (size_t size = 0; size < envelope.size(); ++size) {
    const auto opened = open(sealed.column_key, sealed.context, ByteView(envelope).first(size));
    EXPECT_FALSE(opened) << size;
  }
  Bytes longer = envelope;
  longer.push_back(0);
  EXPECT_TRUE(has(open(sealed.column_key, sealed.context, longer), SealError::truncated));
}

TEST(Seal, ARecordMovedAnywhereElseDoesNotOpen) {
  const Sealed sealed;
  const Bytes envelope = sealed(view("value"));
  const Bytes other_place = to_bytes("organization|session|kind|blinD");
  std::vector<SealContext> moved(5, sealed.context);
  moved[0].deployment[0] ^= 1;
  moved[1].org[15] ^= 1;
  moved[2].session[3] ^= 1;
  moved[3].column = 2;
  moved[4].key = other_place;
  for (size_t i = 0; i < moved.size(); ++i) {
    EXPECT_TRUE(has(open(sealed.column_key, moved[i], envelope), SealError::damaged)) << i;
  }
}

TEST(Seal, FieldsOfTheContextCannotSlideIntoEachOther) {
  Sealed one, two;
  one.context.key = ByteView(one.place).first(10);
  const Bytes envelope = one(view("value"));
  two.context.key = ByteView(one.place).first(9);
  EXPECT_TRUE(has(open(one.column_key, two.context, envelope), SealError::damaged));
}

TEST(Seal, AnotherKeyIsToldFromDamage) {
  const Sealed sealed;
  const Bytes envelope = sealed(view("value"));
  Bytes other = sealed.column_key;
  other[31] ^= 1;
  EXPECT_TRUE(has(open(other, sealed.context, envelope), SealError::wrong_key));
  Bytes damaged = envelope;
  damaged.back() ^= 1;
  EXPECT_TRUE(has(open(sealed.column_key, sealed.context, damaged), SealError::damaged));
}

TEST(Seal, UnknownFormatsAreNamed) {
  const Sealed sealed;
  Bytes format = sealed(view("value")), algorithm = format;
  format[0] = 2;
  algorithm[1] = 2;
  EXPECT_TRUE(has(open(sealed.column_key, sealed.context, format), SealError::format));
  EXPECT_TRUE(has(open(sealed.column_key, sealed.context, algorithm), SealError::format));
}

TEST(Seal, TooLongPlaintextIsRefused) {
  const Sealed sealed;
  const Bytes big(kMaxPlaintext + 1);
  EXPECT_FALSE(seal(sealed.column_key, sealed.context, sealed.header, sealed.nonce, big));
}

// Stored envelopes of earlier versions open for ever. Lines: plaintext hex, envelope hex.
TEST(Seal, GoldenEnvelopesStillOpenAndAreStillMade) {
  const Sealed sealed;
  std::ifstream file(WAB_SOURCE_DIR "/tests/golden/envelope_v1.txt");
  ASSERT_TRUE(file);
  std::string plain_hex, envelope_hex;
  int lines = 0;
  while (file >> plain_hex >> envelope_hex) {
    const Bytes plaintext = plain_hex == "-" ? Bytes() : *from_hex(plain_hex);
    const Bytes envelope = *from_hex(envelope_hex);
    const auto opened = open(sealed.column_key, sealed.context, envelope);
    ASSERT_TRUE(opened) << lines;
    EXPECT_EQ(opened->plaintext, plaintext);
    EXPECT_EQ(to_hex(sealed(plaintext)), envelope_hex);
    ++lines;
  }
  EXPECT_EQ(lines, 3);
}

}  // namespace
}  // namespace wab::storage
