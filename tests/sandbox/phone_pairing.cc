#include "tests/sandbox/phone_pairing.h"

#include <algorithm>

#include "session/signal/kdf.h"
#include "tests/sandbox/fields.h"

namespace wab::sandbox {
namespace {

constexpr uint8_t kAccountPrefix[] = {6, 0};
constexpr std::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTVWXYZ";
constexpr uint32_t kRounds = 131072;
constexpr std::string_view kBundleInfo = "link_code_pairing_key_bundle_encryption_key";

Bytes details_of(const CompanionGrant& grant) {
  Bytes out;
  put_field(out, 1, grant.raw_id);
  put_field(out, 2, static_cast<uint64_t>(grant.timestamp));
  put_field(out, 3, grant.key_index);
  return out;
}

}  // namespace

Bytes sign_companion(const signal::KeyPair& account, const CompanionGrant& grant,
                     const Key32& companion_identity, ByteView adv_secret, Random& random) {
  const Bytes details = details_of(grant);
  const Bytes signed_bytes = concat({kAccountPrefix, details, companion_identity});
  const auto signature = signal::sign(account.priv, signed_bytes, random);

  Bytes identity;
  put_field(identity, 1, ByteView(details));
  put_field(identity, 2, ByteView(account.pub));
  put_field(identity, 3, ByteView(signature));

  Bytes out;
  put_field(out, 1, ByteView(identity));
  put_field(out, 2, ByteView(signal::hmac_sha256(adv_secret, identity)));
  return out;
}

std::optional<std::string> normal_code(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '-' || c == ' ') continue;
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (kAlphabet.find(c) == std::string_view::npos || out.size() == 8) return std::nullopt;
    out.push_back(c);
  }
  if (out.size() != 8) return std::nullopt;
  return out;
}

SecretKey32 stretch_pairing_code(std::string_view code, ByteView salt32) {
  const SecretBytes key = signal::pbkdf2_sha256(view(code), salt32, kRounds, 32);
  return std::move(*SecretKey32::from(key.reveal()));
}

Bytes wrap_ephemeral(std::string_view code, ByteView salt32, ByteView iv16, const Key32& pub) {
  const SecretKey32 key = stretch_pairing_code(code, salt32);
  return concat({salt32, iv16, signal::aes256_ctr(key.reveal(), iv16, pub)});
}

std::optional<Key32> unwrap_ephemeral(std::string_view code, ByteView wrapped80) {
  if (wrapped80.size() != 80) return std::nullopt;
  const SecretKey32 key = stretch_pairing_code(code, wrapped80.first(32));
  return to_array<32>(
      signal::aes256_ctr(key.reveal(), wrapped80.subspan(32, 16), wrapped80.subspan(48)));
}

std::optional<EnteredCode> enter_pairing_code(std::string_view code, ByteView wrapped_companion80,
                                              Random& random) {
  const auto companion = unwrap_ephemeral(code, wrapped_companion80);
  if (!companion) return std::nullopt;
  EnteredCode out;
  out.companion_ephemeral = *companion;
  out.ephemeral = signal::KeyPair::generate(random);
  const auto salt = random.array<32>();
  const auto iv = random.array<16>();
  out.wrapped = wrap_ephemeral(code, salt, iv, out.ephemeral.pub);
  return out;
}

std::optional<SecretKey32> open_key_bundle(const EnteredCode& entered,
                                           const signal::KeyPair& account, ByteView bundle156,
                                           const Key32& companion_identity) {
  if (bundle156.size() != 156) return std::nullopt;
  const auto ephemeral_secret = signal::agree(entered.ephemeral.priv, entered.companion_ephemeral);
  const auto identity_secret = signal::agree(account.priv, companion_identity);
  if (!ephemeral_secret || !identity_secret) return std::nullopt;
  const SecretBytes key =
      signal::hkdf_sha256(ephemeral_secret->reveal(), bundle156.first(32), view(kBundleInfo), 32);
  const auto opened =
      signal::aes256_gcm_open(key.reveal(), bundle156.subspan(32, 12), {}, bundle156.subspan(44));
  if (!opened || opened->size() != 96) return std::nullopt;
  const ByteView plain(*opened);
  if (!std::ranges::equal(plain.first(32), companion_identity) ||
      !std::ranges::equal(plain.subspan(32, 32), account.pub)) {
    return std::nullopt;
  }
  const SecretBytes all(
      concat({ephemeral_secret->reveal(), identity_secret->reveal(), plain.subspan(64)}));
  const SecretBytes adv = signal::hkdf_sha256(all.reveal(), {}, view("adv_secret"), 32);
  return SecretKey32::from(adv.reveal());
}

}  // namespace wab::sandbox
