#include "bridge/token.h"

#include <array>

namespace wab::bridge {
namespace {

constexpr std::string_view kAlphabet =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr size_t kRandom = 30, kChecksum = 6;

struct KindRow {
  TokenKind kind;
  std::string_view prefix;
};
constexpr KindRow kKinds[] = {{TokenKind::operators, "wab_op_"},
                              {TokenKind::organization, "wab_live_"},
                              {TokenKind::setup, "wab_setup_"},
                              {TokenKind::invitation, "wab_invite_"},
                              {TokenKind::reset, "wab_reset_"}};

uint32_t crc32(std::string_view text) {
  uint32_t crc = 0xffffffff;
  for (const char c : text) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320u : 0);
  }
  return ~crc;
}

std::string checksum(std::string_view text) {
  uint32_t crc = crc32(text);
  std::string out(kChecksum, '0');
  for (size_t i = kChecksum; i > 0; --i) {
    out[i - 1] = kAlphabet[crc % 62];
    crc /= 62;
  }
  return out;
}

}  // namespace

std::string make_token(TokenKind kind, Random& random) {
  std::string out;
  for (const auto& row : kKinds) {
    if (row.kind == kind) out = row.prefix;
  }
  for (size_t i = 0; i < kRandom; ++i) out += kAlphabet[random.below(62)];
  return out + checksum(out);
}

std::optional<TokenKind> check_token(std::string_view token) {
  for (const auto& row : kKinds) {
    if (!token.starts_with(row.prefix)) continue;
    if (token.size() != row.prefix.size() + kRandom + kChecksum) return std::nullopt;
    if (token.substr(row.prefix.size()).find_first_not_of(kAlphabet) != std::string_view::npos) {
      return std::nullopt;
    }
    const auto body = token.substr(0, token.size() - kChecksum);
    if (checksum(body) != token.substr(body.size())) return std::nullopt;
    return row.kind;
  }
  return std::nullopt;
}

}  // namespace wab::bridge
