// Signal state of a session as rows: sessions, identities, prekeys, sender keys.
//
// Each function reads through a Change and writes into it; nothing is durable before the change is.
// Rows that do not parse are damage, not absence: they are an error and end the session's work.
#pragma once

#include "session/identity.h"
#include "session/messaging/lid_map.h"
#include "session/signal/ratchet.h"
#include "session/signal/sender_key.h"

namespace wab::session {

// "1000002_1.3": name and device of the Signal address.
std::string address_name(const node::Jid& device);

// The record of a device, under the address that counts now. Moves a record that was made under the
// phone number. Absent: an empty record.
awaitable<Result<signal::SessionRecord>> load_session(Change& change, node::Jid signal_device);
void store_session(Change& change, const node::Jid& signal_device,
                   const signal::SessionRecord& record);

awaitable<Result<std::optional<Key32>>> load_identity(Change& change, node::Jid signal_device);
void store_identity(Change& change, const node::Jid& signal_device, const Key32& identity);

awaitable<Result<std::optional<signal::KeyPair>>> load_prekey(Change& change, uint32_t id);
void store_prekey(Change& change, uint32_t id, const signal::KeyPair& keys);
void erase_prekey(Change& change, uint32_t id);

std::string sender_key_name(const node::Jid& group, const node::Jid& signal_device);
awaitable<Result<signal::SenderKeyRecord>> load_sender_key(Change& change, node::Jid group,
                                                           node::Jid signal_device);
void store_sender_key(Change& change, const node::Jid& group, const node::Jid& signal_device,
                      const signal::SenderKeyRecord& record);

}  // namespace wab::session
