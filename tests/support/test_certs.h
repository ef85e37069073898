// Certificates made on the spot, for tests with real TLS.
#pragma once

#include <memory>
#include <string>
#include <vector>

struct x509_st;
struct evp_pkey_st;

namespace wab::test {

class TestCa {
 public:
  TestCa();
  struct Issued {
    std::string chain_pem;
    std::string key_pem;
  };
  struct Request {
    std::string subject_alt_name = "DNS:localhost,IP:127.0.0.1";
    long from_seconds = -3600;  // relative to now
    long to_seconds = 3600;
  };
  Issued issue(const Request& request) const;
  Issued issue() const { return issue(Request()); }
  const std::string& pem() const { return pem_; }

 private:
  std::shared_ptr<evp_pkey_st> key_;
  std::shared_ptr<x509_st> certificate_;
  std::string pem_;
};

}  // namespace wab::test
