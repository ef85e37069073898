#include "bridge/qr_image.h"

#include <gtest/gtest.h>
#include <png.h>
#include <qrencode.h>

#include <algorithm>

#include "bridge/accept.h"

namespace wab::bridge {
namespace {

const std::string kCode = "2@Yx8k0l1m2n3,AAAA,BBBB,CCCC,1";

// The modules as the library has them, without quiet zone.
struct Truth {
  QRcode* code =
      QRcode_encodeData(static_cast<int>(kCode.size()),
                        reinterpret_cast<const unsigned char*>(kCode.data()), 0, QR_ECLEVEL_L);
  ~Truth() { QRcode_free(code); }
  int width() const { return code->width + 8; }
  bool dark(int x, int y) const {
    x -= 4;
    y -= 4;
    if (x < 0 || y < 0 || x >= code->width || y >= code->width) return false;
    return code->data[y * code->width + x] & 1;
  }
};

TEST(QrImage, PngHoldsTheModules) {
  const Truth truth;
  const auto png = qr_png(kCode, 3);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_TRUE(png_image_begin_read_from_memory(&image, png.data(), png.size()));
  image.format = PNG_FORMAT_GRAY;
  Bytes pixels(PNG_IMAGE_SIZE(image));
  ASSERT_TRUE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr));
  ASSERT_EQ(static_cast<int>(image.width), truth.width() * 3);
  for (int y = 0; y < truth.width(); ++y) {
    for (int x = 0; x < truth.width(); ++x) {
      const auto pixel = pixels[static_cast<size_t>((y * 3 + 1) * truth.width() * 3 + x * 3 + 1)];
      ASSERT_EQ(pixel == 0, truth.dark(x, y)) << x << "," << y;
    }
  }
}

TEST(QrImage, SvgHoldsTheModules) {
  const Truth truth;
  const auto svg = qr_svg(kCode);
  ASSERT_TRUE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  std::vector<bool> dark(static_cast<size_t>(truth.width() * truth.width()));
  for (auto at = svg.find('M'); at != std::string::npos; at = svg.find('M', at + 1)) {
    int x = 0, y = 0, run = 0;
    ASSERT_EQ(std::sscanf(svg.c_str() + at, "M%d %dh%dv1", &x, &y, &run), 3);
    for (int i = 0; i < run; ++i) dark[static_cast<size_t>(y * truth.width() + x + i)] = true;
  }
  for (int y = 0; y < truth.width(); ++y) {
    for (int x = 0; x < truth.width(); ++x) {
      ASSERT_EQ(dark[static_cast<size_t>(y * truth.width() + x)], truth.dark(x, y));
    }
  }
}

TEST(QrImage, BlocksHoldTwoRowsPerLine) {
  const Truth truth;
  const auto blocks = qr_blocks(kCode);
  EXPECT_EQ(std::count(blocks.begin(), blocks.end(), '\n'), (truth.width() + 1) / 2);
  // The quiet zone above is light in both halves.
  EXPECT_TRUE(blocks.starts_with("\u2588"));
  size_t at = 0;
  for (int y = 0; y < truth.width(); y += 2, ++at) {
    for (int x = 0; x < truth.width(); ++x) {
      const bool upper = !truth.dark(x, y), lower = y + 1 < truth.width() && !truth.dark(x, y + 1);
      const std::string expected = upper ? (lower ? "\u2588" : "\u2580") : (lower ? "\u2584" : " ");
      ASSERT_EQ(blocks.substr(at, expected.size()), expected);
      at += expected.size();
    }
  }
}

TEST(QrImage, TooLongATextIsNoImage) {
  EXPECT_TRUE(qr_png(std::string(3000, 'x')).empty());
  EXPECT_TRUE(qr_svg(std::string(3000, 'x')).empty());
}

TEST(Accept, PicksTheBestOffer) {
  constexpr std::string_view offers[] = {"application/json", "image/png", "image/svg+xml",
                                         "text/plain"};
  const std::pair<const char*, const char*> cases[] = {
      {"", "application/json"},
      {"*/*", "application/json"},
      {"image/png", "image/png"},
      {"image/*", "image/png"},
      {"text/plain, image/png;q=0.5", "text/plain"},
      {"image/png;q=0.2, image/svg+xml;q=0.9", "image/svg+xml"},
      {"text/html,application/xhtml+xml,image/svg+xml,*/*;q=0.8", "image/svg+xml"},
      {"application/json;q=0, */*", "image/png"}};
  for (const auto& [accept, expected] : cases) {
    EXPECT_EQ(negotiate(accept, offers), expected) << accept;
  }
  EXPECT_FALSE(negotiate("audio/ogg", offers));
  EXPECT_FALSE(negotiate("image/png;q=0", offers));
}

}  // namespace
}  // namespace wab::bridge
