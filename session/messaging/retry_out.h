// Messages that do not decrypt: asking the sender to encrypt again, at most four times, also across
// restarts (dossier 2 sections 8.4 and 8.5).
#pragma once

#include "session/engine.h"
#include "session/messaging/decrypt.h"

namespace wab::session {

class RetryOut {
 public:
  explicit RetryOut(Engine& engine) : engine_(engine) {}

  // Counts the attempt, tells the tenant at the first, and after the change is durable sends the
  // retry receipt and the ack. After the last attempt only the ack.
  awaitable<Result<void>> on_undecryptable(Change& change, const node::Node& stanza,
                                           const MessageInfo& info, DecryptFailure failure,
                                           std::weak_ptr<Connection> where);
  // A message was read: was it told as undecryptable before? Forgets the count.
  awaitable<Result<bool>> healed(Change& change, const MessageInfo& info);

  static constexpr uint32_t kMaxRetries = 4;

 private:
  Result<node::Node> keys_node(Change& change);

  Engine& engine_;
};

}  // namespace wab::session
