// Proofs of sessions: made by the committer with every write, looked at before the first read.
#include <rocksdb/write_batch.h>

#include "storage/base/log.h"
#include "storage/kill_point.h"
#include "storage/rocks_impl.h"
#include "storage/seal.h"

namespace wab::storage {
namespace {

constexpr const char* kWrong =
    "a record was rolled back to an older version, removed or added behind the store's back";

// As the value claims; a false claim does not open later, and does not add up now.
std::optional<uint64_t> version_of(ByteView value) {
  const auto header = peek(value);
  if (!header) return std::nullopt;
  return header->record_version;
}

}  // namespace

Result<SessionProof> RocksStore::Impl::read_proof(const OrgKeys& keys, const SessionKey& session,
                                                  const RocksDatabase::Moment& at) {
  const Bytes key = SessionProof::row_key(session.first, session.second);
  TRY(const auto value, db->get(Column::rows, key, at));
  if (!value) return SessionProof();
  TRY(const Bytes opened,
      open_value(keys, Column::rows, session.first, session.second, key, *value));
  auto proof = SessionProof::decode(opened);
  if (!proof) return distrust(session.first, session.second, Column::rows, "proof encoding");
  return std::move(*proof);
}

Result<void> RocksStore::Impl::prove_kind(const OrgKeys& keys, const Scope& scope, uint8_t kind) {
  if (scope.session().is_nil() || !SessionProof::covers(kind)) return ok();
  const SessionKey session{scope.org(), scope.session()};
  const uint64_t bit = uint64_t{1} << kind;
  {
    const std::lock_guard guard(proven_mutex);
    const auto known = proven.find(session);
    if (known != proven.end() && (known->second & bit) != 0) return ok();
  }
  const auto at = db->now();
  TRY(const SessionProof proof, read_proof(keys, session, at));
  SessionProof::Sum sum;
  const Bytes prefix = kind_prefix(scope, static_cast<Kind>(kind)), below = upper_bound(prefix);
  const auto add = [&](ByteView key, ByteView value) {
    if (const auto version = version_of(value)) sum.add(SessionProof::part(keys, key, *version));
    return true;
  };
  TRY_VOID(db->each(Column::rows, prefix, below, add, at));
  if (sum != proof.of(kind)) {
    return distrust(session.first, session.second, Column::rows, kWrong);
  }
  const std::lock_guard guard(proven_mutex);
  proven[session] |= bit;
  return ok();
}

Result<RocksStore::Impl::ProofChange> RocksStore::Impl::change_proof(
    const OrgKeys& keys, const SessionKey& session, const std::vector<RowChange>& rows) {
  ProofChange change;
  if (const auto here = unwritten.find(session); here != unwritten.end()) {
    change.proof = here->second.proof;
  } else if (const SessionProof* const known = proofs.find(session)) {
    change.proof = *known;
  } else {
    TRY(change.proof, read_proof(keys, session, nullptr));
  }
  const auto version_now = [&](ByteView key) -> Result<std::optional<uint64_t>> {
    for (auto each = change.versions.rbegin(); each != change.versions.rend(); ++each) {
      if (std::ranges::equal(each->first, key)) return each->second;
    }
    const auto here = versions_of_group.find(to_bytes(key));
    if (here != versions_of_group.end()) return here->second;
    TRY(const auto value, db->get(Column::rows, key));
    return value ? version_of(*value) : std::nullopt;
  };
  for (const RowChange& row : rows) {
    const auto kind = SessionProof::covers(row.key);
    if (!kind) continue;
    TRY(const auto was, version_now(row.key));
    if (was) change.proof.subtract(*kind, SessionProof::part(keys, row.key, *was));
    if (row.version) change.proof.add(*kind, SessionProof::part(keys, row.key, *row.version));
    change.versions.emplace_back(to_bytes(row.key), row.version);
  }
  return change;
}

void RocksStore::Impl::keep_proof(Keys keys, const SessionKey& session, ProofChange change) {
  if (change.versions.empty()) return;
  for (auto& [key, version] : change.versions) versions_of_group[std::move(key)] = version;
  unwritten[session] = Unwritten{std::move(keys), std::move(change.proof)};
}

bool RocksStore::Impl::put_proofs(rocksdb::WriteBatch& batch) {
  for (const auto& [session, each] : unwritten) {
    const Bytes key = SessionProof::row_key(session.first, session.second);
    const auto value = seal_value(*each.keys, Column::rows, session.first, session.second, key,
                                  each.proof.encode());
    if (!value) return false;
    batch.Put(db->column(Column::rows), slice(key), slice(*value));
  }
  return true;
}

void RocksStore::Impl::proofs_written() {
  for (auto& [session, each] : unwritten) proofs.put(session, std::move(each.proof), 1);
  unwritten.clear();
  versions_of_group.clear();
}

Result<void> RocksStore::Impl::prove_all() {
  if (keyring->proves_sessions()) return ok();
  TRY(const auto organizations, organizations_with_keys());
  uint64_t sessions = 0;
  for (const OrgId& org : organizations) {
    const auto keys = read_keys(org);
    if (!keys && !keys.error().is(StoreError::unsealed)) return fail(keys.error());
    if (!keys || !*keys) continue;  // nothing of it opens anyway
    rocksdb::WriteBatch batch;
    std::optional<SessionId> current;
    SessionProof proof;
    bool good = true;
    const auto finish = [&] {
      if (!current) return;
      const Bytes key = SessionProof::row_key(org, *current);
      const auto value = seal_value(**keys, Column::rows, org, *current, key, proof.encode());
      good = good && value;
      if (good) batch.Put(db->column(Column::rows), slice(key), slice(*value));
      ++sessions;
      proof = SessionProof();
      current.reset();
    };
    const Bytes prefix = org_prefix(org), below = upper_bound(prefix);
    TRY_VOID(db->each(Column::rows, prefix, below, [&](ByteView key, ByteView value) {
      const auto kind = SessionProof::covers(key);
      const auto session = session_of(Column::rows, key);
      if (!kind || !session || session->is_nil()) return true;
      if (current && *current != *session) finish();
      current = session;
      if (const auto version = version_of(value)) {
        proof.add(*kind, SessionProof::part(**keys, key, *version));
      }
      return true;
    }));
    finish();
    if (!good) return fail(StoreError::io, "proof");
    if (batch.Count() > 0 && !db->write(batch, true).ok()) return fail(StoreError::io, "proofs");
    kill_point("sessions of an organization are proven");
  }
  TRY_VOID(keyring->begin_proofs());
  kill_point("proofs are demanded");
  TRY_VOID(db->note_generation(keyring->generation()));
  log_info("store.sessions_proven", {{"sessions", static_cast<int64_t>(sessions)}});
  return ok();
}

}  // namespace wab::storage
