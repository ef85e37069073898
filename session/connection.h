// One connection to WhatsApp: WebSocket, Noise, stanzas in order, questions and their answers.
//
// Made by open(), held by shared_ptr because a question may outlive the session's interest in it.
// Single shard. One coroutine reads with next(); everybody may send() and ask(). Every waiter is
// answered when the connection ends. Dossier 1 sections 1, 2, 12.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "session/context.h"
#include "session/identity.h"
#include "session/node/node.h"
#include "session/noise/handshake.h"
#include "session/noise/transport.h"
#include "session/wire/stream.h"
#include "storage/base/async.h"

namespace wab::session {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Opening {
    signal::KeyPair noise;
    Bytes payload;       // ClientPayload: registration or login
    Bytes routing_info;  // edge routing of an earlier connection, may be empty
    std::optional<noise::VerifiedChain> cached;  // try IK
    noise::CertificatePolicy policy;
  };
  // Dials, shakes hands and sends the payload. `cache_suspect` is set when a cached chain must be
  // forgotten.
  static awaitable<Result<std::shared_ptr<Connection>>> open(SessionContext& context,
                                                             Opening opening, bool& cache_suspect);
  ~Connection();
  Connection(const Connection&) = delete;

  // The next stanza that is not an answer to one of our questions. Errors end the connection.
  awaitable<Result<node::Node>> next();

  // Queues the stanza; stanzas leave in the order of the calls. False when the connection is over.
  bool send(const node::Node& stanza);
  // The stanza as bytes of node::encode(), for a repeat that must be the same byte for byte.
  bool send_encoded(Bytes encoded);
  // Sends an iq with a fresh id and waits for its answer of type result; an answer of type error is
  // SessionError::refused and its code is in `error_code`.
  awaitable<Result<node::Node>> ask(node::Node iq, std::chrono::seconds timeout,
                                    int* error_code = nullptr);
  // The same, but any answer with the id is a result (pairing looks into errors by itself).
  awaitable<Result<node::Node>> ask_raw(node::Node iq, std::chrono::seconds timeout);
  std::string next_id();

  void close();
  bool alive() const { return alive_; }
  // Waits until the connection has ended or the deadline passed; true when it ended.
  awaitable<bool> ended_before(SteadyTime deadline);
  SteadyTime last_frame() const { return last_frame_; }
  const std::optional<noise::VerifiedChain>& verified_chain() const { return chain_; }
  size_t questions() const { return waiters_.size(); }

 private:
  struct Waiter {
    std::optional<node::Node> answer;
    Event done;
  };

  explicit Connection(SessionContext& context);
  awaitable<Result<void>> shake_hands(Opening opening, bool& cache_suspect);
  awaitable<Result<Bytes>> read_frame(wire::Deadline deadline);
  awaitable<void> write_queued(std::shared_ptr<Connection> self);
  bool answered(node::Node& stanza);

  SessionContext& context_;
  std::unique_ptr<wire::WebSocket> socket_;
  std::optional<noise::Transport> transport_;
  noise::FrameReader frames_;
  Bytes input_;
  size_t input_used_ = 0;
  std::optional<noise::VerifiedChain> chain_;
  std::deque<Bytes> out_;
  size_t out_bytes_ = 0;
  bool writing_ = false;
  bool alive_ = true;
  Event ended_;
  std::map<std::string, std::shared_ptr<Waiter>> waiters_;
  std::string id_prefix_;
  uint64_t id_count_ = 0;
  SteadyTime last_frame_{};
};

}  // namespace wab::session
