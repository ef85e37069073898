#include "session/signal/state.h"

#include "session/signal/stored.h"

namespace wab::signal {
namespace {

// Format 1, all integers big endian:
//   record   u8 format, u8 has current, [state], u8 archived, state * archived
//   state    key remote identity, key base, u32 remote registration, secret root, u8 flags,
//            secret ratchet private, due ? key due : (key ratchet public, secret chain, u32 index),
//            u32 previous counter, [u32 signed id, [u32 one-time id]],
//            u8 receivers, receiver * receivers
//   receiver key ratchet, secret chain, u32 index, skipped
//   skipped  u16 count, (u32 counter, secret seed) * count
constexpr uint8_t kFormat = 1;

enum : uint8_t { kDue = 1, kPending = 2, kPendingOneTime = 4, kAllFlags = 7 };

size_t stored_size(const SessionState& state) {
  size_t size = 32 + 32 + 4 + 32 + 1 + 32 + (state.sending.due ? 32 : 68) + 4 + 1;
  if (state.pending) size += state.pending->one_time_id ? 8 : 4;
  for (const ReceiverChain& chain : state.receivers) size += 68 + stored_size(chain.skipped);
  return size;
}

void write(Bytes& to, const SessionState& state) {
  append(to, state.remote_identity);
  append(to, state.base_key);
  put_be32(to, state.remote_registration_id);
  append(to, state.root.reveal());
  uint8_t flags = 0;
  if (state.sending.due) flags |= kDue;
  if (state.pending) flags |= kPending;
  if (state.pending && state.pending->one_time_id) flags |= kPendingOneTime;
  to.push_back(flags);
  append(to, state.sending.ratchet.priv.reveal());
  if (state.sending.due) {
    append(to, *state.sending.due);
  } else {
    append(to, state.sending.ratchet.pub);
    append(to, state.sending.key.reveal());
    put_be32(to, state.sending.index);
  }
  put_be32(to, state.previous_counter);
  if (state.pending) {
    put_be32(to, state.pending->signed_id);
    if (state.pending->one_time_id) put_be32(to, *state.pending->one_time_id);
  }
  to.push_back(static_cast<uint8_t>(state.receivers.size()));
  for (const ReceiverChain& chain : state.receivers) {
    append(to, chain.ratchet);
    append(to, chain.key.reveal());
    put_be32(to, chain.index);
    write_skipped(to, chain.skipped);
  }
}

SessionState read(StoredReader& reader) {
  SessionState state;
  state.remote_identity = reader.key();
  state.base_key = reader.key();
  state.remote_registration_id = reader.u32();
  state.root = reader.secret();
  const uint8_t flags = reader.u8();
  if ((flags & ~kAllFlags) != 0) reader.refuse();
  if ((flags & kPendingOneTime) != 0 && (flags & kPending) == 0) reader.refuse();
  state.sending.ratchet.priv = reader.secret();
  if ((flags & kDue) != 0) {
    state.sending.due = reader.key();
  } else {
    state.sending.ratchet.pub = reader.key();
    state.sending.key = reader.secret();
    state.sending.index = reader.u32();
  }
  state.previous_counter = reader.u32();
  if ((flags & kPending) != 0) {
    state.pending.emplace();
    state.pending->signed_id = reader.u32();
    if ((flags & kPendingOneTime) != 0) state.pending->one_time_id = reader.u32();
  }
  const size_t receivers = reader.u8();
  if (receivers > kMaxReceiverChains) reader.refuse();
  for (size_t i = 0; i < receivers && !reader.failed(); ++i) {
    ReceiverChain chain;
    chain.ratchet = reader.key();
    chain.key = reader.secret();
    chain.index = reader.u32();
    chain.skipped = read_skipped(reader, chain.index);
    state.receivers.push_back(std::move(chain));
  }
  return state;
}

template <class T>
std::vector<T> clone_all(const std::vector<T>& all) {
  std::vector<T> out;
  out.reserve(all.size());
  for (const T& one : all) out.push_back(one.clone());
  return out;
}

}  // namespace

void write_skipped(Bytes& to, const std::vector<SkippedKey>& skipped) {
  to.push_back(static_cast<uint8_t>(skipped.size() >> 8));
  to.push_back(static_cast<uint8_t>(skipped.size()));
  for (const SkippedKey& key : skipped) {
    put_be32(to, key.counter);
    append(to, key.seed.reveal());
  }
}

std::vector<SkippedKey> read_skipped(StoredReader& reader, uint32_t index) {
  std::vector<SkippedKey> out;
  const size_t count = reader.u16();
  if (count > kMaxSkippedKeys) reader.refuse();
  for (size_t i = 0; i < count && !reader.failed(); ++i) {
    SkippedKey key;
    key.counter = reader.u32();
    key.seed = reader.secret();
    if (key.counter >= index || (!out.empty() && key.counter <= out.back().counter)) {
      reader.refuse();
    }
    out.push_back(std::move(key));
  }
  return out;
}

ReceiverChain ReceiverChain::clone() const {
  return ReceiverChain{ratchet, key.clone(), index, clone_all(skipped)};
}

SessionState SessionState::clone() const {
  return SessionState{remote_identity, base_key,         remote_registration_id, root.clone(),
                      sending.clone(), previous_counter, clone_all(receivers),   pending};
}

SessionRecord SessionRecord::clone() const {
  SessionRecord out;
  if (current) out.current = current->clone();
  out.archived = clone_all(archived);
  return out;
}

Bytes SessionRecord::to_bytes() const {
  size_t size = 3;
  if (current) size += stored_size(*current);
  for (const SessionState& state : archived) size += stored_size(state);
  Bytes out;
  out.reserve(size);  // exactly, so that no grown-out-of buffer keeps secrets behind
  out.push_back(kFormat);
  out.push_back(current ? 1 : 0);
  if (current) write(out, *current);
  out.push_back(static_cast<uint8_t>(archived.size()));
  for (const SessionState& state : archived) write(out, state);
  return out;
}

Result<SessionRecord> SessionRecord::from_bytes(ByteView bytes) {
  StoredReader reader(bytes);
  if (reader.u8() != kFormat) return fail(SignalError::malformed_record, "session format");
  SessionRecord record;
  const uint8_t has_current = reader.u8();
  if (has_current > 1) reader.refuse();
  if (has_current == 1) record.current = read(reader);
  const size_t archived = reader.u8();
  if (archived > kMaxArchivedStates) reader.refuse();
  for (size_t i = 0; i < archived && !reader.failed(); ++i) {
    record.archived.push_back(read(reader));
    if (record.archived.back().pending) reader.refuse();  // archiving clears it
  }
  if (!reader.done()) return fail(SignalError::malformed_record, "session record");
  return record;
}

void SessionRecord::archive_current() {
  if (!current) return;
  current->pending.reset();
  archived.insert(archived.begin(), std::move(*current));
  current.reset();
  if (archived.size() > kMaxArchivedStates) archived.pop_back();
}

bool has_session(const SessionRecord& record) { return record.current.has_value(); }

uint32_t remote_registration_id(const SessionRecord& record) {
  return record.current ? record.current->remote_registration_id : 0;
}

std::optional<Key32> remote_identity(const SessionRecord& record) {
  if (!record.current) return std::nullopt;
  return record.current->remote_identity;
}

std::optional<Key32> current_base_key(const SessionRecord& record) {
  if (!record.current) return std::nullopt;
  return record.current->base_key;
}

bool is_unacknowledged(const SessionRecord& record) {
  return record.current && record.current->pending;
}

}  // namespace wab::signal
