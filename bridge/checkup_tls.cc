#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "bridge/checkup.h"

namespace wab::bridge {
namespace {

using Grade = Finding::Grade;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* one) const {
    Free(one);
  }
};
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using File = std::unique_ptr<BIO, Freed<BIO_free>>;

std::vector<Certificate> read_chain(const std::string& path) {
  std::vector<Certificate> out;
  const File file(BIO_new_file(path.c_str(), "r"));
  while (file && out.size() < 16) {
    Certificate one(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    out.push_back(std::move(one));
  }
  return out;
}

// No passphrase is asked for: a key that needs one does not serve.
int no_passphrase(char*, int, int, void*) { return 0; }

bool issued_by(X509* one, X509* other) {
  return X509_check_issued(other, one) == X509_V_OK &&
         X509_verify(one, X509_get0_pubkey(other)) == 1;
}

UnixSeconds seconds_of(const ASN1_TIME* time) {
  std::tm at{};
  return ASN1_TIME_to_tm(time, &at) == 1 ? static_cast<UnixSeconds>(::timegm(&at)) : 0;
}

}  // namespace

Findings check_certificate(const std::string& chain_path, const std::string& key_path,
                           const std::string& name, UnixSeconds now) {
  Findings out;
  const auto say = [&out](Grade grade, const char* check, std::string says, std::string todo) {
    out.push_back(Finding{grade, check, std::move(says), std::move(todo)});
  };
  const auto chain = read_chain(chain_path);
  if (chain.empty()) {
    say(Grade::fail, "certificate", chain_path + " holds no certificate in PEM form",
        "Write the certificate and its chain there, leaf first.");
    return out;
  }
  X509* const leaf = chain.front().get();
  const File key_file(BIO_new_file(key_path.c_str(), "r"));
  const Key key(key_file ? PEM_read_bio_PrivateKey(key_file.get(), nullptr, no_passphrase, nullptr)
                         : nullptr);
  if (!key) {
    say(Grade::fail, "certificate_key", key_path + " holds no private key without a passphrase",
        "Write the key there in PEM form, readable for the user that runs the bridge only.");
  } else if (X509_check_private_key(leaf, key.get()) != 1) {
    say(Grade::fail, "certificate_key", "the key does not belong to the first certificate",
        "Put the leaf first in http.tls_certificate, and its own key into http.tls_key.");
  } else {
    say(Grade::ok, "certificate_key", "belongs to the certificate", "");
  }
  const UnixSeconds from = seconds_of(X509_get0_notBefore(leaf));
  const UnixSeconds until = seconds_of(X509_get0_notAfter(leaf));
  const auto days = (until - now) / 86400;
  if (until <= now) {
    say(Grade::fail, "certificate_time", "the certificate has expired", "Renew it.");
  } else if (from > now) {
    say(Grade::fail, "certificate_time", "the certificate is not valid yet",
        "Check the clock, or use the certificate later.");
  } else if (days < 14) {
    say(Grade::warn, "certificate_time", fmt::format("the certificate expires in {} days", days),
        "Renew it; the bridge takes a new pair up by itself.");
  } else {
    say(Grade::ok, "certificate_time", fmt::format("valid for {} more days", days), "");
  }
  std::string broken;
  for (size_t i = 0; i + 1 < chain.size() && broken.empty(); ++i) {
    if (!issued_by(chain[i].get(), chain[i + 1].get())) {
      broken = fmt::format("certificate {} of the file is not signed by the next one", i + 1);
    }
  }
  const bool self_signed = issued_by(leaf, leaf);
  if (!broken.empty()) {
    say(Grade::fail, "certificate_chain", broken,
        "Write the chain in order: leaf, then each one's issuer; the root may be left out.");
  } else if (self_signed) {
    say(Grade::warn, "certificate_chain", "the certificate is signed by itself",
        "Use one of an authority that your callers trust.");
  } else if (chain.size() == 1) {
    say(Grade::warn, "certificate_chain", "the file holds the leaf alone",
        "Add the intermediate certificates, unless a root signed the leaf itself.");
  } else {
    say(Grade::ok, "certificate_chain",
        fmt::format("{} certificates, each signed by the next", chain.size()), "");
  }
  if (!name.empty()) {
    const bool covered = X509_check_host(leaf, name.c_str(), name.size(), 0, nullptr) == 1 ||
                         X509_check_ip_asc(leaf, name.c_str(), 0) == 1;
    say(covered ? Grade::ok : Grade::fail, "certificate_name",
        covered ? "covers " + name : "the certificate does not cover " + name,
        covered ? "" : "Get one for the host of http.public_url.");
  }
  return out;
}

}  // namespace wab::bridge
