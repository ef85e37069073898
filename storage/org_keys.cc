#include "storage/org_keys.h"

#include <sodium.h>

namespace wab::storage {
namespace {

SecretKey32 derive(ByteView key, std::string_view purpose, uint8_t column) {
  Bytes info = to_bytes(purpose);
  info.push_back(column);
  SecretKey32 out;
  crypto_generichash(out.fill().data(), 32, info.data(), info.size(), key.data(), key.size());
  return out;
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
    : index_(std::move(index)), mac_(derive(index_.reveal(), "mac", 0)) {
  versions_.reserve(data_keys.size());
  for (const DataKey& data_key : data_keys) {
    Version& version = versions_.emplace_back();
    version.version = data_key.version;
    for (uint8_t column = 1; column <= kSealedColumns; ++column) {
      version.columns[column - 1] = derive(data_key.key.reveal(), "seal", column);
    }
  }
}

ByteView OrgKeys::column_key(Column column, uint32_t version) const {
  const size_t at = static_cast<size_t>(column) - 1;
  if (at >= kSealedColumns) return {};
  for (auto known = versions_.rbegin(); known != versions_.rend(); ++known) {
    if (known->version == version) return known->columns[at].reveal();
  }
  return {};
}

ByteArray<16> OrgKeys::blind(Column column, ByteView session, uint8_t kind,
                             std::string_view name) const {
  ByteArray<17> place;
  std::copy(session.begin(), session.end(), place.begin());
  place[16] = kind;
  return keyed(index_.reveal(), static_cast<uint8_t>(column), place, view(name));
}

ByteArray<16> OrgKeys::mac(Column column, ByteView key, ByteView value) const {
  return keyed(mac_.reveal(), static_cast<uint8_t>(column), key, value);
}

std::shared_ptr<const OrgKeys> OrgKeyCache::find(const OrgId& org) {
  const std::lock_guard lock(mutex_);
  const auto* const found = entries_.find(org);
  return found == nullptr ? nullptr : *found;
}

void OrgKeyCache::put(const OrgId& org, std::shared_ptr<const OrgKeys> keys) {
  const std::lock_guard lock(mutex_);
  entries_.put(org, std::move(keys), 1);
}

void OrgKeyCache::forget(const OrgId& org) {
  const std::lock_guard lock(mutex_);
  entries_.erase(org);
}

size_t OrgKeyCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace wab::storage
