// Generated stanzas: what is written is read again, and broken bytes never do harm.
#include <gtest/gtest.h>

#include <random>

#include "session/node/codec.h"
#include "session/node/tokens.h"
#include "tests/support/node_compare.h"

namespace wab::node {
namespace {

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  size_t upto(size_t n) { return std::uniform_int_distribution<size_t>(0, n)(random_); }

  std::string of(std::string_view alphabet, size_t longest) {
    std::string out(1 + upto(longest - 1), '\0');
    for (char& c : out) c = alphabet[upto(alphabet.size() - 1)];
    return out;
  }

  std::string string() {
    switch (upto(6)) {
      case 0:
        return std::string(single_token(static_cast<uint8_t>(1 + upto(234))));
      case 1:
        return std::string(double_token(upto(3), static_cast<uint8_t>(upto(255))));
      case 2:
        return of("0123456789-.", 140);
      case 3:
        return of("0123456789ABCDEF", 140);
      case 4:
        return of("abcXYZ-_ 0", 300);
      case 5:
        return "\xc3\xa9" + of("xyz", 5) + "\xf0\x9f\x98\x80";
      default:
        return of("0123456789", 15);
    }
  }

  Jid jid() {
    const auto device = static_cast<uint16_t>(upto(1) == 0 ? 0 : upto(255));
    const std::string user = of("0123456789", 15);
    switch (upto(7)) {
      case 0:
        return Jid::server_jid();
      case 1:
        return Jid::lid(user, device);
      case 2:
        return {user, "g.us", 0};
      case 3:
        return {"status", "broadcast", 0};
      case 4:
        return {user, "hosted", device};
      case 5:
        return {user, "hosted.lid", device};
      case 6:
        return {of("abc.def", 20), "newsletter", 0};
      default:
        return Jid::pn(user, device);
    }
  }

  Node node(size_t depth) {
    Node out(string());
    for (size_t i = upto(upto(20) == 0 ? 40 : 5); i > 0; --i) {
      if (upto(2) == 0) {
        out.set(string(), jid());
      } else {
        out.set(string(), string());
      }
    }
    switch (upto(4)) {
      case 0:
        break;
      case 1:
        out.text(string());
        break;
      case 2: {
        Bytes bytes(upto(upto(100) == 0 ? 70000 : 60));
        for (uint8_t& b : bytes) b = static_cast<uint8_t>(upto(255));
        out.bytes(std::move(bytes));
        break;
      }
      default:
        if (depth > 0) {
          const bool wide = upto(100) == 0;
          for (size_t i = upto(wide ? 300 : 4); i > 0; --i) out.add(node(wide ? 0 : depth - 1));
        }
    }
    return out;
  }

 private:
  std::mt19937_64 random_;
};

TEST(CodecRandom, DecodingGivesBackWhatWasEncoded) {
  Maker make(20260101);
  for (int i = 0; i < 1000; ++i) {
    const Node node = make.node(4);
    const auto bytes = encode(node);
    ASSERT_TRUE(bytes) << bytes.error().describe() << to_xml(node, 1000);
    const auto back = decode(*bytes, Limits::for_server());
    ASSERT_TRUE(back) << back.error().describe() << to_xml(node, 1000);
    ASSERT_EQ(tests::canonical(*back), tests::canonical(node)) << to_xml(node, 1000);
  }
}

TEST(CodecRandom, EveryTruncationIsAnError) {
  Maker make(7);
  for (int i = 0; i < 100; ++i) {
    const Bytes bytes = encode(make.node(2)).value();
    if (bytes.size() > 3000) continue;
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      // A copy of exactly that size, so that reading past it is seen by the sanitizer.
      const Bytes part(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(cut));
      ASSERT_FALSE(decode(part)) << to_hex(part);
    }
  }
}

TEST(CodecRandom, FlippedBytesAreAnErrorOrANodeThatCanBeWritten) {
  Maker make(11);
  size_t refused = 0;
  for (int i = 0; i < 10000; ++i) {
    Bytes bytes = encode(make.node(2)).value();
    if (bytes.size() > 3000) continue;
    for (size_t n = 1 + make.upto(3); n > 0; --n) {
      bytes[1 + make.upto(bytes.size() - 2)] = static_cast<uint8_t>(make.upto(255));
    }
    const auto node = decode(bytes);
    if (!node) {
      ++refused;
      continue;
    }
    const auto again = encode(*node);
    if (!again) continue;  // an address that is only read
    const auto back = decode(*again);
    ASSERT_TRUE(back) << to_hex(bytes);
    ASSERT_EQ(tests::canonical(*back), tests::canonical(*node)) << to_hex(bytes);
  }
  EXPECT_GT(refused, 500u);
}

}  // namespace
}  // namespace wab::node
