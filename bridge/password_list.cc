#include "bridge/password_list.h"

#include <sodium.h>

#include "storage/base/bytes.h"

// The file as it is, made by passwords/make-list: sorted big-endian numbers of 32 bits.
asm(R"(
  .section .rodata
  .balign 16
wab_common_passwords:
  .incbin ")" WAB_COMMON_PASSWORDS R"("
wab_common_passwords_end:
  .previous
)");
extern "C" {
extern const uint8_t wab_common_passwords[] __attribute__((visibility("hidden")));
extern const uint8_t wab_common_passwords_end[] __attribute__((visibility("hidden")));
}

namespace wab::bridge {
namespace {

constexpr size_t kSize = 4;

ByteView all() {
  return {wab_common_passwords,
          static_cast<size_t>(wab_common_passwords_end - wab_common_passwords)};
}

}  // namespace

size_t common_passwords() { return all().size() / kSize; }

bool is_common_password(std::string_view folded) {
  ByteArray<crypto_hash_sha256_BYTES> digest;
  crypto_hash_sha256(digest.data(), view(folded).data(), folded.size());
  const uint32_t wanted = read_be32(ByteView(digest));
  const auto list = all();
  size_t low = 0, high = common_passwords();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const uint32_t here = read_be32(list.subspan(middle * kSize));
    if (here == wanted) return true;
    if (here < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

}  // namespace wab::bridge
