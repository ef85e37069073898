#include "session/messaging/signal_store.h"

namespace wab::session {
namespace {

using storage::Kind;

const std::string kNoPrefix;

// The same device under the phone number, when the record may still be kept there.
awaitable<Result<std::optional<node::Jid>>> number_form(Change& change, node::Jid device) {
  if (!device.is_lid()) co_return std::optional<node::Jid>();
  node::Jid bare = device.bare();
  CO_TRY(auto pn, co_await other_name(change, std::move(bare)));
  if (!pn || !pn->is_pn()) co_return std::optional<node::Jid>();
  co_return std::optional<node::Jid>(pn->with_device(device.device));
}

// The row under the device's address, or the one under its phone number, which is then moved.
awaitable<Result<std::optional<Bytes>>> get_or_move(Change& change, Kind kind, std::string prefix,
                                                    node::Jid device) {
  storage::Key key{kind, prefix + address_name(device)};
  CO_TRY(auto stored, co_await change.get(std::move(key)));
  if (stored) co_return stored;
  CO_TRY(auto old, co_await number_form(change, device));
  if (!old) co_return std::optional<Bytes>();
  storage::Key old_key{kind, prefix + address_name(*old)};
  CO_TRY(auto moved, co_await change.get(old_key));
  if (moved) {
    change.erase(kind, old_key.name);
    change.put(kind, prefix + address_name(device), *moved);
  }
  co_return moved;
}

}  // namespace

std::string address_name(const node::Jid& device) {
  return device.signal_name() + "." + std::to_string(device.device);
}

awaitable<Result<signal::SessionRecord>> load_session(Change& change, node::Jid signal_device) {
  CO_TRY(auto stored, co_await get_or_move(change, Kind::signal_session, kNoPrefix, signal_device));
  if (!stored) co_return signal::SessionRecord();
  co_return signal::SessionRecord::from_bytes(*stored);
}

void store_session(Change& change, const node::Jid& signal_device,
                   const signal::SessionRecord& record) {
  change.put(Kind::signal_session, address_name(signal_device), record.to_bytes());
}

awaitable<Result<std::optional<Key32>>> load_identity(Change& change, node::Jid signal_device) {
  CO_TRY(auto stored, co_await get_or_move(change, Kind::peer_identity, kNoPrefix, signal_device));
  if (!stored) co_return std::optional<Key32>();
  co_return to_array<32>(*stored);
}

void store_identity(Change& change, const node::Jid& signal_device, const Key32& identity) {
  change.put(Kind::peer_identity, address_name(signal_device), to_bytes(ByteView(identity)));
}

awaitable<Result<std::optional<signal::KeyPair>>> load_prekey(Change& change, uint32_t id) {
  storage::Key key{Kind::prekey, std::to_string(id)};
  CO_TRY(auto stored, co_await change.get(std::move(key)));
  pb::StoredPreKey row;
  if (!stored || !row.ParseFromArray(stored->data(), static_cast<int>(stored->size()))) {
    co_return std::optional<signal::KeyPair>();
  }
  const auto priv = SecretKey32::from(view(row.private_key()));
  if (!priv) co_return std::optional<signal::KeyPair>();
  co_return std::optional<signal::KeyPair>(signal::KeyPair::from_private(*priv));
}

void store_prekey(Change& change, uint32_t id, const signal::KeyPair& keys) {
  pb::StoredPreKey row;
  row.set_private_key(to_string(keys.priv.reveal()));
  change.put(Kind::prekey, std::to_string(id), to_bytes(view(row.SerializeAsString())));
}

void erase_prekey(Change& change, uint32_t id) { change.erase(Kind::prekey, std::to_string(id)); }

std::string sender_key_name(const node::Jid& group, const node::Jid& signal_device) {
  return group.text() + "::" + address_name(signal_device);
}

awaitable<Result<signal::SenderKeyRecord>> load_sender_key(Change& change, node::Jid group,
                                                           node::Jid signal_device) {
  const std::string prefix = group.text() + "::";
  CO_TRY(auto stored, co_await get_or_move(change, Kind::sender_key, prefix, signal_device));
  if (!stored) co_return signal::SenderKeyRecord();
  co_return signal::SenderKeyRecord::from_bytes(*stored);
}

void store_sender_key(Change& change, const node::Jid& group, const node::Jid& signal_device,
                      const signal::SenderKeyRecord& record) {
  change.put(Kind::sender_key, sender_key_name(group, signal_device), record.to_bytes());
}

}  // namespace wab::session
