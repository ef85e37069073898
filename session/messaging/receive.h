// One message stanza to events, state changes, and the answer that WhatsApp waits for (architecture
// section 5.1). The answer leaves only when everything is durable.
#pragma once

#include "session/engine.h"
#include "session/messaging/decrypt.h"

namespace wab::session {

class RetryOut;

class Receiver {
 public:
  Receiver(Engine& engine, RetryOut& retry) : engine_(engine), retry_(retry) {}

  // Handles `stanza` in its own turn and returns when its change is applied (not yet durable). An
  // error means that the store cannot be read: the session must stop.
  awaitable<Result<void>> on_message(node::Node stanza);

 private:
  awaitable<Result<void>> process(Change& change, const node::Node& stanza, const MessageInfo& info,
                                  std::weak_ptr<Connection> where);
  awaitable<Result<void>> accept(Change& change, const node::Node& stanza, const MessageInfo& info,
                                 Decrypted decrypted, std::weak_ptr<Connection> where);
  awaitable<Result<bool>> seen_before(const MessageInfo& info, const std::string& hash);
  void poison(Change& change, const node::Node& stanza, const MessageInfo& info, const char* code,
              std::optional<int> nack, std::weak_ptr<Connection> where);
  awaitable<Result<void>> own_protocol_message(Change& change, const pb::Message& message,
                                               const node::Node& stanza, const MessageInfo& info,
                                               std::weak_ptr<Connection> where);

  Engine& engine_;
  RetryOut& retry_;
};

// Mark names, shared with tests and with the retry topic.
std::string message_mark(const MessageInfo& info);
std::string ciphertext_mark(const std::string& hash);
inline constexpr UnixSeconds kMarkLifetime = 35 * 24 * 3600;

}  // namespace wab::session
