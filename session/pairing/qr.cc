#include "session/pairing/qr.h"

#include "session/proto/adv.pb.h"
#include "session/signal/kdf.h"

namespace wab::session {
namespace {

using node::Jid;
using node::Node;

constexpr auto kFirstRef = std::chrono::seconds(60);
constexpr auto kNextRef = std::chrono::seconds(20);
constexpr size_t kMaxRefs = 16;
constexpr size_t kMaxRef = 1024;
constexpr ByteArray<2> kHostedHmacPrefix = {6, 5};

const char* name(int code) {
  switch (static_cast<PairingError>(code)) {
    case PairingError::malformed:
      return "malformed";
    case PairingError::hmac:
      return "hmac";
    case PairingError::account_key:
      return "account_key";
    case PairingError::account_signature:
      return "account_signature";
    case PairingError::vetoed:
      return "vetoed";
  }
  return "unknown";
}
constexpr ErrorDomain kDomain{"pairing", name};

bool parse(google::protobuf::MessageLite& into, ByteView bytes) {
  return bytes.size() <= 65536 && into.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// The only child of an iq from the server itself, when it has that tag.
const Node* server_request(const Node& iq, std::string_view tag) {
  const auto from = iq.jid("from");
  if (iq.tag != "iq" || iq.attr("type") != "set" || !from || !from->is_server()) return nullptr;
  if (iq.children().size() != 1) return nullptr;
  return iq.child(tag);
}

Node reply_to(const Node& iq, const char* type) {
  Node reply("iq");
  reply.set("to", Jid::server_jid()).set("type", type).set("id", iq.attr("id"));
  return reply;
}

struct Refused {
  PairingError code;
  const char* where;
};

}  // namespace

const ErrorDomain& error_domain(PairingError) { return kDomain; }

char client_type_of(PlatformType platform) {
  switch (platform) {
    case PlatformType::chrome:
      return '1';
    case PlatformType::edge:
      return '2';
    case PlatformType::firefox:
      return '3';
    case PlatformType::ie:
      return '4';
    case PlatformType::opera:
      return '5';
    case PlatformType::safari:
      return '6';
    case PlatformType::desktop:
      return '7';
    case PlatformType::uwp:
      return '8';
    case PlatformType::unknown:
    case PlatformType::android_phone:
      break;
  }
  return '9';
}

std::string qr_payload(std::string_view ref, const Key32& noise_pub, const Key32& identity_pub,
                       const SecretKey32& adv_secret, char client_type) {
  std::string out = "https://wa.me/settings/linked_devices#";
  out.append(ref);
  for (const ByteView key : {ByteView(noise_pub), ByteView(identity_pub), adv_secret.reveal()}) {
    out.append(",").append(to_base64(key));
  }
  out.append(",").push_back(client_type);
  return out;
}

std::optional<PairDevice> parse_pair_device(const Node& iq) {
  const Node* pair = server_request(iq, "pair-device");
  if (pair == nullptr) return std::nullopt;
  PairDevice out;
  for (const Node* ref : pair->all("ref")) {
    const std::string text = ref->content_text();
    // A comma would shift the parts of the code.
    if (text.empty() || text.size() > kMaxRef || text.find(',') != std::string::npos) continue;
    if (out.refs.size() < kMaxRefs) out.refs.push_back(text);
  }
  if (out.refs.empty()) return std::nullopt;
  out.reply = reply_to(iq, "result");
  return out;
}

RefRotation::RefRotation(std::vector<std::string> refs, SteadyTime now)
    : refs_(std::move(refs)), expires_(now + kFirstRef) {}

bool RefRotation::advance(SteadyTime now) {
  const size_t before = index_;
  while (!exhausted() && now >= expires_) {
    ++index_;
    if (!exhausted()) expires_ += kNextRef;
  }
  return index_ != before;
}

bool is_pair_success(const Node& iq) { return server_request(iq, "pair-success") != nullptr; }

PairRefusal refuse_pairing(const Node& iq, PairingError error) {
  const char* code = "401";
  const char* text = "internal-error";
  switch (error) {
    case PairingError::hmac:
      text = "hmac-mismatch";
      break;
    case PairingError::account_key:
      text = "invalid-key";
      break;
    case PairingError::account_signature:
      text = "signature-mismatch";
      break;
    case PairingError::malformed:
    case PairingError::vetoed:
      code = "500";
      break;
  }
  Node reply = reply_to(iq, "error");
  reply.add(Node("error").set("code", code).set("text", text));
  return {Error(error, "pair-success"), std::move(reply)};
}

namespace {

// The cryptographic half: container, HMAC, account signature, our signature.
std::optional<Refused> check_account(ByteView content, const PairingSecrets& secrets,
                                     Random& random, PairSuccess& out, Bytes& reply) {
  pb::ADVSignedDeviceIdentityHMAC container;
  if (!parse(container, content) || container.details().empty()) {
    return Refused{PairingError::malformed, "ADVSignedDeviceIdentityHMAC"};
  }
  const ByteView prefix =
      container.account_type() == pb::HOSTED ? ByteView(kHostedHmacPrefix) : ByteView();
  const auto mac =
      signal::hmac_sha256_parts(secrets.adv_secret.reveal(), {prefix, view(container.details())});
  if (!equal_constant_time(mac, view(container.hmac()))) {
    return Refused{PairingError::hmac, "hmac"};
  }
  pb::ADVSignedDeviceIdentity identity;
  if (!parse(identity, view(container.details()))) {
    return Refused{PairingError::malformed, "ADVSignedDeviceIdentity"};
  }
  const auto details = parse_device_details(view(identity.details()));
  if (!details || !details->key_index) {
    return Refused{PairingError::malformed, "ADVDeviceIdentity"};
  }
  const auto account_key = to_array<32>(view(identity.account_signature_key()));
  if (!account_key) return Refused{PairingError::account_key, "accountSignatureKey"};
  const AdvFamily family = details->hosted ? AdvFamily::hosted : AdvFamily::e2ee;
  if (!verify_account_signature(family, view(identity.details()), secrets.identity.pub,
                                *account_key, view(identity.account_signature()))) {
    return Refused{PairingError::account_signature, "accountSignature"};
  }
  // Hosted accounts too: dossier 1 section 6.4 step 5.
  const auto signature = signal::sign(secrets.identity.priv,
                                      device_signed_data(AdvFamily::e2ee, view(identity.details()),
                                                         secrets.identity.pub, *account_key),
                                      random);
  identity.set_device_signature(to_string(signature));
  out.account = to_bytes(identity.SerializeAsString());
  out.primary_identity = *account_key;
  out.key_index = *details->key_index;
  identity.clear_account_signature_key();
  reply = to_bytes(identity.SerializeAsString());
  return std::nullopt;
}

}  // namespace

PairOutcome verify_pair_success(const Node& iq, const PairingSecrets& secrets, Random& random) {
  const auto refuse = [&iq](PairingError code, const char* where) {
    PairRefusal out = refuse_pairing(iq, code);
    out.error = Error(code, where);
    return tl::unexpected<PairRefusal>(std::move(out));
  };
  const Node* success = server_request(iq, "pair-success");
  if (success == nullptr) return refuse(PairingError::malformed, "pair-success");
  const Node* identity = success->child("device-identity");
  if (identity == nullptr) return refuse(PairingError::malformed, "device-identity");

  PairSuccess out;
  Bytes signed_identity;
  if (const auto refused =
          check_account(identity->content_bytes(), secrets, random, out, signed_identity)) {
    return refuse(refused->code, refused->where);
  }
  const Node* device = success->child("device");
  const auto pn = device != nullptr ? device->jid("jid") : std::nullopt;
  const auto lid = device != nullptr ? device->jid("lid") : std::nullopt;
  if (!pn || !(pn->is_pn() || pn->server == node::kHostedServer) || pn->device == 0) {
    return refuse(PairingError::malformed, "device jid");
  }
  if (!lid || !(lid->is_lid() || lid->server == node::kHostedLidServer) || lid->user.empty()) {
    return refuse(PairingError::malformed, "device lid");
  }
  out.pn = *pn;
  out.lid = *lid;
  if (const Node* platform = success->child("platform")) out.platform = platform->attr("name");
  out.business_app = out.platform == "smba" || out.platform == "smbi";
  if (const Node* biz = success->child("biz")) out.business_name = biz->attr("name");
  if (const Node* props = success->child("client-props")) {
    pb::ClientPairingProps parsed;
    if (parse(parsed, props->content_bytes()) && parsed.has_is_chat_db_lid_migrated()) {
      out.lid_migrated = parsed.is_chat_db_lid_migrated();
    }
  }
  constexpr uint64_t kFarthest = 1ull << 40;
  if (const auto t = iq.number("t"); t && *t < kFarthest) {
    out.server_time = static_cast<UnixSeconds>(*t);
  }
  out.reply = reply_to(iq, "result");
  Node sign("pair-device-sign");
  sign.add(Node("device-identity")
               .set("key-index", static_cast<uint64_t>(out.key_index))
               .bytes(std::move(signed_identity)));
  out.reply.add(std::move(sign));
  return out;
}

}  // namespace wab::session
