// Keys, chains with one fault each, and dice for the tests of the Noise room.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "session/noise/certificate.h"
#include "session/proto/handshake.pb.h"

namespace wab::noise::testing {

class SeededRandom : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void fill(MutableBytes out) override {
    for (uint8_t& byte : out) {
      state_ += 0x9e3779b97f4a7c15ull;  // splitmix64
      uint64_t z = state_;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
      byte = static_cast<uint8_t>(z >> 56);
    }
  }

 private:
  uint64_t state_;
};

inline signal::KeyPair pair_of(uint8_t byte) {
  Key32 raw;
  raw.fill(byte);
  return signal::KeyPair::from_private(SecretKey32(raw));
}

// A server's identity under a root of our own, valid around `now`.
struct Issuer {
  signal::KeyPair root = pair_of(0x77);
  signal::KeyPair intermediate = pair_of(0x66);
  signal::KeyPair leaf = pair_of(0x44);
  UnixSeconds now = 1780000000;
  ChainSpec spec{.not_before = now - 1000, .not_after = now + 1000};

  CertificatePolicy policy() const { return {root.pub, now}; }
  Bytes chain() const { return chain(spec, leaf.pub); }
  Bytes chain(const ChainSpec& with, const Key32& key) const {
    SeededRandom random(1);
    return make_chain(root, intermediate, key, with, random);
  }
  // The chain after `change` was made to its message; signatures stay as they were.
  Bytes altered(const std::function<void(pb::CertChain&)>& change) const {
    pb::CertChain message;
    const Bytes good = chain();
    message.ParseFromArray(good.data(), static_cast<int>(good.size()));
    change(message);
    return to_bytes(message.SerializeAsString());
  }
};

struct ChainFault {
  std::string name;
  NoiseError error;
  Bytes chain;
  Key32 server_static;
  CertificatePolicy policy;
};

inline std::vector<ChainFault> chain_faults() {
  const Issuer issuer;
  std::vector<ChainFault> out;
  const auto add = [&](std::string name, NoiseError error, Bytes chain) {
    out.push_back({std::move(name), error, std::move(chain), issuer.leaf.pub, issuer.policy()});
  };
  const auto altered = [&](std::string name, NoiseError error,
                           const std::function<void(pb::CertChain&)>& change) {
    add(std::move(name), error, issuer.altered(change));
  };
  const auto specified = [&](std::string name, NoiseError error,
                             const std::function<void(ChainSpec&)>& change) {
    ChainSpec spec = issuer.spec;
    change(spec);
    add(std::move(name), error, issuer.chain(spec, issuer.leaf.pub));
  };
  // Details whose `key` is `key`, properly signed by `signer`.
  const auto resign = [&](pb::CertChain::NoiseCertificate& certificate, std::string key,
                          const signal::KeyPair& signer) {
    pb::CertChain::NoiseCertificate::Details details;
    details.ParseFromString(certificate.details());
    details.set_key(std::move(key));
    certificate.set_details(details.SerializeAsString());
    SeededRandom random(2);
    certificate.set_signature(
        to_string(signal::sign(signer.priv, view(certificate.details()), random)));
  };

  add("garbage", NoiseError::certificate_malformed, Bytes{0x0a, 0xff, 0x01});
  add("empty", NoiseError::certificate_missing, {});
  altered("no leaf", NoiseError::certificate_missing, [](auto& c) { c.clear_leaf(); });
  altered("no intermediate", NoiseError::certificate_missing,
          [](auto& c) { c.clear_intermediate(); });
  altered("no leaf details", NoiseError::certificate_missing,
          [](auto& c) { c.mutable_leaf()->clear_details(); });
  altered("no intermediate signature", NoiseError::certificate_missing,
          [](auto& c) { c.mutable_intermediate()->clear_signature(); });
  altered("63 bytes of leaf signature", NoiseError::certificate_signature_size,
          [](auto& c) { c.mutable_leaf()->mutable_signature()->pop_back(); });
  altered("65 bytes of intermediate signature", NoiseError::certificate_signature_size,
          [](auto& c) { c.mutable_intermediate()->mutable_signature()->push_back('x'); });
  altered("bad intermediate signature", NoiseError::certificate_intermediate_signature,
          [](auto& c) { c.mutable_intermediate()->mutable_signature()->at(5) ^= 1; });
  altered("bad leaf signature", NoiseError::certificate_leaf_signature,
          [](auto& c) { c.mutable_leaf()->mutable_signature()->at(5) ^= 1; });
  altered("intermediate key of 31 bytes", NoiseError::certificate_key_size,
          [&](auto& c) { resign(*c.mutable_intermediate(), std::string(31, 'k'), issuer.root); });
  altered("leaf key of 31 bytes", NoiseError::certificate_key_mismatch,
          [&](auto& c) { resign(*c.mutable_leaf(), std::string(31, 'k'), issuer.intermediate); });
  specified("intermediate not issued by the root", NoiseError::certificate_intermediate_issuer,
            [](ChainSpec& s) { s.intermediate_issuer = 1; });
  specified("leaf not issued by the intermediate", NoiseError::certificate_leaf_issuer,
            [](ChainSpec& s) { s.leaf_issuer = 4; });
  specified("expired", NoiseError::certificate_expired,
            [&](ChainSpec& s) { s.not_after = issuer.now - 1; });
  specified("not yet valid", NoiseError::certificate_not_yet_valid,
            [&](ChainSpec& s) { s.not_before = issuer.now + 1; });
  add("leaf of another server", NoiseError::certificate_key_mismatch,
      issuer.chain(issuer.spec, pair_of(0x55).pub));
  out.push_back({"another root",
                 NoiseError::certificate_intermediate_signature,
                 issuer.chain(),
                 issuer.leaf.pub,
                 {kWhatsAppRootKey, issuer.now}});
  return out;
}

}  // namespace wab::noise::testing
