// Everything a session may ask of the outside world, in one screen. The bridge implements it.
//
// Owned by whoever owns the session and outlives it; every call is made on the session's shard.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "session/client_payload.h"
#include "storage/base/clock.h"
#include "storage/store.h"

namespace wab::wire {
class WebSocket;
}

namespace wab::session {

using boost::asio::awaitable;

// What the operator configured, the same for all sessions.
struct Settings {
  Key32 noise_root_key{};                   // WhatsApp's, or a sandbox's
  ClientProfile profile;                    // version, name shown on the phone
  uint32_t prekeys_first = 812;             // uploaded after pairing
  uint32_t prekeys_refill = 812;            // uploaded when the server runs low
  bool presence_available = false;          // true stops the phone's own notifications
  bool unsafe_early_ack_for_tests = false;  // answers before the write: crash tests must see it
};

class SessionContext {
 public:
  virtual ~SessionContext() = default;

  virtual const storage::Scope& scope() const = 0;
  virtual const Settings& settings() const = 0;
  virtual Clock& clock() = 0;
  virtual Random& random() = 0;
  virtual boost::asio::any_io_executor executor() = 0;

  virtual awaitable<Result<std::vector<std::optional<Bytes>>>> load(
      std::vector<storage::Key> keys) = 0;
  virtual awaitable<Result<storage::Store::Page>> scan(storage::Kind kind, std::string after,
                                                       size_t limit) = 0;
  virtual awaitable<Result<std::vector<bool>>> marked(std::vector<std::string> names) = 0;
  // Durable when it returns. The implementation adds one delivery per matching webhook endpoint and
  // wakes their dispatcher. Calls of one session are made one after another.
  virtual awaitable<Result<void>> commit(storage::Commit commit) = 0;
  // True while the organization owes its endpoints too much: whatever would make an event stays
  // with WhatsApp, unacknowledged.
  virtual bool outbox_full() const = 0;
  // One-way and keyed: event ids and lanes.
  virtual ByteArray<32> keyed_hash(std::string_view purpose, ByteView data) = 0;

  // An open WebSocket to WhatsApp. Waits for the global dial budget, so that a restart of ten
  // thousand sessions is spread; the deadline counts from the moment a slot is free.
  virtual awaitable<Result<std::unique_ptr<wire::WebSocket>>> dial() = 0;
  // Runs slow pure work (PBKDF2) away from the shard.
  virtual awaitable<void> compute(std::function<void()> work) = 0;

  // The status, QR code or identity changed: wake those who watch. Never blocks.
  virtual void changed() = 0;
};

}  // namespace wab::session
