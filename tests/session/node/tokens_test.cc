#include "session/node/tokens.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <set>

#include "storage/base/bytes.h"

namespace wab::node {
namespace {

std::string checksum(size_t count, auto entry) {
  std::string lines;
  for (size_t i = 0; i < count; ++i) lines.append(entry(static_cast<uint8_t>(i))).append("\n");
  ByteArray<crypto_hash_sha256_BYTES> out;
  crypto_hash_sha256(out.data(), view(lines).data(), lines.size());
  return to_hex(out);
}

TEST(Tokens, TablesHaveThePublishedChecksums) {
  EXPECT_EQ(checksum(kSingleTokens, single_token),
            "34af7d0ba6b51a2a59091374163c9fc6be56ee7957781d6ec4cda91c4ae09cc0");
  const char* const expected[kDictionaries] = {
      "9caea4f9c169762e49bbe19e6af8cf9a04a9e0ebb76584f202ebd7b59c87d769",
      "7c99ed9e1ae1c8a3274dc560664a5d7b808396ba3aaafe5b11da8e838de6750b",
      "ee7425b329885fcf5aaaf4a184f30e1fed21fcf0bbdcf98bd8cef1fe3dd66803",
      "056e3944ba065b904089f490a3f0fc588248825e3d84768c849436515fc7661a"};
  for (size_t d = 0; d < kDictionaries; ++d) {
    EXPECT_EQ(checksum(kDictionarySize, [d](uint8_t i) { return double_token(d, i); }), expected[d])
        << d;
  }
}

TEST(Tokens, EveryTokenIsFoundWhereItStands) {
  for (size_t i = 1; i < kSingleTokens; ++i) {
    const Token* found = find_token(single_token(static_cast<uint8_t>(i)));
    ASSERT_NE(found, nullptr) << i;
    EXPECT_EQ(found->dictionary, -1);
    EXPECT_EQ(found->index, i);
  }
  for (size_t d = 0; d < kDictionaries; ++d) {
    for (size_t i = 0; i < kDictionarySize; ++i) {
      const Token* found = find_token(double_token(d, static_cast<uint8_t>(i)));
      ASSERT_NE(found, nullptr) << d << " " << i;
      EXPECT_EQ(found->dictionary, static_cast<int>(d));
      EXPECT_EQ(found->index, i);
    }
  }
}

TEST(Tokens, OtherTextsAreNotFound) {
  for (const char* text : {"", "ib", "md", "digest", "pair-success", "unified_session", "hosted",
                           "interop", "S.WHATSAPP.NET", "iq ", "xml"}) {
    EXPECT_EQ(find_token(text), nullptr) << text;
  }
  EXPECT_EQ(find_token(std::string(4096, 'a')), nullptr);
  EXPECT_EQ(single_token(0), "");
  EXPECT_EQ(single_token(236), "");
  EXPECT_EQ(double_token(4, 0), "");
}

}  // namespace
}  // namespace wab::node
