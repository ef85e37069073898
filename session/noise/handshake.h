// The Noise handshake as machines of bytes in, bytes out: XX, IK and the fallback from IK to XX
// (dossier 1 sections 2.2 and 2.5). Pure: ephemeral keys and time are arguments.
//
// Messages are the protobuf bodies; intro and 3-byte lengths are the business of transport.h. A
// machine serves one connection and is dropped after it. After an error it stays failed.
#pragma once

#include <optional>

#include "session/noise/certificate.h"
#include "session/noise/symmetric.h"

namespace wab::noise {

enum class Mode { xx, ik };

class ClientHandshake {
 public:
  // `static_keys` is the device's persistent noise key, `ephemeral` fresh. Mode::ik needs the leaf
  // key of a verified, cached chain; without one the machine does XX.
  ClientHandshake(Mode mode, signal::KeyPair ephemeral, signal::KeyPair static_keys,
                  std::optional<Key32> cached_server = std::nullopt);

  // The ClientHello. IK carries `login_payload` in it, XX ignores the argument.
  Result<Bytes> hello(ByteView login_payload);

  struct Finish {
    std::optional<Bytes> message;  // ClientFinish to send; nothing after an accepted IK
    TransportKeys keys;
    // To be cached for IK by a paired device. After an accepted IK only when the server's chain
    // happens to pass the checks again (the AEAD has already proved possession of the key).
    std::optional<VerifiedChain> chain;
    bool fell_back = false;  // IK was declined
  };
  // No ClientFinish exists unless every check of the certificate passed.
  Result<Finish> on_server_hello(ByteView message, const CertificatePolicy& policy,
                                 ByteView client_payload);

  // True when an IK attempt failed on its cryptography before the server declined it: erase the
  // cached chain and use XX from now on. Timeouts and lost connections never set it.
  bool cache_is_suspect() const { return suspect_; }

 private:
  enum class Step { start, hello_sent, done, failed };

  Result<Finish> run(ByteView message, const CertificatePolicy& policy, ByteView client_payload);
  Result<Finish> resume(const Key32& server_ephemeral, ByteView sealed_chain,
                        const CertificatePolicy& policy);
  Result<Finish> exchange(const Key32& server_ephemeral, ByteView sealed_static,
                          ByteView sealed_chain, const CertificatePolicy& policy,
                          ByteView client_payload);

  Mode mode_;
  Step step_ = Step::start;
  bool suspect_ = false;
  signal::KeyPair ephemeral_;
  signal::KeyPair static_;
  std::optional<Key32> cached_server_;
  SymmetricState state_;
};

// The server's side, for the sandbox and for tests.
class ServerHandshake {
 public:
  struct Options {
    signal::KeyPair static_keys;
    signal::KeyPair ephemeral;
    Bytes chain;            // sent sealed, opaque here
    bool accept_ik = true;  // false: answer an IK hello with the fallback
    // What to send in place of the static public key: lets a test offer a wrong one.
    std::optional<Bytes> announced_static;
  };
  struct Client {
    Key32 static_key{};
    Bytes payload;  // ClientPayload
    TransportKeys keys;
  };
  struct Reply {
    Bytes message;                 // ServerHello
    std::optional<Client> client;  // set when IK was accepted: the handshake is over
    bool declined_ik = false;
  };

  explicit ServerHandshake(Options options);

  // An IK hello that was made for another server key is declined, not an error.
  Result<Reply> on_client_hello(ByteView message);
  Result<Client> on_client_finish(ByteView message);

 private:
  enum class Step { start, hello_sent, done, failed };

  Result<Reply> accept(ByteView message);
  Result<Reply> exchange(std::string_view protocol, const Key32& client_ephemeral);
  Result<Client> finish(ByteView message);

  Step step_ = Step::start;
  Options options_;
  SymmetricState state_;
};

}  // namespace wab::noise
