#include "bridge/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace wab::bridge {
namespace {

constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr uint32_t kModulus = 1'000'000;
constexpr size_t kDigits = 6, kRecoveryBytes = 15;

std::string base32(ByteView data) {
  std::string out;
  uint32_t held = 0;
  int bits = 0;
  for (const uint8_t byte : data) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += kBase32[(held >> (bits - 5)) & 31];
  }
  if (bits > 0) out += kBase32[(held << (5 - bits)) & 31];
  return out;
}

std::string percent(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

}  // namespace

std::string totp_secret_text(ByteView secret) { return base32(secret); }

std::optional<Bytes> parse_totp_secret(std::string_view text) {
  Bytes out;
  uint32_t held = 0;
  int bits = 0;
  for (const char c : text) {
    const auto digit = kBase32.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    held = (held << 5) | static_cast<uint32_t>(digit);
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<uint8_t>(held >> bits));
  }
  if (out.empty()) return std::nullopt;
  return out;
}

// RFC 4226 section 5.3.
std::string totp_code(ByteView secret, int64_t step) {
  ByteArray<8> counter;
  for (size_t i = 0; i < 8; ++i) {
    counter[i] = static_cast<uint8_t>(static_cast<uint64_t>(step) >> (56 - 8 * i));
  }
  ByteArray<20> mac{};
  unsigned int size = 0;
  HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()), counter.data(), counter.size(),
       mac.data(), &size);
  const size_t at = mac[19] & 15;
  const uint32_t number = read_be32(ByteView(mac).subspan(at)) & 0x7fffffff;
  std::string digits = std::to_string(number % kModulus);
  return std::string(kDigits - digits.size(), '0') + digits;
}

std::optional<int64_t> match_totp(ByteView secret, std::string_view code, UnixSeconds now,
                                  int64_t last) {
  std::optional<int64_t> found;
  const int64_t current = now / kTotpStepS;
  // All of them, whatever the first says.
  for (int64_t step = current - 1; step <= current + 1; ++step) {
    const std::string right = totp_code(secret, step);
    if (equal_constant_time(view(right), view(code)) && step > last && !found) found = step;
  }
  return found;
}

std::string totp_uri(std::string_view secret_text, std::string_view email) {
  constexpr std::string_view kIssuer = "Waslo Bridge";
  return "otpauth://totp/" + percent(kIssuer) + ":" + percent(email) +
         "?secret=" + std::string(secret_text) + "&issuer=" + percent(kIssuer) +
         "&algorithm=SHA1&digits=6&period=30";
}

std::string make_recovery_code(Random& random) {
  const std::string text = folded_recovery_code(base32(random.array<kRecoveryBytes>()));
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i > 0 && i % 4 == 0) out += '-';
    out += text[i];
  }
  return out;
}

std::string folded_recovery_code(std::string_view code) {
  std::string out;
  for (const char c : code) {
    if (c == '-' || c == ' ') continue;
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

}  // namespace wab::bridge
