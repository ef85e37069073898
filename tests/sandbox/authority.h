// What a client must trust to talk to the sandbox: a Noise root key and a TLS authority of its own,
// both made at start.
#pragma once

#include <string>
#include <vector>

#include "session/signal/curve.h"
#include "storage/base/result.h"
#include "tests/sandbox/world.h"

namespace wab::sandbox {

class NoiseAuthority {
 public:
  explicit NoiseAuthority(Random& random);
  const Key32& root_key() const { return root_.pub; }
  signal::KeyPair server_keys() const { return leaf_.clone(); }
  // A serialized CertChain, good or with one fault.
  Bytes chain(UnixSeconds now, HandshakeFault fault, Random& random) const;

 private:
  signal::KeyPair root_;
  signal::KeyPair intermediate_;
  signal::KeyPair leaf_;
};

struct TlsIdentity {
  std::string authority_pem;    // what clients trust
  std::string certificate_pem;  // leaf, then authority
  std::string key_pem;
};

enum class AuthorityError { openssl = 1, file };
const ErrorDomain& error_domain(AuthorityError);

// A fresh authority and a leaf for localhost, the loopback addresses and `names` (DNS names or IP
// addresses).
Result<TlsIdentity> make_tls_identity(const std::vector<std::string>& names);
// From files; the authority is the chain itself.
Result<TlsIdentity> load_tls_identity(const std::string& certificate, const std::string& key);

}  // namespace wab::sandbox
