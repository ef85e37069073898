#include "session/noise/transport.h"

#include <gtest/gtest.h>

#include "tests/session/noise/noise_fixtures.h"

namespace wab::noise {

struct TransportProbe {
  static void set_counters(Transport& transport, uint64_t value) {
    transport.written_ = value;
    transport.read_ = value;
  }
};

namespace {

using testing::SeededRandom;

Key32 filled(uint8_t byte) {
  Key32 out;
  out.fill(byte);
  return out;
}

Transport transport_of(uint8_t write, uint8_t read) {
  return Transport({SecretKey32(filled(write)), SecretKey32(filled(read))});
}

std::vector<Bytes> drain(FrameReader& reader, ByteView input) {
  std::vector<Bytes> out;
  for (;;) {
    auto got = reader.take(input);
    EXPECT_TRUE(got);
    if (!got || !*got) break;
    out.push_back(std::move(**got));
  }
  EXPECT_TRUE(input.empty());
  return out;
}

TEST(Intro, IsTheConnectionHeader) { EXPECT_EQ(to_hex(intro()), "57410603"); }

TEST(Intro, CarriesTheRoutingBlobInFront) {
  EXPECT_EQ(to_hex(intro(Bytes{0xaa, 0xbb})),
            "45440001"
            "000002"
            "aabb"
            "57410603");
}

TEST(Intro, LeavesOutABlobThatDoesNotFit) {
  EXPECT_EQ(to_hex(intro(Bytes(kMaxFrame + 1))), "57410603");
}

TEST(IntroReader, ReadsBothFormsInEverySplit) {
  const Bytes blob = {1, 2, 3, 4, 5};
  for (const bool with_blob : {false, true}) {
    const Bytes all = concat({with_blob ? intro(blob) : intro(), Bytes{0, 0, 1, 9}});
    for (size_t cut = 0; cut <= all.size(); ++cut) {
      IntroReader reader;
      ByteView first = ByteView(all).first(cut);
      ByteView rest = ByteView(all).subspan(cut);
      auto done = reader.take(first);
      ASSERT_TRUE(done);
      if (!*done) {
        done = reader.take(rest);
        ASSERT_TRUE(done);
      } else {
        EXPECT_EQ(first.size() + rest.size(), 4u);
      }
      EXPECT_TRUE(*done);
      EXPECT_EQ(first.size() + rest.size(), 4u);
      EXPECT_EQ(reader.routing_info().has_value(), with_blob);
      if (with_blob) {
        EXPECT_EQ(*reader.routing_info(), blob);
      }
    }
  }
}

TEST(IntroReader, RefusesAnythingElse) {
  for (const char* bad : {"58", "5742", "57410503", "57410602", "4545", "45440000",
                          "45440001000000", "454400010000012a4544"}) {
    IntroReader reader;
    const Bytes bytes = *from_hex(bad);
    ByteView input = bytes;
    const auto got = reader.take(input);
    ASSERT_FALSE(got) << bad;
    EXPECT_TRUE(got.error().is(NoiseError::bad_intro));
  }
  IntroReader small(4);
  const Bytes long_blob = intro(Bytes(5));
  ByteView input = long_blob;
  EXPECT_FALSE(small.take(input));
}

TEST(Frame, HasAThreeByteLength) {
  EXPECT_EQ(to_hex(*frame(Bytes{7, 8})), "0000020708");
  EXPECT_EQ(to_hex(*frame({})), "000000");
  EXPECT_EQ(to_hex(ByteView(*frame(Bytes(kMaxFrame))).first(3)), "ffffff");
  EXPECT_TRUE(frame(Bytes(kMaxFrame + 1)).error().is(NoiseError::frame_too_large));
}

TEST(FrameReader, FindsTheFramesInAnySplit) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random(seed);
    std::vector<Bytes> frames(random.below(8));
    Bytes stream;
    for (Bytes& one : frames) {
      one = random.bytes(random.below(2) == 0 ? random.below(5) : random.below(600));
      append(stream, *frame(one));
    }
    FrameReader reader;
    std::vector<Bytes> out;
    for (size_t at = 0; at < stream.size();) {
      const size_t size = std::min<size_t>(1 + random.below(40), stream.size() - at);
      for (Bytes& one : drain(reader, ByteView(stream).subspan(at, size))) {
        out.push_back(std::move(one));
      }
      at += size;
    }
    EXPECT_EQ(out, frames) << "seed " << seed;
    EXPECT_TRUE(reader.idle());
  }
}

TEST(FrameReader, EveryCutOfTwoFrames) {
  const Bytes stream = concat({*frame(Bytes{1, 2, 3}), *frame({}), *frame(Bytes(300, 4))});
  for (size_t a = 0; a <= stream.size(); ++a) {
    FrameReader reader;
    auto out = drain(reader, ByteView(stream).first(a));
    for (Bytes& one : drain(reader, ByteView(stream).subspan(a))) out.push_back(std::move(one));
    ASSERT_EQ(out.size(), 3u) << a;
    EXPECT_EQ(out[0], (Bytes{1, 2, 3}));
    EXPECT_TRUE(out[1].empty());
    EXPECT_EQ(out[2], Bytes(300, 4));
  }
}

TEST(FrameReader, NeverReservesWhatWasOnlyAnnounced) {
  FrameReader reader;
  const Bytes head = {0xff, 0xff, 0xff, 1, 2, 3};
  EXPECT_TRUE(drain(reader, head).empty());
  EXPECT_LE(reader.capacity(), 64u);
  EXPECT_EQ(reader.buffered(), 6u);
}

TEST(FrameReader, GivesTheMemoryOfABigFrameBack) {
  FrameReader reader;
  const Bytes big = *frame(Bytes(1 << 20, 1));
  EXPECT_TRUE(drain(reader, ByteView(big).first(big.size() - 1)).empty());
  EXPECT_GE(reader.capacity(), 1u << 19);
  EXPECT_EQ(drain(reader, ByteView(big).last(1)).size(), 1u);
  EXPECT_EQ(reader.capacity(), 0u);
}

TEST(FrameReader, RefusesWhatIsLargerThanItsLimitBeforeReadingIt) {
  FrameReader reader(10);
  const Bytes bytes = {0, 0, 11};
  ByteView input = bytes;
  const auto got = reader.take(input);
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().is(NoiseError::frame_too_large));
}

TEST(Transport, CountsFramesInBothDirections) {
  auto a = transport_of(1, 2);
  auto b = transport_of(2, 1);
  Bytes last;
  for (int i = 0; i < 300; ++i) {
    const Bytes sealed = *a.seal(view("same"));
    EXPECT_NE(sealed, last);
    EXPECT_EQ(text(*b.open(ByteView(sealed).subspan(3))), "same");
    last = sealed;
  }
}

TEST(Transport, LostRepeatedOrAlteredFrameIsAnError) {
  const auto error_after = [](auto&& change) {
    auto a = transport_of(1, 2);
    auto b = transport_of(2, 1);
    std::vector<Bytes> frames;
    for (int i = 0; i < 3; ++i) frames.push_back(*a.seal(Bytes(20, static_cast<uint8_t>(i))));
    change(frames);
    for (const Bytes& one : frames) {
      const auto got = b.open(ByteView(one).subspan(3));
      if (!got) return got.error().is(NoiseError::transport_decrypt);
    }
    return false;
  };
  EXPECT_FALSE(error_after([](auto&) {}));
  EXPECT_TRUE(error_after([](auto& f) { f.erase(f.begin()); }));
  EXPECT_TRUE(error_after([](auto& f) { f.insert(f.begin(), f[0]); }));
  EXPECT_TRUE(error_after([](auto& f) { std::swap(f[1], f[2]); }));
  EXPECT_TRUE(error_after([](auto& f) { f[2].back() ^= 0x80; }));
}

TEST(Transport, FrameShorterThanATagIsAnError) {
  auto a = transport_of(1, 2);
  for (size_t size = 0; size < kTagSize; ++size) {
    EXPECT_TRUE(a.open(Bytes(size)).error().is(NoiseError::frame_too_short));
  }
}

TEST(Transport, StopsBeforeACounterRepeats) {
  auto a = transport_of(1, 2);
  auto b = transport_of(2, 1);
  TransportProbe::set_counters(a, 0xffffffff);
  TransportProbe::set_counters(b, 0xffffffff);
  const auto last = a.seal(view("last"));
  ASSERT_TRUE(last);
  EXPECT_TRUE(b.open(ByteView(*last).subspan(3)));
  EXPECT_TRUE(a.seal(view("more")).error().is(NoiseError::counter_exhausted));
  EXPECT_TRUE(b.open(Bytes(16)).error().is(NoiseError::counter_exhausted));
}

TEST(Transport, RefusesPlaintextThatCannotBeFramed) {
  auto a = transport_of(1, 2);
  EXPECT_TRUE(a.seal(Bytes(kMaxFrame - kTagSize + 1)).error().is(NoiseError::frame_too_large));
  EXPECT_TRUE(a.seal(Bytes(kMaxFrame - kTagSize)));
}

TEST(Transport, AnIdleSessionKeepsLittle) {
  EXPECT_LE(sizeof(Transport) + sizeof(FrameReader), 160u);
}

}  // namespace
}  // namespace wab::noise
