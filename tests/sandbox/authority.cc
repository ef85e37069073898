#include "tests/sandbox/authority.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <memory>
#include <sstream>

#include "session/noise/certificate.h"
#include "tests/sandbox/fields.h"

namespace wab::sandbox {
namespace {

constexpr UnixSeconds kDay = 86'400;

// One NoiseCertificate with its signature bent.
Bytes bent(ByteView certificate, bool shorten) {
  const auto fields = Fields::parse(certificate);
  if (!fields) return {};
  Bytes signature = fields->copy(2);
  if (shorten) {
    signature.pop_back();
  } else {
    signature[10] ^= 0x01;
  }
  Bytes out;
  put_field(out, 1, fields->copy(1));
  put_field(out, 2, signature);
  return out;
}

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;

bool extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

Cert blank(EVP_PKEY* key, const char* common_name) {
  Cert out(X509_new());
  if (out == nullptr) return out;
  X509_set_version(out.get(), 2);
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(out.get()), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), 365 * kDay);
  X509_NAME* name = X509_get_subject_name(out.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
  X509_set_pubkey(out.get(), key);
  return out;
}

template <class Write>
std::string pem(const Write& write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || !write(bio.get())) return {};
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string out = "DNS:localhost,IP:127.0.0.1,IP:::1";
  for (const std::string& name : names) {
    unsigned char address[16];
    const bool ip = inet_pton(AF_INET, name.c_str(), address) == 1 ||
                    inet_pton(AF_INET6, name.c_str(), address) == 1;
    out += (ip ? ",IP:" : ",DNS:") + name;
  }
  return out;
}

std::optional<std::string> slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

NoiseAuthority::NoiseAuthority(Random& random)
    : root_(signal::KeyPair::generate(random)),
      intermediate_(signal::KeyPair::generate(random)),
      leaf_(signal::KeyPair::generate(random)) {}

Bytes NoiseAuthority::chain(UnixSeconds now, HandshakeFault fault, Random& random) const {
  noise::ChainSpec spec;
  spec.not_before = now - 30 * kDay;
  spec.not_after = now + 90 * kDay;
  if (fault == HandshakeFault::expired) spec.not_after = now - kDay;
  if (fault == HandshakeFault::not_yet_valid) spec.not_before = now + kDay;
  if (fault == HandshakeFault::bad_issuer_serial) spec.leaf_issuer += 1;
  const Key32 key =
      fault == HandshakeFault::leaf_key_differs ? signal::KeyPair::generate(random).pub : leaf_.pub;
  Bytes good = noise::make_chain(root_, intermediate_, key, spec, random);
  const auto fields = Fields::parse(good);
  if (!fields) return good;
  Bytes leaf = fields->copy(1);
  Bytes intermediate = fields->copy(2);
  switch (fault) {
    case HandshakeFault::bad_leaf_signature:
      leaf = bent(leaf, false);
      break;
    case HandshakeFault::bad_intermediate_signature:
      intermediate = bent(intermediate, false);
      break;
    case HandshakeFault::short_signature:
      leaf = bent(leaf, true);
      break;
    case HandshakeFault::missing_leaf:
      leaf.clear();
      break;
    default:
      return good;
  }
  Bytes out;
  if (!leaf.empty()) put_field(out, 1, leaf);
  put_field(out, 2, intermediate);
  return out;
}

const ErrorDomain& error_domain(AuthorityError) {
  static constexpr ErrorDomain kDomain{"authority",
                                       [](int code) { return code == 1 ? "openssl" : "file"; }};
  return kDomain;
}

Result<TlsIdentity> make_tls_identity(const std::vector<std::string>& names) {
  const Key authority_key(EVP_EC_gen("P-256"));
  const Key key(EVP_EC_gen("P-256"));
  if (authority_key == nullptr || key == nullptr) return fail(AuthorityError::openssl, "keys");
  const Cert authority = blank(authority_key.get(), "Waslo sandbox authority");
  const Cert leaf = blank(key.get(), "waslo-sandbox");
  if (authority == nullptr || leaf == nullptr) return fail(AuthorityError::openssl, "certificates");
  X509_set_issuer_name(authority.get(), X509_get_subject_name(authority.get()));
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(authority.get()));
  const bool extended =
      extend(authority.get(), authority.get(), NID_basic_constraints, "critical,CA:TRUE") &&
      extend(authority.get(), authority.get(), NID_key_usage, "critical,keyCertSign,cRLSign") &&
      extend(authority.get(), authority.get(), NID_subject_key_identifier, "hash") &&
      extend(leaf.get(), authority.get(), NID_basic_constraints, "critical,CA:FALSE") &&
      extend(leaf.get(), authority.get(), NID_key_usage, "critical,digitalSignature") &&
      extend(leaf.get(), authority.get(), NID_ext_key_usage, "serverAuth") &&
      extend(leaf.get(), authority.get(), NID_subject_alt_name, alternative_names(names));
  if (!extended) return fail(AuthorityError::openssl, "extensions");
  if (X509_sign(authority.get(), authority_key.get(), EVP_sha256()) == 0 ||
      X509_sign(leaf.get(), authority_key.get(), EVP_sha256()) == 0) {
    return fail(AuthorityError::openssl, "signatures");
  }
  TlsIdentity out;
  out.authority_pem = pem([&](BIO* bio) { return PEM_write_bio_X509(bio, authority.get()) == 1; });
  out.certificate_pem =
      pem([&](BIO* bio) { return PEM_write_bio_X509(bio, leaf.get()) == 1; }) + out.authority_pem;
  out.key_pem = pem([&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  });
  return out;
}

Result<TlsIdentity> load_tls_identity(const std::string& certificate, const std::string& key) {
  const auto chain = slurp(certificate);
  const auto secret = slurp(key);
  if (!chain || !secret) return fail(AuthorityError::file, "certificate or key cannot be read");
  return TlsIdentity{*chain, *chain, *secret};
}

}  // namespace wab::sandbox
