// One-time prekeys: made, made durable, uploaded, topped up; the signed prekey's rotation (dossier
// 1 section 10).
//
// An id is never offered twice: the watermark of uploaded ids moves durably before the upload
// leaves, because a peer may already hold a key of an upload whose answer was lost.
#pragma once

#include "session/engine.h"

namespace wab::session {

struct OneTimePreKey {
  uint32_t id = 0;
  signal::KeyPair keys;
};

// A new key outside of the server's pool, for a retry receipt.
OneTimePreKey take_fresh_prekey(Change& change, Random& random);

node::Node prekey_node(const char* tag, uint32_t id, const Key32& pub);
node::Node signed_prekey_node(const SignedPreKey& key);

class PreKeys {
 public:
  explicit PreKeys(Engine& engine) : engine_(engine) {}

  // After login: asks how many the server has and uploads when it is few.
  awaitable<void> check();
  // The server says that it runs low.
  awaitable<void> top_up();
  // Compares what the server holds with what we have; uploads again where it holds nothing.
  awaitable<void> verify_digest();
  // Once per 27 days.
  awaitable<void> rotate_signed_if_due();

  static constexpr uint32_t kLow = 5;
  static constexpr UnixSeconds kRotateEvery = 27 * 24 * 3600;

 private:
  awaitable<Result<void>> upload(uint32_t count);

  Engine& engine_;
  Turn uploading_;  // upload and rotation both declare the signed prekey: one at a time
};

}  // namespace wab::session
