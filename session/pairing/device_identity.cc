#include "session/pairing/device_identity.h"

#include <algorithm>

#include "session/proto/adv.pb.h"

namespace wab::session {
namespace {

constexpr size_t kMaxBlob = 64 * 1024;

const char* name(int code) {
  switch (static_cast<AdvError>(code)) {
    case AdvError::malformed:
      return "malformed";
    case AdvError::account_key:
      return "account_key";
    case AdvError::account_signature:
      return "account_signature";
    case AdvError::device_signature:
      return "device_signature";
  }
  return "unknown";
}
constexpr ErrorDomain kDomain{"adv", name};

bool parse(google::protobuf::MessageLite& into, ByteView bytes) {
  return bytes.size() <= kMaxBlob &&
         into.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// What a key index list is signed with (WhatsApp encryption overview, "ListSignature").
constexpr ByteArray<2> kKeyIndexPrefix = {6, 2};

}  // namespace

const ErrorDomain& error_domain(AdvError) { return kDomain; }

Bytes account_signed_data(AdvFamily family, ByteView details, const Key32& device_identity) {
  const ByteArray<2> prefix = {6, static_cast<uint8_t>(family == AdvFamily::hosted ? 5 : 0)};
  return concat({prefix, details, device_identity});
}

Bytes device_signed_data(AdvFamily family, ByteView details, const Key32& device_identity,
                         const Key32& account_key) {
  const ByteArray<2> prefix = {6, static_cast<uint8_t>(family == AdvFamily::hosted ? 6 : 1)};
  return concat({prefix, details, device_identity, account_key});
}

bool verify_account_signature(AdvFamily family, ByteView details, const Key32& device_identity,
                              const Key32& account_key, ByteView signature) {
  return signature.size() == 64 &&
         signal::verify(account_key, account_signed_data(family, details, device_identity),
                        signature);
}

bool verify_device_signature(AdvFamily family, ByteView details, const Key32& device_identity,
                             const Key32& account_key, ByteView signature) {
  return signature.size() == 64 &&
         signal::verify(device_identity,
                        device_signed_data(family, details, device_identity, account_key),
                        signature);
}

std::optional<DeviceDetails> parse_device_details(ByteView details) {
  pb::ADVDeviceIdentity identity;
  if (!parse(identity, details)) return std::nullopt;
  DeviceDetails out;
  out.raw_id = identity.raw_id();
  out.timestamp = identity.timestamp();
  if (identity.has_key_index()) out.key_index = identity.key_index();
  out.hosted = identity.device_type() == pb::HOSTED;
  return out;
}

PeerVerdict check_peer_device(ByteView blob, const Key32& device_identity,
                              const std::optional<Key32>& primary_identity) {
  pb::ADVSignedDeviceIdentity identity;
  if (!parse(identity, blob)) return PeerVerdict::invalid;
  std::optional<Key32> account_key = primary_identity;
  if (!identity.account_signature_key().empty()) {
    account_key = to_array<32>(view(identity.account_signature_key()));
    if (!account_key) return PeerVerdict::invalid;
  }
  if (!account_key) return PeerVerdict::unknown_account;
  const ByteView details = view(identity.details());
  for (const AdvFamily family : {AdvFamily::e2ee, AdvFamily::hosted}) {
    if (verify_account_signature(family, details, device_identity, *account_key,
                                 view(identity.account_signature())) &&
        verify_device_signature(family, details, device_identity, *account_key,
                                view(identity.device_signature()))) {
      return PeerVerdict::valid;
    }
  }
  return PeerVerdict::invalid;
}

bool KeyIndexList::keeps(uint16_t device, std::optional<uint32_t> key_index) const {
  if (device == 0) return true;
  if (!key_index) return false;
  return *key_index > current_index ||
         std::find(valid_indexes.begin(), valid_indexes.end(), *key_index) != valid_indexes.end();
}

std::optional<SignedKeyIndexList> parse_key_index_list(ByteView signed_list,
                                                       const std::optional<Key32>& account_key) {
  pb::ADVSignedKeyIndexList container;
  pb::ADVKeyIndexList list;
  if (!parse(container, signed_list) || !container.has_details() ||
      !parse(list, view(container.details()))) {
    return std::nullopt;
  }
  SignedKeyIndexList out;
  out.list.raw_id = list.raw_id();
  out.list.timestamp = list.timestamp();
  out.list.current_index = list.current_index();
  out.list.valid_indexes.assign(list.valid_indexes().begin(), list.valid_indexes().end());
  const auto key =
      account_key ? account_key : to_array<32>(view(container.account_signature_key()));
  if (key) {
    out.signature_valid = container.account_signature().size() == 64 &&
                          signal::verify(*key, concat({kKeyIndexPrefix, view(container.details())}),
                                         view(container.account_signature()));
  }
  return out;
}

bool keeps_device(const std::optional<KeyIndexList>& list, uint16_t device,
                  std::optional<uint32_t> key_index) {
  return list ? list->keeps(device, key_index) : device == 0;
}

std::optional<Bytes> own_device_identity(ByteView account, bool with_account_key) {
  pb::ADVSignedDeviceIdentity identity;
  if (!parse(identity, account) || identity.details().empty()) return std::nullopt;
  if (!with_account_key) identity.clear_account_signature_key();
  return to_bytes(identity.SerializeAsString());
}

}  // namespace wab::session
