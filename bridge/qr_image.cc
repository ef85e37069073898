#include "bridge/qr_image.h"

#include <png.h>
#include <qrencode.h>

#include <memory>

namespace wab::bridge {
namespace {

constexpr int kQuiet = 4;

class Modules {
 public:
  explicit Modules(std::string_view text)
      : code_(
            QRcode_encodeData(static_cast<int>(text.size()),
                              reinterpret_cast<const unsigned char*>(text.data()), 0, QR_ECLEVEL_L),
            QRcode_free) {}
  bool ok() const { return code_ != nullptr; }
  int width() const { return code_->width + 2 * kQuiet; }  // quiet zone included
  bool dark(int x, int y) const {
    x -= kQuiet;
    y -= kQuiet;
    if (x < 0 || y < 0 || x >= code_->width || y >= code_->width) return false;
    return code_->data[y * code_->width + x] & 1;
  }

 private:
  std::unique_ptr<QRcode, void (*)(QRcode*)> code_;
};

}  // namespace

Bytes qr_png(std::string_view text, int scale) {
  const Modules modules(text);
  if (!modules.ok() || scale < 1) return {};
  const int side = modules.width() * scale;
  Bytes grey(static_cast<size_t>(side) * side);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      grey[static_cast<size_t>(y) * side + x] = modules.dark(x / scale, y / scale) ? 0 : 255;
    }
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = image.height = static_cast<png_uint_32>(side);
  image.format = PNG_FORMAT_GRAY;
  png_alloc_size_t size = 0;
  if (!png_image_write_to_memory(&image, nullptr, &size, 0, grey.data(), side, nullptr)) return {};
  Bytes out(size);
  if (!png_image_write_to_memory(&image, out.data(), &size, 0, grey.data(), side, nullptr)) {
    return {};
  }
  out.resize(size);
  return out;
}

std::string qr_svg(std::string_view text) {
  const Modules modules(text);
  if (!modules.ok()) return {};
  const auto side = std::to_string(modules.width());
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + side + " " + side +
                    "\" shape-rendering=\"crispEdges\"><rect width=\"" + side + "\" height=\"" +
                    side + "\" fill=\"#fff\"/><path fill=\"#000\" d=\"";
  for (int y = 0; y < modules.width(); ++y) {
    for (int x = 0; x < modules.width(); ++x) {
      if (!modules.dark(x, y)) continue;
      const int from = x;
      while (modules.dark(x, y)) ++x;
      out += "M" + std::to_string(from) + " " + std::to_string(y) + "h" + std::to_string(x - from) +
             "v1h-" + std::to_string(x - from) + "z";
    }
  }
  return out + "\"/></svg>\n";
}

std::string qr_blocks(std::string_view text) {
  const Modules modules(text);
  if (!modules.ok()) return {};
  std::string out;
  for (int y = 0; y < modules.width(); y += 2) {
    for (int x = 0; x < modules.width(); ++x) {
      const bool upper = !modules.dark(x, y);
      const bool lower = y + 1 < modules.width() && !modules.dark(x, y + 1);
      out += upper ? (lower ? "\u2588" : "\u2580") : (lower ? "\u2584" : " ");
    }
    out += "\n";
  }
  return out;
}

}  // namespace wab::bridge
