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
// Blocking; immutable after open() except for the files of half keys. Any thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

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
};

class Keyring {
 public:
  // Makes a new keyring only when there is none and `may_create`. A wrong root key, a missing or
  // damaged keyring is StoreError::root_key or ::corrupt with a sentence in `message`; nothing is
  // changed on disk.
  static Result<std::unique_ptr<Keyring>> open(const KeyringOptions& options, bool may_create,
                                               std::string& message);

  const ByteArray<16>& deployment() const { return deployment_; }
  uint64_t generation() const { return generation_; }
  uint32_t current_term() const { return current_term_; }
  // A sentence for the log when the root key lies beside the data it protects; else "".
  const std::string& warning() const { return warning_; }

  // BLAKE2b-256 under the id key: stable for the life of the deployment.
  ByteArray<32> keyed_hash(const OrgId& org, std::string_view purpose, ByteView data) const;

  bool has_half_keys() const;
  // StoreError::not_found when the organization has none; ::unsealed when it does not open.
  Result<SecretKey32> half_key(const OrgId& org) const;
  // The existing one, or a new one durable on return.
  Result<SecretKey32> make_half_key(const OrgId& org);
  Result<void> destroy_half_key(const OrgId& org);

  // The wrapped form names its term, so that earlier terms stay readable.
  Result<Bytes> wrap(const OrgId& org, const SecretKey32& half, const SecretKey32& data_key) const;
  Result<SecretKey32> unwrap(const OrgId& org, const SecretKey32& half, ByteView wrapped) const;

 private:
  struct Term {
    LockedSecret key;
    UnixMillis created;
  };
  Keyring(std::string directory, Random& random)
      : directory_(std::move(directory)), random_(random) {}
  Result<Bytes> wrap_key(const OrgId& org, const SecretKey32& half, uint32_t term) const;
  std::string half_key_path(const OrgId& org) const;
  Result<void> create(const LockedSecret& root, ByteView header);
  Result<void> unlock(const LockedSecret& root, ByteView file, std::string& message);
  Bytes encode_body() const;
  bool decode_body(ByteView body);

  std::string directory_;
  Random& random_;
  ByteArray<16> deployment_{};
  uint64_t generation_ = 0;
  uint32_t current_term_ = 0;
  std::map<uint32_t, Term> terms_;
  std::unique_ptr<LockedSecret> id_key_;
  std::string warning_;
};

}  // namespace wab::storage
