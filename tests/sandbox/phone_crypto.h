// The Signal side of one virtual phone: its prekeys, its sessions with other devices and its sender
// keys, over session/signal (whose bytes are proven by vectors). Bundles and prekeys are read from
// and written to stanzas here (dossier 1 section 10, dossier 2 sections 5, 8.5).
//
// Owned by a Phone, used on the sandbox's thread. Everything is in memory: a phone never crashes.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "session/node/node.h"
#include "session/signal/ratchet.h"
#include "session/signal/sender_key.h"

namespace wab::sandbox {

// "123_1.2": name and device of a Signal address (dossier 2 section 1.11).
std::string signal_address(const node::Jid& device);

// The key material of <user> in a prekey answer or of <keys> in a retry receipt; fields may sit
// under a <keys> child. Nothing when a field is missing or has the wrong size. `registration_id` is
// taken from <registration>, or from `fallback` when that is elsewhere.
std::optional<signal::PreKeyBundle> read_bundle(const node::Node& keys, uint32_t fallback = 0);

class PhoneKeys {
 public:
  // `random` outlives this.
  PhoneKeys(const signal::KeyPair& identity, uint32_t registration_id, Random& random);

  const Key32& identity() const { return mine_.identity.pub; }
  const signal::KeyPair& identity_pair() const { return mine_.identity; }
  uint32_t registration_id() const { return mine_.registration_id; }

  // Children of the upload iq with `count` new one-time prekeys.
  node::Node::Children upload(size_t count);
  // <registration> and <keys> of a retry receipt with a prekey that never goes to the server.
  node::Node registration_node() const;
  node::Node retry_keys();

  // Pairwise. `address` as of signal_address(). Plaintexts are without padding.
  bool has_session(const std::string& address) const;
  uint32_t remote_registration(const std::string& address) const;
  std::optional<Key32> base_key(const std::string& address) const;
  std::optional<Key32> remote_identity(const std::string& address) const;
  Result<void> start(const std::string& address, const signal::PreKeyBundle& bundle);
  Result<signal::Encrypted> encrypt(const std::string& address, ByteView plaintext);
  struct Opened {
    Bytes padded;
    bool prekey = false;
    Key32 identity{};
  };
  Result<Opened> decrypt(const std::string& address, bool prekey, ByteView bytes);
  void archive(const std::string& address);
  void forget(const std::string& address);
  // Everything that was agreed with others is lost, as after a restored backup; identity and
  // prekeys stay. Returns the addresses of the sessions that are gone.
  std::vector<std::string> forget_all();
  // Sessions and sender keys under the phone number now belong to the LID of the same user.
  void move_user(const node::Jid& pn, const node::Jid& lid);

  // Groups. `group` is the group's jid.
  Result<Bytes> own_distribution(const std::string& group);  // makes a key when there is none
  Result<Bytes> group_encrypt(const std::string& group, ByteView plaintext);
  void rotate(const std::string& group);
  Result<void> learn(const std::string& group, const std::string& sender, ByteView distribution);
  Result<Bytes> group_decrypt(const std::string& group, const std::string& sender, ByteView bytes);
  bool knows_sender(const std::string& group, const std::string& sender) const;
  // Devices that hold our sender key of the group as it is now.
  std::set<std::string>& holders(const std::string& group) { return own_[group].holders; }

 private:
  struct OwnKey {
    signal::SenderKeyRecord record;
    std::set<std::string> holders;
  };
  uint32_t new_prekey();
  node::Node signed_prekey_node() const;

  signal::Identity mine_;
  Random& random_;
  uint32_t next_id_ = 1;
  signal::KeyPair signed_;
  ByteArray<64> signature_{};
  std::map<uint32_t, signal::KeyPair> prekeys_;
  std::map<std::string, signal::SessionRecord> sessions_;
  std::map<std::string, OwnKey> own_;
  std::map<std::string, signal::SenderKeyRecord> theirs_;  // "group sender"
};

}  // namespace wab::sandbox
