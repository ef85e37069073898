// What a session's state rows must be: a keyed sum over (row key, record version), one per kind.
//
// Sealed beside the rows and rewritten by every commit that touches one of them, so that a single
// record that was put back to an older version, removed or added is noticed when its kind is first
// read after opening (README, "Rollback"). The sum is addition modulo 2^128 of a pseudorandom
// function whose outputs nobody outside sees: which other set has the same sum cannot be told.
//
// Covered are the kinds that decide what keys are used and who may read: identity to group
// (records.h, 32 to 41). The others expire by themselves and roll back to nothing of worth.
//
// Pure.
#pragma once

#include <optional>
#include <vector>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"

namespace wab::storage {

class OrgKeys;

class SessionProof {
 public:
  // A number that adds up; two's complement, so that taking away is adding the opposite.
  struct Sum {
    uint64_t high = 0, low = 0;
    bool operator==(const Sum&) const = default;
    void add(const Sum& other);
    void subtract(const Sum& other);
  };

  // The kind of a row of a session that is covered, else nothing.
  static std::optional<uint8_t> covers(ByteView row_key);
  static bool covers(uint8_t kind);
  // One row's part.
  static Sum part(const OrgKeys& keys, ByteView row_key, uint64_t record_version);
  // Where a session's proof stands among its rows.
  static Bytes row_key(const OrgId& org, const SessionId& session);

  Sum of(uint8_t kind) const;
  void add(uint8_t kind, const Sum& part);
  void subtract(uint8_t kind, const Sum& part);

  Bytes encode() const;
  static std::optional<SessionProof> decode(ByteView plaintext);

 private:
  struct Entry {
    uint8_t kind;
    Sum sum;
  };
  Entry& entry(uint8_t kind);
  std::vector<Entry> entries_;  // ascending kinds
};

}  // namespace wab::storage
