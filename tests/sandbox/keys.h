// The public keys that a device keeps on the server, and what is computed from them. Pure.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "session/node/node.h"
#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "tests/sandbox/port.h"

namespace wab::sandbox {

struct OneTimeKey {
  uint32_t id = 0;
  Bytes value;
};

struct SignedKey {
  uint32_t id = 0;
  Bytes value;
  Bytes signature;
};

struct KeyBundle {
  uint32_t registration_id = 0;
  Bytes identity;  // 32 bytes
  SignedKey signed_key;
  std::set<uint32_t> signed_ids;       // every signed prekey id it ever declared
  std::deque<OneTimeKey> one_time;     // not handed out yet
  std::set<uint32_t> uploaded_ids;     // every id it ever offered
  std::set<uint32_t> handed_out;       // ids in somebody's hands
  std::map<uint32_t, Bytes> consumed;  // id that a pkmsg has named -> base key of its session
  bool uploaded = false;
  bool told_low = false;
};

std::optional<uint32_t> read_id(ByteView three_bytes);  // 1..2^24-1
Bytes write_id(uint32_t id);

// <skey>; nothing when a length is wrong.
std::optional<SignedKey> read_signed_key(const node::Node& skey);
// XEdDSA over 05 and the key.
bool signed_key_verifies(const SignedKey& key, ByteView identity);

node::Node skey_node(const SignedKey& key);
node::Node key_node(const OneTimeKey& key);
node::Node bytes_node(std::string tag, ByteView content);

// SHA-1 over identity, signed prekey, its signature and every one-time key (dossier 1
// section 10.3).
Bytes bundle_digest(const KeyBundle& keys);

// "2:" and 8 characters (dossier 2 section 4.4).
std::string participant_hash(const std::vector<node::Jid>& devices);

// ADVSignedKeyIndexList of an account whose companions have these indexes (dossier 2 section 4.5).
Bytes signed_key_index_list(const Account& account, const std::vector<uint32_t>& valid,
                            UnixSeconds at, Random& random);

// True when the blob is an ADVSignedDeviceIdentity for `identity` under the account's key.
bool device_identity_verifies(ByteView blob, ByteView identity, const Key32& account_key);

}  // namespace wab::sandbox
