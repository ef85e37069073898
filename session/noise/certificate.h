// The server's certificate chain: root key -> intermediate -> leaf, whose key is the server's Noise
// static key (dossier 1 section 2.4). Pure.
#pragma once

#include <optional>

#include "session/noise/error.h"
#include "session/signal/curve.h"
#include "storage/base/clock.h"

namespace wab::noise {

// The root that signs WhatsApp's chains. Configuration may name another: the sandbox has its own.
inline constexpr Key32 kWhatsAppRootKey = {
    0x14, 0x23, 0x75, 0x57, 0x4d, 0x0a, 0x58, 0x71, 0x66, 0xaa, 0xe7, 0x1e, 0xbe, 0x51, 0x64, 0x37,
    0xc4, 0xa2, 0x8b, 0x73, 0xe3, 0x69, 0x5c, 0x6c, 0xe1, 0xf7, 0xf9, 0x54, 0x5d, 0xa8, 0xee, 0x6b};

struct CertificatePolicy {
  Key32 root_key = kWhatsAppRootKey;
  UnixSeconds now = 0;
};

struct CertificateSpan {
  Key32 key{};
  UnixSeconds not_before = 0;
  UnixSeconds not_after = 0;
  bool valid_at(UnixSeconds now) const { return not_before <= now && now <= not_after; }
  bool operator==(const CertificateSpan&) const = default;
};

// A chain that passed all checks; what a paired device keeps in order to try IK next time.
struct VerifiedChain {
  CertificateSpan leaf;
  CertificateSpan intermediate;
  bool valid_at(UnixSeconds now) const { return leaf.valid_at(now) && intermediate.valid_at(now); }
  bool operator==(const VerifiedChain&) const = default;
};

// All nine checks, in the order of the table; the first that fails names the error.
Result<VerifiedChain> verify_chain(ByteView chain, const Key32& server_static,
                                   const CertificatePolicy& policy);

// Issues a chain under a root of one's own. The defaults are shaped like the genuine ones.
struct ChainSpec {
  uint32_t intermediate_serial = 3;
  uint32_t intermediate_issuer = 0;  // serial of the root
  uint32_t leaf_serial = 355;
  uint32_t leaf_issuer = 3;
  UnixSeconds not_before = 0;  // of both
  UnixSeconds not_after = 0;
};
Bytes make_chain(const signal::KeyPair& root, const signal::KeyPair& intermediate,
                 const Key32& leaf_key, const ChainSpec& spec, Random& random);

}  // namespace wab::noise
