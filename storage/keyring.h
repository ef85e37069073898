// The keys that open everything else, and the files they live in.
//
//   root key R            from outside (root_key.h), gone from memory after open()
//   keyring               DIR/keyring: deployment id, id key, key terms (KEK); sealed under R
//   half key H(o)         DIR/keystore/<org id>: random, sealed under a KEK; never in the database
//   wrap key W(o,t)       HKDF-SHA256(KEK_t, salt H(o), "wrap|org|term")
//   data key D(o,v)       random, wrapped AES-256-KWP under W; the wrapped form is a database row
//
// Destroying H(o) makes every copy of every D(o,v) useless, in backups too. The id key never
// changes: event ids and key hashes derive from it. The generation grows with each rewrite, so that
// an old keyring put back in place is noticed (the store remembers the highest it has seen).
//
// Rotation (README, "Rotation") rewrites the keyring: under another root key, with a further term,
// or without the terms that nothing names any more. The file that stood there is overwritten.
//
// Blocking. Any thread; rotations one at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/base/secret.h"

namespace wab::storage {

// Argon2id for passphrase:. Stored in the keyring; these are used when it is made.
struct PassphraseCost {
  uint32_t passes = 3;
  uint32_t memory_kib = 256 * 1024;
};

struct KeyringOptions {
  std::string directory;
  std::string root_key;  // a root key source, see root_key.h
  PassphraseCost passphrase_cost;
  std::chrono::milliseconds exec_limit{10'000};
  Random* random = nullptr;  // system_random() when null
  // Instead of reading the source: what it would have given (the service was unsealed with it).
  std::shared_ptr<const LockedSecret> given;
};

class Keyring {
 public:
  // Makes a new keyring only when there is none and `may_create`. A wrong root key, a missing or
  // damaged keyring is StoreError::root_key or ::corrupt with a sentence in `message`; nothing is
  // changed on disk.
  static Result<std::unique_ptr<Keyring>> open(const KeyringOptions& options, bool may_create,
                                               std::string& message);

  const ByteArray<16>& deployment() const { return deployment_; }
  uint64_t generation() const;
  uint32_t current_term() const;
  std::vector<uint32_t> terms() const;  // more than one while a rotation is not finished
  // A sentence for the log when the root key lies beside the data it protects; else "".
  const std::string& warning() const { return warning_; }

  // BLAKE2b-256 under the id key: stable for the life of the deployment.
  ByteArray<32> keyed_hash(const OrgId& org, std::string_view purpose, ByteView data) const;

  // The root key is forgotten after opening; a rotation reads its source once more. StoreError::
  // root_key when that is not the key that the keyring is sealed under.
  Result<void> recall_root(const KeyringOptions& options, std::string& message);
  bool has_root() const { return root_ != nullptr; }
  void forget_root() { root_.reset(); }
  // Whether every session of this store has a proof (session_proof.h). It stands here because here
  // nobody can take it away. With the root key at hand: from now on.
  bool proves_sessions() const { return proves_sessions_; }
  Result<void> begin_proofs();
  // With the root key at hand. Seals the keyring under the root key of another source.
  Result<void> change_root(const KeyringOptions& to, std::string& message);
  // A new term, which everything is sealed and wrapped under from now on.
  Result<void> begin_term();
  // Forgets all terms but the current one; only when nothing names them.
  Result<void> drop_old_terms();

  bool has_half_keys() const;
  Result<std::vector<OrgId>> half_key_owners() const;
  // The term that a half key is sealed under; StoreError::not_found without one.
  Result<uint32_t> half_key_term(const OrgId& org) const;
  // Seals it under the current term if it is not; nothing when there is none.
  Result<void> renew_half_key(const OrgId& org);
  // StoreError::not_found when the organization has none; ::unsealed when it does not open.
  Result<SecretKey32> half_key(const OrgId& org) const;
  // The existing one, or a new one durable on return.
  Result<SecretKey32> make_half_key(const OrgId& org);
  Result<void> destroy_half_key(const OrgId& org);

  // The wrapped form names its term in front, so that earlier terms stay readable.
  Result<Bytes> wrap(const OrgId& org, const SecretKey32& half, const SecretKey32& data_key) const;
  Result<SecretKey32> unwrap(const OrgId& org, const SecretKey32& half, ByteView wrapped) const;

 private:
  struct Term {
    LockedSecret key;
    UnixMillis created;
  };
  using Terms = std::map<uint32_t, Term>;
  Keyring(std::string directory, Random& random)
      : directory_(std::move(directory)), random_(random) {}
  Result<Bytes> wrap_key(const OrgId& org, const SecretKey32& half, uint32_t term) const;
  std::string half_key_path(const OrgId& org) const;
  Result<Bytes> seal_half_key(const OrgId& org, const SecretKey32& half) const;
  Result<void> create(ByteView header);
  Result<void> unlock(ByteView file, std::string& message);
  // Writes the file with the next generation; `header` without one. Nothing changes in memory but
  // that number.
  Result<void> save(const LockedSecret& root, ByteView header, uint32_t current, bool all_terms);
  Bytes encode_body(uint32_t current, bool all_terms) const;
  bool decode_body(ByteView body);

  std::string directory_;
  Random& random_;
  ByteArray<16> deployment_{};
  Bytes header_;                     // of the file, with the parameters of a passphrase
  mutable std::shared_mutex mutex_;  // terms, current term, generation
  std::atomic<bool> proves_sessions_{false};
  uint64_t generation_ = 0;
  uint32_t current_term_ = 0;
  Terms terms_;
  mutable std::mutex files_;  // of half keys: one is never written after it was destroyed
  std::unique_ptr<LockedSecret> id_key_, root_;
  std::string warning_;
};

}  // namespace wab::storage
