#include "storage/org_keys.h"

#include <sodium.h>

namespace wab::storage {
namespace {

void derive(ByteView key, std::string_view purpose, uint8_t column, MutableBytes out) {
  Bytes info = to_bytes(purpose);
  info.push_back(column);
  crypto_generichash(out.data(), out.size(), info.data(), info.size(), key.data(), key.size());
}

ByteArray<16> keyed(ByteView key, uint8_t column, ByteView first, ByteView second) {
  ByteArray<16> out;
  crypto_generichash_state state;
  crypto_generichash_init(&state, key.data(), key.size(), out.size());
  crypto_generichash_update(&state, &column, 1);
  const auto size = be32(static_cast<uint32_t>(first.size()));
  crypto_generichash_update(&state, size.data(), size.size());
  crypto_generichash_update(&state, first.data(), first.size());
  crypto_generichash_update(&state, second.data(), second.size());
  crypto_generichash_final(&state, out.data(), out.size());
  sodium_memzero(&state, sizeof state);
  return out;
}

}  // namespace

OrgKeys::OrgKeys(SecretKey32 index, const std::vector<DataKey>& data_keys)
    : keys_(kVersionsAt + data_keys.size() * kSealedColumns * 32) {
  const ByteView given = index.reveal();
  std::copy(given.begin(), given.end(), keys_.fill().begin());
  derive(given, "mac", 0, keys_.fill().subspan(kMacAt, 32));
  derive(given, "proof", 0, keys_.fill().subspan(kProofAt, 32));
  versions_.reserve(data_keys.size());
  size_t at = kVersionsAt;
  for (const DataKey& data_key : data_keys) {
    versions_.push_back(data_key.version);
    for (uint8_t column = 1; column <= kSealedColumns; ++column, at += 32) {
      derive(data_key.key.reveal(), "seal", column, keys_.fill().subspan(at, 32));
    }
  }
}

ByteView OrgKeys::column_key(Column column, uint32_t version) const {
  const size_t of_column = static_cast<size_t>(column) - 1;
  if (of_column >= kSealedColumns) return {};
  for (size_t i = versions_.size(); i-- > 0;) {
    if (versions_[i] != version) continue;
    return keys_.reveal().subspan(kVersionsAt + (i * kSealedColumns + of_column) * 32, 32);
  }
  return {};
}

ByteArray<16> OrgKeys::blind(Column column, ByteView session, uint8_t kind,
                             std::string_view name) const {
  ByteArray<17> place;
  std::copy(session.begin(), session.end(), place.begin());
  place[16] = kind;
  return keyed(index(), static_cast<uint8_t>(column), place, view(name));
}

ByteArray<16> OrgKeys::proof(ByteView row_key, uint64_t record_version) const {
  const auto version = be64(record_version);
  return keyed(keys_.reveal().subspan(kProofAt, 32), static_cast<uint8_t>(Column::rows), row_key,
               version);
}

ByteArray<16> OrgKeys::mac(Column column, ByteView key, ByteView value) const {
  return keyed(mac_key(), static_cast<uint8_t>(column), key, value);
}

std::shared_ptr<const OrgKeys> OrgKeyCache::find(const OrgId& org) {
  const std::lock_guard lock(mutex_);
  const auto* const found = entries_.find(org);
  return found == nullptr ? nullptr : *found;
}

uint64_t OrgKeyCache::epoch() const {
  const std::lock_guard lock(mutex_);
  return epoch_;
}

void OrgKeyCache::put(const OrgId& org, std::shared_ptr<const OrgKeys> keys, uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (epoch == epoch_) entries_.put(org, std::move(keys), 1);
}

void OrgKeyCache::replace(const OrgId& org, std::shared_ptr<const OrgKeys> keys) {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  entries_.put(org, std::move(keys), 1);
}

void OrgKeyCache::forget(const OrgId& org) {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  entries_.erase(org);
}

size_t OrgKeyCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace wab::storage
