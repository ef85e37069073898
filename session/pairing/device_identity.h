// Account-signed device identities ("ADV"): who may act as a companion of an account, and which
// entries of a device list are valid (dossier 1 section 6.6, dossier 2 section 4.5). Pure.
#pragma once

#include <optional>
#include <vector>

#include "session/signal/curve.h"
#include "storage/base/result.h"

namespace wab::session {

enum class AdvError {
  malformed = 1,      // does not parse, or a field has the wrong size
  account_key,        // the account key is missing or not 32 bytes
  account_signature,  // does not verify
  device_signature,   // does not verify
};
const ErrorDomain& error_domain(AdvError);

// The two families of signature prefixes: normal accounts and hosted ones.
enum class AdvFamily { e2ee, hosted };

// prefix | details | device identity key: what the account (the phone) signs.
Bytes account_signed_data(AdvFamily family, ByteView details, const Key32& device_identity);
// prefix | details | device identity key | account key: what the device signs.
Bytes device_signed_data(AdvFamily family, ByteView details, const Key32& device_identity,
                         const Key32& account_key);
bool verify_account_signature(AdvFamily family, ByteView details, const Key32& device_identity,
                              const Key32& account_key, ByteView signature);
bool verify_device_signature(AdvFamily family, ByteView details, const Key32& device_identity,
                             const Key32& account_key, ByteView signature);

// ADVDeviceIdentity.
struct DeviceDetails {
  uint32_t raw_id = 0;
  uint64_t timestamp = 0;
  std::optional<uint32_t> key_index;
  bool hosted = false;  // deviceType
};
std::optional<DeviceDetails> parse_device_details(ByteView details);

// Whether another user's companion belongs to that account: `blob` is the <device-identity> that
// came with its bundle, retry keys or pkmsg; `device_identity` its Signal identity key.
// `primary_identity` is the stored identity of that user's device 0, used when the blob leaves the
// account key out (usual for contacts).
enum class PeerVerdict {
  valid,
  unknown_account,  // no account key anywhere: log and go on
  invalid,          // reject the bundle or message
};
PeerVerdict check_peer_device(ByteView blob, const Key32& device_identity,
                              const std::optional<Key32>& primary_identity);

// ADVKeyIndexList of a device list.
struct KeyIndexList {
  uint32_t raw_id = 0;
  uint64_t timestamp = 0;
  uint32_t current_index = 0;
  std::vector<uint32_t> valid_indexes;

  // Device 0 always; a companion without an index never.
  bool keeps(uint16_t device, std::optional<uint32_t> key_index) const;
};
struct SignedKeyIndexList {
  KeyIndexList list;
  // Best effort: nothing when no account key was at hand to check with.
  std::optional<bool> signature_valid;
};
// `account_key` is the stored identity of device 0; the blob's own key is used without it.
std::optional<SignedKeyIndexList> parse_key_index_list(ByteView signed_list,
                                                       const std::optional<Key32>& account_key);
// Without a list only the primary stays.
bool keeps_device(const std::optional<KeyIndexList>& list, uint16_t device,
                  std::optional<uint32_t> key_index);

// Content of our own <device-identity> from the stored account blob (PairSuccess::account):
// messages and retry receipts carry the account key, pair-device-sign must not.
std::optional<Bytes> own_device_identity(ByteView account, bool with_account_key);

}  // namespace wab::session
