// bytes, result, secret, clock and ids: the values everything stands on.
#include <gtest/gtest.h>

#include <cstring>
#include <new>
#include <set>

#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/base/secret.h"

namespace wab {
namespace {

TEST(Bytes, HexBothWays) {
  const Bytes bytes{0x00, 0x7f, 0xff, 0x0a};
  EXPECT_EQ(to_hex(bytes), "007fff0a");
  EXPECT_EQ(from_hex("007FFF0a"), bytes);
  EXPECT_EQ(from_hex(""), Bytes{});
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("zz"));
  EXPECT_FALSE(from_hex("00 7"));
}

TEST(Bytes, Base64Vectors) {
  // RFC 4648 section 10
  const std::pair<const char*, const char*> vectors[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(to_base64(view(plain)), coded);
    EXPECT_EQ(from_base64(coded), to_bytes(std::string_view(plain)));
  }
  EXPECT_EQ(from_base64("Zg"), to_bytes(std::string_view("f")));
  EXPECT_FALSE(from_base64("Zg=a"));
  EXPECT_FALSE(from_base64("Z g="));
  EXPECT_FALSE(from_base64("_-_-"));
  const Bytes high{0xfb, 0xff};
  EXPECT_EQ(to_base64url(high), "-_8");
  EXPECT_EQ(from_base64url("-_8"), high);
  EXPECT_FALSE(from_base64url("+/8"));
}

TEST(Bytes, Base32IsOneToOne) {
  for (size_t size = 0; size < 20; ++size) {
    Bytes bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 37 + size);
    const std::string text = to_base32(bytes);
    EXPECT_EQ(text.size(), (size * 8 + 4) / 5);
    EXPECT_EQ(from_base32(text), bytes) << size;
  }
  EXPECT_FALSE(from_base32("i"));
  EXPECT_FALSE(from_base32("1"));   // five bits are no byte
  EXPECT_FALSE(from_base32("01"));  // set bits behind the last byte
}

TEST(Bytes, IntegersAreBigEndian) {
  Bytes out;
  put_be16(out, 0x0102);
  put_be32(out, 0x03040506);
  put_be64(out, 0x0708090a0b0c0d0e);
  EXPECT_EQ(to_hex(out), "0102030405060708090a0b0c0d0e");
  EXPECT_EQ(read_be32(ByteView(out).subspan(2)), 0x03040506u);
  EXPECT_EQ(read_be64(ByteView(out).subspan(6)), 0x0708090a0b0c0d0eu);
}

TEST(Bytes, ComparisonNeedsTheSameSizeAndContent) {
  EXPECT_TRUE(equal_constant_time({}, {}));
  EXPECT_TRUE(equal_constant_time(view("abc"), view("abc")));
  EXPECT_FALSE(equal_constant_time(view("abc"), view("abd")));
  EXPECT_FALSE(equal_constant_time(view("abc"), view("ab")));
  EXPECT_FALSE(to_array<4>(view("abc")));
  EXPECT_EQ(concat({view("ab"), {}, view("c")}), to_bytes(std::string_view("abc")));
}

TEST(Bytes, Utf8IsJudgedStrictly) {
  for (const char* good : {"", "a", "\u00e9", "\u20ac", "\U0001F600", "\U0010FFFF"}) {
    EXPECT_TRUE(is_utf8(view(good))) << good;
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "a\xff"}) {
    EXPECT_FALSE(is_utf8(view(bad))) << to_hex(view(bad));
  }
}

enum class SampleError { broken = 1, other };
const ErrorDomain& error_domain(SampleError) {
  static constexpr ErrorDomain domain{"sample",
                                      [](int code) { return code == 1 ? "broken" : "other"; }};
  return domain;
}
enum class CousinError { broken = 1 };
const ErrorDomain& error_domain(CousinError) {
  static constexpr ErrorDomain domain{"cousin", [](int) { return "broken"; }};
  return domain;
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail(SampleError::broken, "an odd number");
  return n / 2;
}
Result<int> quarter(int n) {
  TRY(const int first, half(n));
  TRY(const int second, half(first));
  return second;
}
Result<void> check(int n) {
  TRY_VOID(quarter(n));
  return ok();
}

TEST(Result, TryPassesValuesOnAndErrorsUp) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_TRUE(check(8).has_value());
  const Result<void> failed = check(6);
  ASSERT_FALSE(failed.has_value());
  EXPECT_TRUE(failed.error().is(SampleError::broken));
  EXPECT_FALSE(failed.error().is(SampleError::other));
  EXPECT_FALSE(failed.error().is(CousinError::broken)) << "the same number of another room";
  EXPECT_EQ(failed.error().describe(), "sample.broken at an odd number");
}

TEST(Secret, IsWipedWhenItDiesAndWhenItMoves) {
  alignas(SecretKey32) uint8_t place[sizeof(SecretKey32)];
  auto* secret = new (place) SecretKey32;
  std::fill(secret->fill().begin(), secret->fill().end(), 0xAA);
  SecretKey32 moved(std::move(*secret));
  EXPECT_EQ(moved.reveal()[31], 0xAA);
  EXPECT_EQ(secret->reveal()[31], 0) << "moved from";
  *secret = moved.clone();
  EXPECT_EQ(secret->reveal()[0], 0xAA);
  secret->~Secret();
  volatile uint8_t* bytes = place;
  for (size_t i = 0; i < sizeof(place); ++i) ASSERT_EQ(bytes[i], 0);
}

TEST(Secret, TakesOnlyItsSizeAndCannotBeCopied) {
  static_assert(!std::is_copy_constructible_v<SecretKey32>);
  static_assert(!std::is_copy_constructible_v<SecretBytes>);
  static_assert(!std::is_copy_constructible_v<LockedSecret>);
  EXPECT_FALSE(SecretKey32::from(Bytes(31)));
  const auto secret = SecretKey32::from(Bytes(32, 7));
  ASSERT_TRUE(secret);
  EXPECT_TRUE(secret->equals(Bytes(32, 7)));
  EXPECT_FALSE(secret->equals(Bytes(32, 8)));
}

TEST(LockedSecret, HoldsMovesAndClones) {
  LockedSecret secret(view("root key"));
  LockedSecret copy = secret.clone();
  LockedSecret moved(std::move(secret));
  EXPECT_EQ(text(moved.reveal()), "root key");
  EXPECT_EQ(text(copy.reveal()), "root key");
  copy = std::move(moved);
  EXPECT_EQ(text(copy.reveal()), "root key");
}

TEST(Clock, PrintsIso8601) {
  EXPECT_EQ(to_iso8601(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_iso8601(1795514400123), "2026-11-24T10:00:00.123Z");
  EXPECT_EQ(to_iso8601(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Random, BelowStaysBelowAndReachesEverything) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = system_random().below(5);
    ASSERT_LT(value, 5u);
    seen.insert(value);
    const double unit = system_random().unit();
    ASSERT_TRUE(unit >= 0 && unit < 1);
  }
  EXPECT_EQ(seen.size(), 5u);
}

TEST(Ids, OneTextFormPerId) {
  const OrgId id = OrgId::random(system_random());
  EXPECT_EQ(id.text().size(), 30u);
  EXPECT_EQ(OrgId::parse(id.text()), id);
  std::string upper = id.text();
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_FALSE(OrgId::parse(upper));
  EXPECT_FALSE(OrgId::parse(id.text() + "0"));
  EXPECT_FALSE(SessionId::parse(id.text())) << "the prefix is part of it";
  EXPECT_FALSE(OrgId::parse("org_zzzzzzzzzzzzzzzzzzzzzzzzzz")) << "bits behind the last byte";
  EXPECT_TRUE(OrgId().is_nil());
  EXPECT_FALSE(id.is_nil());
}

}  // namespace
}  // namespace wab
