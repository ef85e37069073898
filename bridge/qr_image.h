// A pairing code as an image: PNG, SVG, or half blocks for a terminal.
//
// Pure. Dark on white with the quiet zone of four modules that scanners want; in the terminal the
// colours are inverted, because most terminals are dark: block characters are the light modules.
#pragma once

#include <string>
#include <string_view>

#include "storage/base/bytes.h"

namespace wab::bridge {

// Empty when the text does not fit into a QR code (2 953 bytes).
Bytes qr_png(std::string_view text, int pixels_per_module = 8);
std::string qr_svg(std::string_view text);
std::string qr_blocks(std::string_view text);

}  // namespace wab::bridge
