// The phone's half of pairing, as far as tests need it, with the keys of dossier 1 section 16.3:
// account 44, companion identity 33, adv secret 88.
#pragma once

#include "session/pairing/qr.h"
#include "session/proto/adv.pb.h"
#include "session/signal/kdf.h"

namespace wab::session::testing {

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

// Always the same byte: what the recorded signatures were made with.
class FixedRandom : public Random {
 public:
  explicit FixedRandom(uint8_t byte) : byte_(byte) {}
  void fill(MutableBytes out) override { std::fill(out.begin(), out.end(), byte_); }

 private:
  uint8_t byte_;
};

inline Key32 filled(uint8_t byte) {
  Key32 out;
  out.fill(byte);
  return out;
}
inline signal::KeyPair pair_of(uint8_t byte) {
  return signal::KeyPair::from_private(SecretKey32(filled(byte)));
}

inline const std::string kDetails = "080110c0e093d3061801";

struct Phone {
  signal::KeyPair account = pair_of(0x44);
  Key32 companion = pair_of(0x33).pub;
  SecretKey32 adv_secret{filled(0x88)};
  Bytes details = *from_hex(kDetails);
  bool hosted_container = false;
  AdvFamily signed_as = AdvFamily::e2ee;

  pb::ADVSignedDeviceIdentity identity() const {
    FixedRandom zero(0);
    pb::ADVSignedDeviceIdentity out;
    out.set_details(to_string(details));
    out.set_account_signature_key(to_string(account.pub));
    out.set_account_signature(to_string(
        signal::sign(account.priv, account_signed_data(signed_as, details, companion), zero)));
    return out;
  }
  Bytes container(const pb::ADVSignedDeviceIdentity& inner) const {
    pb::ADVSignedDeviceIdentityHMAC out;
    out.set_details(inner.SerializeAsString());
    const ByteArray<2> prefix = {6, 5};
    out.set_hmac(to_string(signal::hmac_sha256_parts(
        adv_secret.reveal(),
        {hosted_container ? ByteView(prefix) : ByteView(), view(out.details())})));
    if (hosted_container) out.set_account_type(pb::HOSTED);
    return to_bytes(out.SerializeAsString());
  }
  node::Node pair_success(Bytes content) const {
    node::Node success("pair-success");
    success.add(node::Node("device-identity").bytes(std::move(content)));
    success.add(node::Node("device")
                    .set("jid", node::Jid::pn("15550100001", 3))
                    .set("lid", node::Jid::lid("1000001", 3)));
    success.add(node::Node("platform").set("name", "smbi"));
    success.add(node::Node("biz").set("name", "Shop"));
    success.add(node::Node("client-props").bytes(Bytes{0x08, 0x01}));
    success.add(node::Node("jurisdiction"));
    node::Node iq("iq");
    iq.set("from", node::Jid::server_jid()).set("type", "set").set("id", "77").set("xmlns", "md");
    iq.set("t", "1785000100");
    iq.add(std::move(success));
    return iq;
  }
  node::Node pair_success() const { return pair_success(container(identity())); }
};

}  // namespace wab::session::testing
