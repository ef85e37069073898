// From the ciphertexts of one message stanza to one plaintext, on a Change (dossier 2 sections 8.2
// to 8.4). Nothing is durable here; the caller commits the advanced ratchets together with the
// event.
#pragma once

#include "session/engine.h"
#include "session/proto/message.pb.h"

namespace wab::session {

struct Decrypted {
  pb::Message message;    // of the enc that carries content; sender-key distributions are processed
  Bytes ciphertext_hash;  // of all encs, for the duplicate mark
  bool has_content = false;  // false: only keys were distributed
  bool duplicate = false;    // the ratchet has seen this counter
  bool sender_was_unknown_device = false;
};

struct DecryptFailure {
  Error error;
  int retry_reason = 0;      // dossier 2 section 8.4
  bool force_keys = false;   // the retry receipt must carry our keys at once
  bool undecodable = false;  // decrypted, but not a protobuf: nack 491, no retry
};

using DecryptOutcome = tl::expected<Decrypted, DecryptFailure>;

// SHA-256 over all enc contents of the stanza, as hex.
std::string ciphertext_hash(const node::Node& stanza);

awaitable<Result<DecryptOutcome>> decrypt_stanza(Engine& engine, Change& change,
                                                 const node::Node& stanza, const MessageInfo& info);

}  // namespace wab::session
