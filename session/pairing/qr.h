// Linking by QR code: refs and their rotation, the code's text, and pair-success, which is the same
// for every way of linking (dossier 1 section 6). Pure: stanzas in, stanzas out, time as argument.
#pragma once

#include <string>
#include <vector>

#include "session/client_payload.h"
#include "session/node/node.h"
#include "session/pairing/device_identity.h"

namespace wab::session {

enum class PairingError {
  malformed = 1,  // pair-success lacks something or does not parse
  hmac,
  account_key,
  account_signature,
  vetoed,  // verified, but this process does not want it (limits, wrong account)
};
const ErrorDomain& error_domain(PairingError);

// The letter that stands for the platform in QR codes and companion_hello (section 6.2).
char client_type_of(PlatformType platform);

// "https://wa.me/settings/linked_devices#ref,noise,identity,adv,type". Contains the adv secret:
// make that durable first, show the text to the tenant only.
std::string qr_payload(std::string_view ref, const Key32& noise_pub, const Key32& identity_pub,
                       const SecretKey32& adv_secret, char client_type);

struct PairDevice {
  std::vector<std::string> refs;  // at most 16
  node::Node reply;               // to be sent before anything else
};
// Nothing when this is not a well-formed pair-device from the server itself.
std::optional<PairDevice> parse_pair_device(const node::Node& iq);

// Which ref is on the screen: the first for 60 s, each further one for 20 s.
class RefRotation {
 public:
  RefRotation() = default;
  RefRotation(std::vector<std::string> refs, SteadyTime now);
  // Moves on as far as `now` says; true when the ref changed or ran out.
  bool advance(SteadyTime now);
  bool exhausted() const { return index_ >= refs_.size(); }
  const std::string* current() const { return exhausted() ? nullptr : &refs_[index_]; }
  SteadyTime expires() const { return expires_; }  // of the current ref

 private:
  std::vector<std::string> refs_;
  size_t index_ = 0;
  SteadyTime expires_{};
};

// What pair-success is checked against; the adv secret is whichever is current.
struct PairingSecrets {
  const signal::KeyPair& identity;
  const SecretKey32& adv_secret;
};

struct PairSuccess {
  Bytes account;  // ADVSignedDeviceIdentity with account key and device signature: store it
  Key32 primary_identity{};  // Signal identity of LID device 0, to be trusted
  uint32_t key_index = 0;
  node::Jid pn;               // own, with device
  node::Jid lid;              // own, with device
  std::string platform;       // "android", "smbi", ...
  bool business_app = false;  // platform smba or smbi
  std::string business_name;
  std::optional<bool> lid_migrated;  // client-props; true is sticky, absence changes nothing
  std::optional<UnixSeconds> server_time;
  node::Node reply;  // pair-device-sign: send after the above is durable, then expect 515
};
struct PairRefusal {
  Error error;
  node::Node reply;  // send, then close; nothing is stored as paired
};
using PairOutcome = tl::expected<PairSuccess, PairRefusal>;
// `iq` carries pair-success (is_pair_success). Signs with `random`.
PairOutcome verify_pair_success(const node::Node& iq, const PairingSecrets& secrets,
                                Random& random);
bool is_pair_success(const node::Node& iq);
// The refusal for a reason of our own, after a verified pair-success.
PairRefusal refuse_pairing(const node::Node& iq, PairingError error);

}  // namespace wab::session
