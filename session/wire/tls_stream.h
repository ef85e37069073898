// ByteStream on OpenSSL over the non-blocking socket.
//
// Not boost::asio::ssl::stream, which holds two 17 KiB buffers and a BIO pair per connection: here
// OpenSSL reads the socket itself, gives its buffers back between records
// (SSL_MODE_RELEASE_BUFFERS), and we wait for readiness. TLS 1.2 with forward-secret AEAD suites
// and TLS 1.3; no compression, renegotiation, session cache or tickets.
#pragma once

#include <memory>

#include "session/wire/tcp_stream.h"

struct ssl_ctx_st;

namespace wab::wire {

// Shared by all connections that are made with it; a value to copy. To change certificates make a
// new one: connections keep theirs. Any thread.
class TlsContext {
 public:
  // Verifies chain and name against the system's roots, or only against `ca_pem` when given.
  static Result<TlsContext> client(std::string_view ca_pem = {});
  // The certificate with its chain, and its private key, both PEM. With `client_ca_pem` only
  // clients with a certificate of one of these authorities get through the handshake.
  static Result<TlsContext> server(std::string_view chain_pem, std::string_view key_pem,
                                   std::string_view client_ca_pem = {});
  // The same from files; "" as the last one asks no client for a certificate.
  static Result<TlsContext> server_from_files(const std::string& chain_path,
                                              const std::string& key_path,
                                              const std::string& client_ca_path = {});
  // A client's own certificate with its chain, shown when a server asks for one. Before the first
  // connection.
  Result<void> present(std::string_view chain_pem, std::string_view key_pem);
  ssl_ctx_st* get() const { return context_.get(); }

 private:
  explicit TlsContext(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}
  std::shared_ptr<ssl_ctx_st> context_;
};

// Handshakes; the deadline is for all of it. `server_name` is a DNS name or an IP address in text
// form and must be in the certificate. WireError::tls_certificate when chain or name does not
// verify (`where` is OpenSSL's words for it), WireError::tls for everything else.
awaitable<Result<std::unique_ptr<ByteStream>>> tls_connect(std::unique_ptr<TcpStream> plain,
                                                           TlsContext context,
                                                           std::string server_name,
                                                           Deadline deadline);
awaitable<Result<std::unique_ptr<ByteStream>>> tls_accept(std::unique_ptr<TcpStream> plain,
                                                          TlsContext context, Deadline deadline);

}  // namespace wab::wire
