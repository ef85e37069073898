#include "webhook/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include <stdexcept>

namespace wab::webhook {
namespace {

constexpr std::string_view kPrefix = "whsec_", kSigning = "whsk_", kPublic = "whpk_";

ByteArray<32> hmac(ByteView key, ByteView data) {
  ByteArray<32> out;
  unsigned size = out.size();
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), data.data(), data.size(),
           out.data(), &size) == nullptr) {
    throw std::logic_error("HMAC");
  }
  return out;
}

std::optional<SecretBytes> parse_signing_key(std::string_view text) {
  if (!text.starts_with(kSigning)) return std::nullopt;
  auto bytes = from_base64(text.substr(kSigning.size()));
  if (!bytes || bytes->size() != crypto_sign_SECRETKEYBYTES) return std::nullopt;
  return SecretBytes(std::move(*bytes));
}

Bytes signed_content(std::string_view id, UnixSeconds timestamp, ByteView body) {
  return concat({view(id), view("."), view(std::to_string(timestamp)), view("."), body});
}

}  // namespace

std::optional<SecretBytes> parse_secret(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  auto bytes = from_base64(text.substr(kPrefix.size()));
  if (!bytes || bytes->size() < 24 || bytes->size() > 64) return std::nullopt;
  return SecretBytes(std::move(*bytes));
}

std::string make_secret(Random& random) {
  return std::string(kPrefix) + to_base64(random.array<32>());
}

std::string signature_header(std::string_view id, UnixSeconds timestamp, ByteView body,
                             const std::vector<std::string>& secrets,
                             std::string_view signing_key) {
  const Bytes content = signed_content(id, timestamp, body);
  std::string out;
  for (const auto& text : secrets) {
    const auto secret = parse_secret(text);
    if (!secret) continue;
    if (!out.empty()) out += ' ';
    out += "v1," + to_base64(hmac(secret->reveal(), content));
  }
  if (const auto key = parse_signing_key(signing_key)) {
    ByteArray<crypto_sign_BYTES> signature;
    crypto_sign_detached(signature.data(), nullptr, content.data(), content.size(),
                         key->reveal().data());
    if (!out.empty()) out += ' ';
    out += "v1a," + to_base64(signature);
  }
  return out;
}

std::string make_signing_key(Random& random) {
  auto seed = random.array<crypto_sign_SEEDBYTES>();
  ByteArray<crypto_sign_PUBLICKEYBYTES> open;
  ByteArray<crypto_sign_SECRETKEYBYTES> secret;
  crypto_sign_seed_keypair(open.data(), secret.data(), seed.data());
  std::string out = std::string(kSigning) + to_base64(secret);
  wipe(seed);
  wipe(secret);
  return out;
}

std::optional<std::string> public_key_of(std::string_view signing_key) {
  const auto key = parse_signing_key(signing_key);
  if (!key) return std::nullopt;
  return std::string(kPublic) + to_base64(key->reveal().subspan(32));
}

bool verify_asymmetric(std::string_view header, std::string_view id, UnixSeconds timestamp,
                       ByteView body, std::string_view public_key) {
  if (!public_key.starts_with(kPublic)) return false;
  const auto key = from_base64(public_key.substr(kPublic.size()));
  if (!key || key->size() != crypto_sign_PUBLICKEYBYTES) return false;
  const Bytes content = signed_content(id, timestamp, body);
  while (!header.empty()) {
    const auto space = header.find(' ');
    const auto one = header.substr(0, space);
    header.remove_prefix(space == std::string_view::npos ? header.size() : space + 1);
    if (!one.starts_with("v1a,")) continue;
    const auto given = from_base64(one.substr(4));
    if (given && given->size() == crypto_sign_BYTES &&
        crypto_sign_verify_detached(given->data(), content.data(), content.size(), key->data()) ==
            0) {
      return true;
    }
  }
  return false;
}

bool verify_signature(std::string_view header, std::string_view id, UnixSeconds timestamp,
                      ByteView body, std::string_view secret_text) {
  const auto secret = parse_secret(secret_text);
  if (!secret) return false;
  const auto expected = hmac(secret->reveal(), signed_content(id, timestamp, body));
  bool found = false;
  while (!header.empty()) {
    const auto space = header.find(' ');
    const auto one = header.substr(0, space);
    header.remove_prefix(space == std::string_view::npos ? header.size() : space + 1);
    if (!one.starts_with("v1,")) continue;
    const auto given = from_base64(one.substr(3));
    if (given && equal_constant_time(*given, expected)) found = true;
  }
  return found;
}

}  // namespace wab::webhook
