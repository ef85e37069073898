#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <mutex>

#include "session/wire/tls_stream.h"

namespace wab::wire {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, Free>;
using CertificatePtr = std::unique_ptr<X509, Free>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free>;

// ALPN in wire form: the only protocol we speak.
constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

int select_http11(SSL*, const unsigned char** out, unsigned char* out_size,
                  const unsigned char* offered, unsigned int offered_size, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof(kHttp11), offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

BioPtr reader(std::string_view pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

std::shared_ptr<SSL_CTX> make(const SSL_METHOD* method) {
  // OpenSSL writes with write(2): without this a vanished peer would end the process.
  static std::once_flag once;
  std::call_once(once, [] { std::signal(SIGPIPE, SIG_IGN); });
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(method), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(WireError::io, "certificate or key file cannot be opened");
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// How many authorities were added.
size_t trust_authorities(SSL_CTX* context, std::string_view pem) {
  BioPtr in = reader(pem);
  size_t count = 0;
  while (CertificatePtr ca{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)}) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get());
    if (SSL_CTX_get_ssl_method(context) == TLS_server_method()) {
      SSL_CTX_add_client_CA(context, ca.get());
    }
    ++count;
  }
  ERR_clear_error();
  return count;
}

}  // namespace

Result<TlsContext> TlsContext::client(std::string_view ca_pem) {
  auto context = make(TLS_client_method());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_alpn_protos(context.get(), kHttp11, sizeof(kHttp11));
  if (ca_pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(context.get()) != 1) {
      return fail(WireError::tls, "system roots cannot be read");
    }
    return TlsContext(std::move(context));
  }
  if (trust_authorities(context.get(), ca_pem) == 0) {
    return fail(WireError::tls, "no certificate in the CA file");
  }
  return TlsContext(std::move(context));
}

Result<TlsContext> TlsContext::server(std::string_view chain_pem, std::string_view key_pem,
                                      std::string_view client_ca_pem) {
  ERR_clear_error();
  auto context = make(TLS_server_method());
  SSL_CTX_set_alpn_select_cb(context.get(), select_http11, nullptr);
  SSL_CTX_set_num_tickets(context.get(), 0);
  BioPtr in = reader(chain_pem);
  CertificatePtr leaf(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context.get(), leaf.get()) != 1) {
    return fail(WireError::tls, "no usable certificate");
  }
  while (CertificatePtr link{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)}) {
    if (SSL_CTX_add0_chain_cert(context.get(), link.get()) == 1) (void)link.release();
  }
  ERR_clear_error();
  BioPtr key_in = reader(key_pem);
  KeyPtr key(PEM_read_bio_PrivateKey(key_in.get(), nullptr, nullptr, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    ERR_clear_error();
    return fail(WireError::tls, "no usable private key, or not the one of this certificate");
  }
  if (!client_ca_pem.empty()) {
    if (trust_authorities(context.get(), client_ca_pem) == 0) {
      return fail(WireError::tls, "no certificate in the file of the clients' authorities");
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return TlsContext(std::move(context));
}

Result<void> TlsContext::present(std::string_view chain_pem, std::string_view key_pem) {
  ERR_clear_error();
  BioPtr in = reader(chain_pem);
  CertificatePtr leaf(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context_.get(), leaf.get()) != 1) {
    ERR_clear_error();
    return fail(WireError::tls, "no usable client certificate");
  }
  for (int links = 0; links < 8; ++links) {
    CertificatePtr link(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!link) break;
    if (SSL_CTX_add0_chain_cert(context_.get(), link.get()) == 1) (void)link.release();
  }
  ERR_clear_error();
  BioPtr key_in = reader(key_pem);
  // An encrypted key is refused; OpenSSL would ask for its password on the terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  KeyPtr key(PEM_read_bio_PrivateKey(key_in.get(), nullptr, no_password, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(context_.get()) != 1) {
    ERR_clear_error();
    return fail(WireError::tls, "no usable private key of the client certificate");
  }
  return ok();
}

Result<TlsContext> TlsContext::server_from_files(const std::string& chain_path,
                                                 const std::string& key_path,
                                                 const std::string& client_ca_path) {
  TRY(const std::string chain, read_file(chain_path));
  TRY(std::string key, read_file(key_path));
  std::string authorities;
  if (!client_ca_path.empty()) {
    TRY(authorities, read_file(client_ca_path));
    if (authorities.empty()) return fail(WireError::io, "the clients' authorities are empty");
  }
  auto context = server(chain, key, authorities);
  wipe({reinterpret_cast<uint8_t*>(key.data()), key.size()});
  return context;
}

}  // namespace wab::wire
