#include "storage/session_proof.h"

#include <algorithm>

#include "storage/org_keys.h"
#include "storage/records.h"

namespace wab::storage {
namespace {

constexpr uint8_t kFirst = static_cast<uint8_t>(Kind::identity);
constexpr uint8_t kLast = static_cast<uint8_t>(Kind::group);
constexpr uint8_t kProof = 0xff;  // the kind of the proof's own row
constexpr size_t kRowKey = 49, kKindAt = 32, kEntry = 17, kMostEntries = 64;

}  // namespace

void SessionProof::Sum::add(const Sum& other) {
  const uint64_t before = low;
  low += other.low;
  high += other.high + (low < before ? 1 : 0);
}

void SessionProof::Sum::subtract(const Sum& other) {
  const uint64_t before = low;
  low -= other.low;
  high -= other.high + (low > before ? 1 : 0);
}

bool SessionProof::covers(uint8_t kind) { return kind >= kFirst && kind <= kLast; }

std::optional<uint8_t> SessionProof::covers(ByteView row_key) {
  if (row_key.size() != kRowKey || !covers(row_key[kKindAt])) return std::nullopt;
  return row_key[kKindAt];
}

SessionProof::Sum SessionProof::part(const OrgKeys& keys, ByteView row_key,
                                     uint64_t record_version) {
  const auto out = keys.proof(row_key, record_version);
  return {read_be64(out), read_be64(ByteView(out).subspan(8))};
}

Bytes SessionProof::row_key(const OrgId& org, const SessionId& session) {
  Bytes key = concat({org.bytes(), session.bytes()});
  key.push_back(kProof);
  key.resize(kRowKey);
  return key;
}

SessionProof::Entry& SessionProof::entry(uint8_t kind) {
  const auto at = std::ranges::lower_bound(entries_, kind, {}, &Entry::kind);
  if (at != entries_.end() && at->kind == kind) return *at;
  return *entries_.insert(at, Entry{kind, {}});
}

SessionProof::Sum SessionProof::of(uint8_t kind) const {
  const auto at = std::ranges::lower_bound(entries_, kind, {}, &Entry::kind);
  return at != entries_.end() && at->kind == kind ? at->sum : Sum{};
}

void SessionProof::add(uint8_t kind, const Sum& part) { entry(kind).sum.add(part); }
void SessionProof::subtract(uint8_t kind, const Sum& part) { entry(kind).sum.subtract(part); }

Bytes SessionProof::encode() const {
  Bytes out;
  out.reserve(entries_.size() * kEntry);
  for (const Entry& each : entries_) {
    out.push_back(each.kind);
    put_be64(out, each.sum.high);
    put_be64(out, each.sum.low);
  }
  return out;
}

std::optional<SessionProof> SessionProof::decode(ByteView plaintext) {
  if (plaintext.size() % kEntry != 0 || plaintext.size() > kMostEntries * kEntry) {
    return std::nullopt;
  }
  SessionProof proof;
  for (; !plaintext.empty(); plaintext = plaintext.subspan(kEntry)) {
    const Entry next{plaintext[0],
                     {read_be64(plaintext.subspan(1)), read_be64(plaintext.subspan(9))}};
    if (!proof.entries_.empty() && proof.entries_.back().kind >= next.kind) return std::nullopt;
    proof.entries_.push_back(next);
  }
  return proof;
}

}  // namespace wab::storage
